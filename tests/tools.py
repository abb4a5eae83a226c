"""Gradients, compiled functions and fresh processes on any backend."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

ROOT = pathlib.Path(__file__).parents[1]
BACKEND = keras.backend.backend()


def few(values, quick=1, mark="slow"):
    """Parameters of which all behind the first `quick` have a mark."""
    values = list(values)
    marks = [()] * quick + [getattr(pytest.mark, mark)] * len(values)
    return [
        pytest.param(value, marks=mark)
        for value, mark in zip(values, marks, strict=False)
    ]


def only(chosen, values):
    """Parameters of which all but the chosen are marked as full.

    A tuple stands for several parameters.
    """
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else [value]),
            marks=() if value in chosen else pytest.mark.full,
        )
        for value in values
    ]


def to_numpy(tensors):
    """The tensors of any structure as NumPy, halves widened to float32."""

    def convert(tensor):
        array = np.asarray(ops.convert_to_numpy(tensor))
        if array.dtype.name in ("bfloat16", "float16"):
            array = array.astype("float32")
        return array

    return keras.tree.map_structure(convert, tensors)


def randomize(layer, rng, deviation=0.2):
    """Moves all float weights off their initial zeros and ones."""
    for variable in layer.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            noise = deviation * rng.normal(size=variable.shape)
            variable.assign(to_numpy(variable) + noise)
    return layer


def near(actual, expected, atol=1e-5, rtol=1e-5):
    """Compares tensors or arrays, each by the size of its numbers."""
    np.testing.assert_allclose(
        to_numpy(actual), to_numpy(expected), rtol=rtol, atol=atol
    )


def near_by_size(actual, expected, share=1e-5):
    """Compares tensors by the size of the largest number.

    For sums computed in another order: their rounding errors are those of the
    terms, not of a sum that happens to be small.
    """
    expected = to_numpy(expected)
    atol = share * max(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=atol)


def in_graph(function):
    """The function traced as a plain graph on TensorFlow, as `fit` does."""
    if BACKEND != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, autograph=False)


def gradients(function, *inputs, layer=None, has_aux=False):
    """Differentiates a scalar function of float arrays and a layer's weights.

    With `has_aux` the function gives a pair, and its first is differentiated.

    Returns:
        `(value, [gradient of each input and each trainable variable])` as
        NumPy; zeros where the function does not depend on one.
    """
    return differentiated(function, layer, has_aux)(*inputs)


def differentiated(function, layer=None, has_aux=False):
    """What `gradients` gives, as a function of the inputs.

    It reads the weights anew at each call; on JAX it is compiled once.
    """
    variables = [] if layer is None else layer.trainable_variables
    make = {
        "tensorflow": _tensorflow_gradients,
        "jax": _jax_gradients,
        "torch": _torch_gradients,
    }[BACKEND]
    differentiate = make(function, variables, has_aux)

    def call(*inputs):
        inputs = [ops.convert_to_tensor(x) for x in inputs]
        value, found = differentiate(inputs)
        shapes = [tuple(x.shape) for x in (*inputs, *variables)]
        return to_numpy(value), [
            np.zeros(shape, "float32")
            if gradient is None
            else to_numpy(gradient)
            for gradient, shape in zip(found, shapes, strict=True)
        ]

    return call


def _tensorflow_gradients(function, variables, has_aux):
    import tensorflow as tf

    def differentiate(inputs):
        with tf.GradientTape() as tape:
            for x in inputs:
                tape.watch(x)
            value = function(*inputs)
        scalar = value[0] if has_aux else value
        sources = [*inputs, *(variable.value for variable in variables)]
        return value, [
            None if found is None else tf.convert_to_tensor(found)
            for found in tape.gradient(scalar, sources)
        ]

    return differentiate


def _jax_gradients(function, variables, has_aux):
    import jax

    def stateless(inputs, values):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(*inputs)

    compiled = jax.jit(
        jax.value_and_grad(stateless, argnums=(0, 1), has_aux=has_aux)
    )

    def differentiate(inputs):
        values = [variable.value for variable in variables]
        value, found = compiled(inputs, values)
        return value, [*found[0], *found[1]]

    return differentiate


def _torch_gradients(function, variables, has_aux):
    import torch

    def differentiate(inputs):
        inputs = [x.detach().clone().requires_grad_() for x in inputs]
        value = function(*inputs)
        scalar = value[0] if has_aux else value
        sources = [*inputs, *(variable.value for variable in variables)]
        found = torch.autograd.grad(scalar, sources, allow_unused=True)
        return value, list(found)

    return differentiate


def compiled(function):
    """The function through XLA; on torch, which has no such thing, itself."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    return function


def at_once(function):
    """The function as one program on JAX; elsewhere itself.

    JAX compiles operation by operation otherwise, each for longer than all
    of them take as one.
    """
    if BACKEND != "jax":
        return function
    import jax

    return jax.jit(function)


def run_python(code, *arguments, backend=BACKEND, timeout=None):
    """Runs code in a new process in the project's folder; gives its output.

    It is ended after `timeout` seconds, which raises an error.
    """
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if done.returncode:
        raise AssertionError(f"{done.stdout}\n{done.stderr}")
    return done.stdout


# Imports parts of the package that need no Keras, which takes seconds.
WITHOUT_KERAS = f"""
import sys, types
package = types.ModuleType("keras_attention")
package.__path__ = [{str(ROOT / "keras_attention")!r}]
sys.modules["keras_attention"] = package
"""
