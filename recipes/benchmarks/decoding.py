"""Times greedy decoding with our decoder beside KerasHub's GPT2, in turn.

    python recipes/benchmarks/decoding.py

Both have the same layers, widths, vocabulary, learned positions and tied
embeddings, take the same prompts, and generate the same number of tokens
without an end; the backend is that of KERAS_BACKEND. KerasHub is timed as
`compile` leaves it, and both are timed with and without XLA where the backend
has it.
"""

import dataclasses

import keras
import keras_hub
import numpy as np
import tyro
from timing import in_turn, report

from keras_attention import LearnedEncoding, TransformerDecoder
from keras_attention.generation import Generator


@dataclasses.dataclass
class Settings:
    """What is timed."""

    num_layers: int = 4
    hidden_dim: int = 256
    num_heads: int = 4
    vocabulary_size: int = 8000
    batch: int = 8
    prompt: int = 16
    """Tokens of each prompt."""
    new_tokens: int = 112
    """Tokens that are generated after it."""
    rounds: int = 15


def ours(settings, prompt, jit_compile):
    """Our decoder's generation as a function without arguments."""
    length = settings.prompt + settings.new_tokens
    model = TransformerDecoder(
        settings.vocabulary_size,
        settings.num_layers,
        settings.hidden_dim,
        settings.num_heads,
        position=LearnedEncoding(max_length=length),
        feed_forward="gelu_tanh",
    )
    generator = Generator(
        model, max_length=length, end_id=None, jit_compile=jit_compile
    )
    return lambda: generator(prompt)["token_ids"]


def theirs(settings, prompt, **compile_arguments):
    """KerasHub's generation as a function without arguments."""
    length = settings.prompt + settings.new_tokens
    backbone = keras_hub.models.GPT2Backbone(
        settings.vocabulary_size,
        settings.num_layers,
        settings.num_heads,
        settings.hidden_dim,
        4 * settings.hidden_dim,
        max_sequence_length=length,
    )
    model = keras_hub.models.GPT2CausalLM(backbone)
    model.compile(sampler="greedy", **compile_arguments)
    room = ((0, 0), (0, settings.new_tokens))
    inputs = {
        "token_ids": np.pad(prompt, room),
        "padding_mask": np.pad(np.ones_like(prompt), room),
    }

    def generate():
        result = model.generate(dict(inputs), stop_token_ids=None)
        return np.asarray(result["token_ids"])

    return generate


def main(settings):
    """Checks, times and prints."""
    backend = keras.backend.backend()
    shape = (settings.batch, settings.prompt)
    prompt = np.random.default_rng(0).integers(
        1, settings.vocabulary_size, shape, "int32"
    )
    functions = {
        "keras_attention": ours(settings, prompt, True),
        "keras_hub": theirs(settings, prompt),
    }
    if backend == "tensorflow":
        functions |= {
            "keras_attention without XLA": ours(settings, prompt, False),
            "keras_hub with XLA": theirs(settings, prompt, jit_compile=True),
            "keras_hub without XLA": theirs(
                settings, prompt, jit_compile=False
            ),
        }
    for name, function in functions.items():
        length = function().shape[1]
        if length != settings.prompt + settings.new_tokens:
            raise RuntimeError(f"{name} generated {length} tokens")
    seconds = in_turn(functions, settings.rounds)
    tokens = settings.batch * settings.new_tokens
    for name, found in seconds.items():
        print(f"{name:28} {tokens / np.median(found):8.0f} tokens a second")
    report(
        seconds,
        "keras_attention",
        "keras_hub",
        backend=backend,
        tokens=tokens,
        **dataclasses.asdict(settings),
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
