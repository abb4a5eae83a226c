"""Functions of a model, compiled by the backend."""

import functools

import keras


def compile_function(function, model, jit_compile, any_shape=False):
    """Compiles a function that calls a model.

    On TensorFlow it becomes a `tf.function`, on JAX a `jax.jit` to which the
    model's weights are arguments; PyTorch runs eagerly without gradients.

    Args:
        function: `(inputs, *lengths) -> outputs`, both nested dictionaries of
            tensors. The lengths are integers and compiled into it.
        model: the model that it calls.
        jit_compile: whether to use XLA. Without it TensorFlow runs a plain
            graph and JAX runs eagerly.
        any_shape: whether a plain graph of TensorFlow is to be traced once
            for all shapes of `inputs`, which is then a flat dictionary.

    Returns:
        A function of the same arguments.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # There is nothing to convert, and looking for it takes longer
        # than the tracing itself.
        traced = tf.function(function, jit_compile=jit_compile, autograph=False)
        if any_shape and not jit_compile:
            return _for_all_shapes(traced)

        def run(inputs, *lengths):
            # Unlike a call of `traced`, this does not warn of many shapes.
            graph = traced.get_concrete_function(inputs, *lengths)
            return graph(inputs, *lengths)

        return run
    if backend == "torch":
        import torch

        return torch.no_grad()(function)
    return _with_jax(function, model) if jit_compile else function


def _with_jax(function, model):
    import jax

    @functools.cache
    def compiled(*lengths):
        # Closing over the weights would make constants of them.
        @jax.jit
        def run(variables, inputs):
            mapping = zip(model.variables, variables, strict=True)
            with keras.StatelessScope(state_mapping=mapping):
                return function(inputs, *lengths)

        return run

    def run(inputs, *lengths):
        return compiled(*lengths)([v.value for v in model.variables], inputs)

    return run


def _for_all_shapes(function):
    """Traces a `tf.function` of batches once, whatever their shapes."""
    import tensorflow as tf

    def run(inputs, *lengths):
        specs = {
            name: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)
            for name, tensor in inputs.items()
        }
        if "seed" in specs:
            specs["seed"] = inputs["seed"]
        graph = function.get_concrete_function(specs, *lengths)
        return graph(inputs, *lengths)

    return run
