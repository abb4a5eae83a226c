"""A model with its generation settings, compiled."""

import functools
import operator

import keras
import numpy as np
from keras import ops

from keras_attention.checks import check_boolean
from keras_attention.generation.compiling import compile_function
from keras_attention.generation.constraints import make_constraints
from keras_attention.generation.prompts import (
    check_embedded,
    read_prompt,
    read_source,
)
from keras_attention.generation.published import arguments_of
from keras_attention.generation.search_memory import bytes_of_row, check_search
from keras_attention.generation.stepping import Stepping, Steps
from keras_attention.generation.strategies import (
    CHOICES,
    STRATEGIES,
    check_model,
    check_settings,
)

_SOURCE = "source_ids", "source_padding_mask"


class Generator:
    """Generates with a model, as one compiled function.

    On TensorFlow that is a `tf.function`, on JAX a `jax.jit` to which the
    model's weights are arguments; PyTorch runs eagerly without gradients. The
    function is compiled once for each shape of the inputs (a plain TensorFlow
    graph once for all), and sees weights that change later. After a change of
    the model's structure (`quantize`, `enable_lora`) it is compiled anew.

    `Generator.from_model(model)` takes all arguments from the
    `generation_config.json` of a published model.

    Prompts of different lengths share their first tokens' call, whose length is
    then rounded down to a power of two, so that batches of one shape share a
    few compiled functions whatever their lengths are.

    Args:
        model: A model with `step(token_ids, cache, memory, start)` and
            `init_cache(batch_size, max_length)`, and where it reads a source,
            `init_memory(source_ids)`.
        max_length: Integer, the length of the result, prompt included. With
            `max_new_tokens` it may be None: each result is then as long as its
            batch needs, and every length of prompts is compiled anew.
        end_id: Integer or a list of them, the tokens that end a row, or None.
        padding_id: Integer, the token after the end of a row.
        start_id: Integer, the prompt of a row where none is given, or None.
        strategy: `"greedy"`, `"sampling"` or `"beam"`.
        settings: Dictionary of the keyword arguments of `sample` or
            `beam_search`, for example `{"num_beams": 4}`. With sampling,
            `"seed"` is an integer or None, from which every call takes new
            draws.
        jit_compile: Whether to compile with XLA. Without it TensorFlow runs a
            plain graph and JAX runs eagerly; PyTorch always does.
        **constraints: Arguments of `Constraints`: `min_length`,
            `max_new_tokens`, `repetition_penalty` and so on.

    Call arguments:
        prompt: Integers `(batch, prompt_length)`, padded on the right. None for
            `start_id` alone, one row for each source.
        source_ids: For a model that reads a source: integers
            `(batch, source_length)`, or vectors of the caller's own.
        source_padding_mask: Boolean `(batch, source_length)`; by default what
            the model finds in `source_ids`.
        prompt_lengths: `(batch,)`. By default a prompt ends with its last token
            that is not `padding_id`, and its first token always counts.
        seeds: For sampling: integers `(batch, 2)`, one seed a row, in place of
            the generator's own. What a row becomes then depends neither on the
            rows beside it nor on its place.

    Returns:
        A dictionary of NumPy arrays, as the strategy's function returns it.

    Raises:
        ValueError: if a setting is unknown or out of its range, or if the
            prompt does not fit.

    Example:

    ```python
    generator = Generator(
        decoder, max_length=64, end_id=2, strategy="beam",
        settings={"num_beams": 4, "length_penalty": 0.6},
    )
    token_ids = generator(prompt)["token_ids"]
    ```
    """

    def __init__(
        self,
        model,
        *,
        max_length=None,
        end_id,
        padding_id=0,
        start_id=None,
        strategy="greedy",
        settings=None,
        jit_compile=True,
        **constraints,
    ):
        check_model(model)
        settings = dict(settings or {})
        check_settings(strategy, settings)
        check_boolean("jit_compile", jit_compile)
        made = make_constraints(max_length, **constraints)
        if max_length is None and made.max_new_tokens is None:
            raise ValueError(
                "`max_length` or `max_new_tokens` is needed. Received: None"
            )
        self.model = model
        self.max_length = max_length
        self.end_id = end_id
        self.padding_id = padding_id
        self.start_id = start_id
        self.constraints = made
        self._arguments = constraints
        self._num_beams = settings.get("num_beams", 1)
        self._bytes = functools.cache(
            lambda length: bytes_of_row(model, length, self._num_beams)
        )
        if max_length is not None:
            self.max_length = operator.index(max_length)
            self._check_memory(1, self.max_length)
        self._strategy, self._seeds = strategy, None
        if strategy == "sampling":
            self._seeds = keras.random.SeedGenerator(settings.pop("seed", None))
        self._settings, self._jit_compile = settings, jit_compile
        self._weights = self._run = self._stepping = None

    @classmethod
    def from_model(cls, model, **changes):
        """Makes the generator that a published folder describes.

        What the folder asks for and this package lacks is named in a warning.

        Args:
            model: One that `from_preset` read from a folder of Hugging Face.
                Its `generation` is the content of `generation_config.json`, or
                the entries of generation in an older `config.json`.
            **changes: Arguments of `Generator` in place of the folder's.
                `settings` replace those of the same name; where `strategy` is
                another, the folder's settings for that one count.

        Returns:
            A `Generator`.

        Raises:
            ValueError: if the model has no `generation`, an entry is of
                another type, or the folder asks for beams that are sampled.

        Example:

        ```python
        model = EncoderDecoder.from_preset("hf://facebook/m2m100_418M")
        generator = Generator.from_model(model, forced_first_id=128_022)
        token_ids = generator(source_ids=source_ids)["token_ids"]
        ```
        """
        return cls(model, **arguments_of(model, changes))

    def __call__(
        self,
        prompt=None,
        source_ids=None,
        prompt_lengths=None,
        seeds=None,
        source_padding_mask=None,
    ):
        self._follow_model()
        if prompt is None:
            prompt = self._start(source_ids)
        inputs, prefill_length, max_length = self._read(
            prompt, prompt_lengths, seeds
        )
        if source_ids is not None:
            source = read_source(source_ids)
            check_embedded(getattr(self.model, "encoder", None), source)
            inputs["source_ids"] = source
        if source_padding_mask is not None:
            mask = ops.convert_to_tensor(source_padding_mask, "bool")
            inputs["source_padding_mask"] = mask
        if prefill_length < inputs["prompt"].shape[1]:
            prefill_length = 1 << (prefill_length.bit_length() - 1)
        results = self._run(inputs, prefill_length, max_length)
        return {k: ops.convert_to_numpy(v) for k, v in results.items()}

    def steps(self, prompt, prompt_lengths=None, seeds=None):
        """Generates one token at a time, by one compiled function.

        Args:
            prompt, prompt_lengths, seeds: As of a call.

        Returns:
            `Steps`. Its rows become what a call makes of them.

        Raises:
            ValueError: as of a call; also for beams, which may change what
                they have begun with.
        """
        if self._strategy not in CHOICES:
            raise ValueError(
                "Tokens can be given one by one with the strategies "
                f"{', '.join(CHOICES)}. Received: strategy={self._strategy!r}"
            )
        self._follow_model()
        inputs, _, max_length = self._read(prompt, prompt_lengths, seeds)
        if self._stepping is None:
            self._stepping = self._make_stepping()
        return Steps(self._stepping, inputs, max_length)

    def _make_stepping(self):
        choice = functools.partial(CHOICES[self._strategy], **self._settings)
        arguments = {"end_id": self.end_id, "padding_id": self.padding_id}
        return Stepping(
            self.model, choice, arguments | self._arguments, self._jit_compile
        )

    def _follow_model(self):
        """Drops what was compiled for other weights than the model now has."""
        weights, known = [*getattr(self.model, "weights", ())], self._weights
        if known is not None and len(known) == len(weights):
            if all(map(operator.is_, known, weights)):
                return
        self._weights, self._stepping = weights, None
        self._run = compile_function(
            self._generate, self.model, self._jit_compile, any_shape=True
        )

    def _read(self, prompt, prompt_lengths, seeds):
        """Checks prompts; gives inputs, the shortest length and the longest."""
        if not ops.is_tensor(prompt):
            prompt = np.asarray(prompt)
        max_length = self.max_length
        if max_length is None and len(prompt.shape) == 2:
            max_length = prompt.shape[1] + self.constraints.max_new_tokens
        if prompt.shape:
            self._check_memory(prompt.shape[0], max_length)
        checked = read_prompt(
            prompt,
            max_length=max_length,
            padding_id=self.padding_id,
            prompt_lengths=prompt_lengths,
        )
        check_embedded(
            getattr(self.model, "decoder", self.model), checked.token_ids
        )
        inputs = {
            "prompt": ops.convert_to_tensor(prompt, "int32"),
            "prompt_lengths": checked.lengths,
        }
        if self._seeds is not None:
            # Drawn in any case: a call moves on to the next draws.
            seed = self._seeds.next()
            if seeds is not None:
                seed = ops.convert_to_tensor(seeds, "int32")
            inputs["seed"] = seed
        return inputs, checked.prefill_length, max_length

    def _start(self, source_ids):
        if self.start_id is None or source_ids is None:
            raise ValueError(
                "A prompt is needed, or `source_ids` and the `start_id` of the "
                f"generator. Received: start_id={self.start_id}"
            )
        count = np.shape(source_ids)[0]
        return np.full((count, 1), self.start_id, "int32")

    def _check_memory(self, rows, max_length):
        needed = self._bytes(max_length)
        check_search(needed, rows, max_length, self._num_beams)

    def _generate(self, inputs, prefill_length, max_length):
        arguments = dict(inputs)
        names = [name for name in _SOURCE if name in arguments]
        source = [arguments.pop(name) for name in names]
        memory = self.model.init_memory(*source) if source else None
        prompt = arguments.pop("prompt")
        return STRATEGIES[self._strategy](
            self.model.step,
            self.model.init_cache(ops.shape(prompt)[0], max_length),
            prompt,
            max_length=max_length,
            end_id=self.end_id,
            padding_id=self.padding_id,
            memory=memory,
            prefill_length=prefill_length,
            **arguments,
            **self._settings,
            **self._arguments,
        )
