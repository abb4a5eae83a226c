"""Watching attention layers while a model runs."""

import contextlib
import threading
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.layers.attention_recurrence import AttentionRecurrence
from keras_attention.visualization.layer_paths import (
    all_layers,
    attention_layers,
)

_LOCK = threading.RLock()


class Call(NamedTuple):
    """What one call of a layer attended to.

    Attributes:
        path: string, the layer's path in the model.
        layer: the `Attention`.
        weights: float32 `(batch, heads, query_length, key_length)`.
        key_mask: boolean `(batch, key_length)` or None.
        is_self: whether it attended to its own sequence.
        first: integer, the position of the first query.
    """

    path: str
    layer: Any
    weights: Any
    key_mask: Any
    is_self: bool
    first: int


class Recording:
    """The calls of a model's attention layers, as they come.

    Args:
        layers: `{path: Attention}`.
        in_loops: paths of those that a loop of Keras may call.

    Attributes:
        calls: list of `Call`s.
        refused: `{path: reason}` of layers whose weights there are not.
    """

    def __init__(self, layers, in_loops=()):
        self.layers = layers
        self._in_loops = in_loops
        self.calls = []
        self._is_busy = False
        self.refused = {
            path: f"{type(layer).__name__} has no attention weights."
            for path, layer in layers.items()
            if type(layer).compute_weights is Attention.compute_weights
        }

    def add(self, path, query, key, visible, position, inputs):
        """Computes the weights of a call from what its `attend` is given."""
        if path in self.refused or self._is_busy:
            return  # Some flavours find their weights by attending.
        if not _is_concrete(query):
            # To keep what is symbolic would leave a trace in the program.
            self.refused[path] = "It ran inside a compiled function."
            return
        layer = self.layers[path]
        inputs = {k: v for k, v in inputs.items() if k != "training"}
        self._is_busy = True
        try:
            weights = layer.compute_weights(
                query, key, visible, position, **inputs
            )
        except ValueError as error:
            self.refused[path] = str(error)
            return
        finally:
            self._is_busy = False
        mask = visible.padding_mask
        call = Call(
            path,
            layer,
            ops.convert_to_numpy(ops.cast(weights, "float32")),
            None if mask is None else ops.convert_to_numpy(mask),
            visible.is_self,
            int(ops.convert_to_numpy(visible.query_positions[0])),
        )
        self.calls.append(call)

    def joined(self):
        """Puts together what a layer did one step at a time.

        A call goes on where another of its layer stopped if its queries
        follow on those in position and it looks at as many keys.

        Returns:
            A list of `Call`s in the order in which they began.
        """
        runs, latest = [], {}
        for call in self.calls:
            run = latest.get(call.path)
            if run is None or not _follows(run, call):
                runs.append([])
                run = latest[call.path] = runs[-1]
            elif len(run) == 1 and call.path in self._in_loops:
                # Keras takes the first step of a loop once more beforehand.
                runs = [r for r in runs if not _is_trial(r, run)]
            run.append(call)
        return [
            run[0]._replace(
                weights=np.concatenate([call.weights for call in run], axis=2)
            )
            for run in runs
        ]


@contextlib.contextmanager
def recording(model):
    """Watches what a model's attention layers do in this thread.

    Each layer's `attend` is covered by one that looks on, and uncovered again
    whatever happens. What a call returns is what it would return anyway.

    Args:
        model: a Keras layer or model.

    Yields:
        A `Recording`.
    """
    layers = attention_layers(model)
    loops = [
        layer.attention
        for layer in all_layers(model)
        if isinstance(layer, AttentionRecurrence)
    ]
    in_loops = {
        path
        for path, layer in layers.items()
        if any(layer is inner for inner in loops)
    }
    made = Recording(layers, in_loops)
    with _LOCK, _step_by_step(model):
        before = {
            path: vars(layer).get("attend") for path, layer in layers.items()
        }
        try:
            for path, layer in layers.items():
                # Around Keras, which would track an attribute.
                vars(layer)["attend"] = _watched(layer, path, made)
            yield made
        finally:
            for path, layer in layers.items():
                vars(layer).pop("attend", None)
                if before[path] is not None:
                    vars(layer)["attend"] = before[path]


def _watched(layer, path, made):
    attend, thread = layer.attend, threading.get_ident()

    def watched(query, key, value, visible, position, **inputs):
        if threading.get_ident() == thread:
            made.add(path, query, key, visible, position, inputs)
        return attend(query, key, value, visible, position, **inputs)

    return watched


def _follows(run, call):
    last = run[-1]
    end = last.first + last.weights.shape[2]
    # All but the number of queries.
    sizes = [np.delete(each.weights.shape, 2) for each in (last, call)]
    return call.first == end and np.array_equal(*sizes)


def _is_trial(run, real):
    """Whether a run is the first step of a real one, and no more."""
    return (
        run is not real
        and len(run) == 1
        and run[0].path == real[0].path
        and run[0].first == real[0].first
        and np.array_equal(run[0].weights, real[0].weights)
    )


@contextlib.contextmanager
def _step_by_step(model):
    """Lets loops run in Python, and no gradients be kept."""
    backend = keras.backend.backend()
    with contextlib.ExitStack() as stack:
        if backend == "torch":
            import torch

            stack.enter_context(torch.no_grad())
        loops = (AttentionRecurrence, keras.layers.RNN)
        if backend == "jax" and any(
            isinstance(layer, loops) for layer in all_layers(model)
        ):
            import jax

            stack.enter_context(jax.disable_jit())
        yield


def _is_concrete(tensor):
    """Whether a tensor holds numbers, not what a compiler traces."""
    backend = keras.backend.backend()
    if isinstance(tensor, keras.KerasTensor):
        return False
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.executing_eagerly()
    if backend == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    return tensor.device.type != "meta"
