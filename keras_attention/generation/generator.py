"""A model with its generation settings, compiled."""

import functools
import inspect
import operator

import keras
import numpy as np
from keras import ops

from keras_attention.checks import check_boolean, did_you_mean
from keras_attention.generation.beam import beam_search, check_beams
from keras_attention.generation.constraints import check_constraints
from keras_attention.generation.greedy import greedy_search
from keras_attention.generation.prompts import read_prompt
from keras_attention.generation.sampling import check_sampling, sample
from keras_attention.generation.search_memory import bytes_of_row, check_search

STRATEGIES = {"greedy": greedy_search, "sampling": sample, "beam": beam_search}


class Generator:
    """Generates with a model, as one compiled function.

    On TensorFlow that is a `tf.function`, on JAX a `jax.jit` to which the
    model's weights are arguments; PyTorch runs eagerly without gradients. The
    function is compiled once for each shape of the inputs (a plain TensorFlow
    graph once for all), and sees weights that change later. After a change of
    the model's structure (`quantize`, `enable_lora`) make a new generator.

    Prompts of different lengths share their first tokens' call, whose length is
    then rounded down to a power of two, so that batches of one shape share a
    few compiled functions whatever their lengths are.

    Args:
        model: A model with `step(token_ids, cache, memory, start)` and
            `init_cache(batch_size, max_length)`, and where it reads a source,
            `init_memory(source_ids)`.
        max_length: Integer, the length of the result, prompt included.
        end_id: Integer, the token that ends a row, or None.
        padding_id: Integer, the token after the end of a row.
        min_length: Integer, as in `greedy_search`.
        no_repeat_ngram_size: Integer, as in `greedy_search`.
        strategy: `"greedy"`, `"sampling"` or `"beam"`.
        settings: Dictionary of the keyword arguments of `sample` or
            `beam_search`, for example `{"num_beams": 4}`. With sampling,
            `"seed"` is an integer or None, from which every call takes new
            draws.
        jit_compile: Whether to compile with XLA. Without it TensorFlow runs a
            plain graph and JAX runs eagerly; PyTorch always does.

    Call arguments:
        prompt: Integers `(batch, prompt_length)`, padded on the right.
        source_ids: For a model that reads a source: integers
            `(batch, source_length)`, or vectors of the caller's own.
        prompt_lengths: `(batch,)`. By default a prompt ends with its last token
            that is not `padding_id`, and its first token always counts.

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
        max_length,
        end_id,
        padding_id=0,
        min_length=0,
        no_repeat_ngram_size=0,
        strategy="greedy",
        settings=None,
        jit_compile=True,
    ):
        settings = dict(settings or {})
        _check_settings(strategy, settings)
        check_boolean("jit_compile", jit_compile)
        check_constraints(min_length, no_repeat_ngram_size, max_length)
        self.model = model
        self.max_length = operator.index(max_length)
        self.end_id = end_id
        self.padding_id = padding_id
        self.min_length = min_length
        self.no_repeat_ngram_size = no_repeat_ngram_size
        self._sizes = self.max_length, settings.get("num_beams", 1)
        self._row_bytes = bytes_of_row(model, *self._sizes)
        check_search(self._row_bytes, 1, *self._sizes)
        self._seeds = None
        if strategy == "sampling":
            self._seeds = keras.random.SeedGenerator(settings.pop("seed", None))
        self._search = functools.partial(STRATEGIES[strategy], **settings)
        self._run = self._compile(jit_compile)

    def __call__(self, prompt, source_ids=None, prompt_lengths=None):
        if not ops.is_tensor(prompt):
            prompt = np.asarray(prompt)
        if prompt.shape:
            check_search(self._row_bytes, prompt.shape[0], *self._sizes)
        checked = read_prompt(
            prompt,
            max_length=self.max_length,
            padding_id=self.padding_id,
            prompt_lengths=prompt_lengths,
        )
        inputs = {
            "prompt": ops.convert_to_tensor(prompt, "int32"),
            "prompt_lengths": checked.lengths,
        }
        decoder = getattr(self.model, "decoder", self.model)
        _check_ids(decoder, checked.token_ids)
        if source_ids is not None:
            source = _source(source_ids)
            _check_ids(getattr(self.model, "encoder", None), source)
            inputs["source_ids"] = source
        if self._seeds is not None:
            inputs["seed"] = self._seeds.next()
        prefill_length = checked.prefill_length
        if prefill_length < inputs["prompt"].shape[1]:
            prefill_length = 1 << (prefill_length.bit_length() - 1)
        results = self._run(inputs, prefill_length)
        return {k: ops.convert_to_numpy(v) for k, v in results.items()}

    def _generate(self, inputs, prefill_length):
        arguments = dict(inputs)
        memory = None
        if "source_ids" in arguments:
            memory = self.model.init_memory(arguments.pop("source_ids"))
        prompt = arguments.pop("prompt")
        return self._search(
            self.model.step,
            self.model.init_cache(ops.shape(prompt)[0], self.max_length),
            prompt,
            max_length=self.max_length,
            end_id=self.end_id,
            padding_id=self.padding_id,
            min_length=self.min_length,
            no_repeat_ngram_size=self.no_repeat_ngram_size,
            memory=memory,
            prefill_length=prefill_length,
            **arguments,
        )

    def _compile(self, jit_compile):
        backend = keras.backend.backend()
        if backend == "tensorflow":
            import tensorflow as tf

            # There is nothing to convert, and looking for it takes longer
            # than the tracing itself.
            function = tf.function(
                self._generate, jit_compile=jit_compile, autograph=False
            )
            return function if jit_compile else _for_all_shapes(function)
        if backend == "torch":
            import torch

            return torch.no_grad()(self._generate)
        if not jit_compile:
            return self._generate
        import jax

        # Closing over the weights would make constants of them.
        @functools.partial(jax.jit, static_argnames="prefill_length")
        def compiled(variables, inputs, prefill_length):
            mapping = zip(self.model.variables, variables, strict=True)
            with keras.StatelessScope(state_mapping=mapping):
                return self._generate(inputs, prefill_length)

        def run(inputs, prefill_length):
            variables = [v.value for v in self.model.variables]
            return compiled(variables, inputs, prefill_length=prefill_length)

        return run


def _source(source):
    if not ops.is_tensor(source):
        source = np.asarray(source)
    is_integer = "int" in keras.backend.standardize_dtype(source.dtype)
    return ops.convert_to_tensor(
        source, "int32" if is_integer else keras.config.floatx()
    )


def _check_ids(model, ids):
    # Here, since a compiled function cannot look at values.
    check = getattr(getattr(model, "embedding", None), "check_ids", None)
    if check is not None:
        check(ids)


def _for_all_shapes(function):
    """Traces a `tf.function` of batches once, whatever their shapes."""
    import tensorflow as tf

    def run(inputs, prefill_length):
        specs = {
            name: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)
            for name, tensor in inputs.items()
        }
        if "seed" in specs:
            specs["seed"] = inputs["seed"]
        graph = function.get_concrete_function(specs, prefill_length)
        return graph(inputs, prefill_length)

    return run


def _check_settings(strategy, settings):
    if strategy not in STRATEGIES:
        raise ValueError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}. "
            f"Received: strategy={strategy!r}."
            f"{did_you_mean(strategy, STRATEGIES)}"
        )
    known = set(inspect.signature(STRATEGIES[strategy]).parameters)
    known -= set(inspect.signature(greedy_search).parameters)
    for name in settings:
        if name not in known:
            raise ValueError(
                f"`settings` of the strategy {strategy!r} may hold "
                f"{', '.join(sorted(known)) or 'nothing'}. "
                f"Received: {name!r}.{did_you_mean(name, known)}"
            )
    checked = {k: settings[k] for k in settings.keys() - {"seed"}}
    if strategy == "beam":
        check_beams(**checked)
    elif strategy == "sampling":
        check_sampling(**checked)
