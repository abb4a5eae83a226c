"""Which flavours learn what they should: small tasks, seconds each.

    python recipes/benchmarks/attention_quality.py
    python recipes/benchmarks/attention_quality.py --flavours linear retention

Three tasks, each learned anew by a model of two layers for a few hundred
steps, scored on examples that training did not see:

- `recall` (causal flavours): six pairs of a key and a value, then the keys in
  another order; the value of each is asked for. Chance is 1 in 6 at best.
- `far` (encoders): one of eight marks stands somewhere in the last quarter of
  48 tokens; the first position has to tell which. Chance is 1 in 8.
- `near`: the mark stands among the four tokens behind the first.

Local flavours have windows or blocks of 4, so that two layers do not reach the
far mark: they are expected to fail there. Prints a table in Markdown.
"""

import dataclasses
import sys

import tyro

# Small enough for sequences of 12 to 48 tokens.
LOCAL = {
    "bigbird": {"block_size": 4, "num_random_blocks": 1},
    "block_sparse": {"block_size": 4},
    "longformer": {"window_size": 4},
    "lsh": {"chunk_size": 8},
    "nystrom": {"num_landmarks": 8},
    "shifted_window": {"window_size": 3},
    "sliding_window": {"window_size": 4},
    "sparse_transformer": {"stride": 7},
}
HIDDEN_DIM, HEADS, LAYERS, BATCH = 64, 4, 2, 64
KEYS, VALUES, PAIRS = 12, 12, 6
LENGTH, MARKS, NOISE = 48, 8, 16
SOLVED = 0.95


@dataclasses.dataclass
class Settings:
    """What is trained."""

    flavours: tuple[str, ...] = ()
    """Registered names; all mixers by default."""
    steps: int = 400
    seed: int = 0


def recall_examples(rng, number):
    """Makes pairs and the keys that ask for them.

    A pair is one token, so that one layer can find a key.

    Returns:
        `(tokens, answers)`, integers `(number, 2 * PAIRS)`; an answer of 0
        stands where nothing is asked.
    """
    import numpy as np

    keys = np.argsort(rng.random((number, KEYS)), axis=1)[:, :PAIRS]
    values = rng.integers(VALUES, size=(number, PAIRS))
    order = np.argsort(rng.random((number, PAIRS)), axis=1)
    asked = np.take_along_axis(keys, order, axis=1)
    told = np.take_along_axis(values, order, axis=1)
    pairs = 1 + KEYS + keys * VALUES + values
    tokens = np.concatenate([pairs, 1 + asked], axis=1)
    return tokens, np.concatenate([0 * told, 1 + told], axis=1)


def mark_examples(rng, number, near):
    """Makes noise with one mark in it.

    Returns:
        `(tokens, marks)`, integers `(number, LENGTH)` and `(number,)`.
    """
    import numpy as np

    tokens = 1 + MARKS + rng.integers(NOISE, size=(number, LENGTH))
    marks = rng.integers(MARKS, size=number)
    first, last = (1, 5) if near else (LENGTH * 3 // 4, LENGTH)
    places = rng.integers(first, last, size=number)
    tokens[np.arange(number), places] = 1 + marks
    return tokens, marks


def train(task, name, steps, seed):
    """Trains one flavour on one task.

    Args:
        task: `"recall"`, `"far"` or `"near"`.
        name: registered name.
        steps: integer.
        seed: integer.

    Returns:
        The share of right answers on 1,000 unseen examples.
    """
    import keras
    import numpy as np

    from keras_attention import (
        TransformerDecoder,
        TransformerEncoder,
        attention,
    )

    keras.utils.clear_session()  # which frees the models before this one
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    template = attention.get(name, num_heads=HEADS, **LOCAL.get(name, {}))
    options = {
        "num_layers": LAYERS,
        "hidden_dim": HIDDEN_DIM,
        "num_heads": HEADS,
        "attention": template,
        "position": "learned",
        "dropout": 0.0,
    }
    inputs = keras.Input((None,), dtype="int32")
    if task == "recall":
        model = TransformerDecoder(1 + KEYS + KEYS * VALUES, **options)
        output = keras.layers.Dense(1 + VALUES)(model(inputs))
        make = recall_examples
    else:
        model = TransformerEncoder(1 + MARKS + NOISE, **options)
        output = keras.layers.Dense(MARKS)(model(inputs)[:, 0])
        make = lambda rng, number: mark_examples(rng, number, task == "near")
    model = keras.Model(inputs, output)
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=0 if task == "recall" else None
    )
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=3e-3, warmup_steps=steps // 10
    )
    model.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), loss)
    tokens, answers = make(rng, steps * BATCH)
    model.fit(tokens, answers, batch_size=BATCH, epochs=1, verbose=0)
    tokens, answers = make(rng, 1000)
    found = model.predict(tokens, batch_size=250, verbose=0)
    if task == "recall":
        found, answers = found[:, PAIRS:], answers[:, PAIRS:]
    return float((found.argmax(axis=-1) == answers).mean())


def scores(name, steps=400, seed=0):
    """Gives the share of right answers by task; None where it is no task."""
    from keras_attention import attention

    described = attention.describe()[name]
    causal = described["causal_mask"]
    return {
        "recall": train("recall", name, steps, seed) if causal else None,
        "far": train("far", name, steps, seed),
        "near": train("near", name, steps, seed),
    }


def main(settings):
    """Trains and prints a row for each flavour."""
    from keras_attention import attention

    described = attention.describe()
    names = settings.flavours or [
        name for name in described if described[name]["kind"] == "mixer"
    ]
    print("| flavour | recall | far | near |")
    print("| --- | --- | --- | --- |")
    for name in names:
        if name not in described or described[name]["kind"] != "mixer":
            sys.exit(f"{name} is no mixer. Known: {', '.join(described)}")
        found = scores(name, settings.steps, settings.seed)
        cells = [_cell(score) for score in found.values()]
        print(f"| `{name}` | {' | '.join(cells)} |", flush=True)


def _cell(score):
    if score is None:
        return "not causal"
    return f"{100 * score:.1f} % {'solved' if score >= SOLVED else 'no'}"


if __name__ == "__main__":
    main(tyro.cli(Settings))
