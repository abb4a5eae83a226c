"""Parts of recurrent layers: cells, attention, the loop over time."""

import keras
from keras import ops, tree

# Keras has no public loop over time that XLA can differentiate on TensorFlow:
# `ops.scan` cannot be, and `keras.layers.RNN` makes floats of every state.
from keras.src.backend import rnn as run_over_time

from keras_attention import attention as attention_layers
from keras_attention.checks import check_dropout, check_integer, did_you_mean
from keras_attention.registry import PACKAGE
from keras_attention.tensors import (
    at_least_float32,
    is_traced_by_torch,
    known_integer,
)

_ORDERS = ("before", "after")
_CELLS = {"gru": keras.layers.GRUCell, "lstm": keras.layers.LSTMCell}
_STATES = {"gru": ("hidden",), "lstm": ("hidden", "cell")}


def make_cell(cell, hidden_dim, **kwargs):
    """Makes a recurrent cell.

    Args:
        cell: `"gru"` (Cho et al. 2014, in the form of cuDNN and PyTorch: the
            reset gate acts after the product) or `"lstm"` (Hochreiter,
            Schmidhuber 1997).
        hidden_dim: integer, width of the state.
        **kwargs: `name`, `dtype`.

    Returns:
        An unbuilt `keras.layers.GRUCell` or `LSTMCell`.

    Raises:
        ValueError: for another name.
    """
    if not isinstance(cell, str) or cell not in _CELLS:
        raise ValueError(
            'cell must be one of "gru" and "lstm". Received: '
            f"{cell!r}.{did_you_mean(cell, _CELLS)}"
        )
    return _CELLS[cell](
        hidden_dim, recurrent_initializer=_Orthogonal(), **kwargs
    )


@keras.saving.register_keras_serializable(package=PACKAGE)
class _Orthogonal(keras.initializers.Orthogonal):
    """That of Keras, for half precision too, of which no QR can be made."""

    def __call__(self, shape, dtype=None):
        return ops.cast(super().__call__(shape, at_least_float32(dtype)), dtype)


def make_layer(cell, hidden_dim, *, name, dtype=None, go_backwards=False):
    """Makes a recurrent layer that gives all its outputs and last states.

    Args:
        cell: name, as of `make_cell`.
        hidden_dim: integer, width of the state.
        name: string.
        dtype: policy of the layer and of its cell.
        go_backwards: whether it reads from the last place to the first.

    Returns:
        An unbuilt `keras.layers.RNN`. Its outputs are zeros at padding.
    """
    return keras.layers.RNN(
        make_cell(cell, hidden_dim, name="cell", dtype=dtype),
        return_sequences=True,
        return_state=True,
        # What stands there otherwise differs between backends.
        zero_output_for_mask=True,
        go_backwards=go_backwards,
        name=name,
        dtype=dtype,
    )


class Bidirectional(keras.layers.Layer):
    """Reads a sequence forwards and backwards, with a layer for each.

    `keras.layers.Bidirectional` makes its layers from a configuration, and
    within `keras.saving.load_model` Keras knows configurations by the
    `id()` of what they describe: with that of a layer that is gone, another
    layer's part is taken for its own. This one makes its layers itself; it
    has the same name, by which files of weights are laid out.

    Args:
        cell: name, as of `make_cell`.
        hidden_dim: integer, width of each direction.

    Call arguments:
        x: `(batch, length, dim)`.
        mask: boolean `(batch, length)`, true at tokens; or None.
        training: passed on.

    Returns:
        A list: `(batch, length, 2 * hidden_dim)`, the last states of the
        direction that reads forwards, and those of the other.
    """

    def __init__(self, cell, hidden_dim, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        sizes, policy = (cell, hidden_dim), {"dtype": self.dtype_policy}
        self.forward_layer = make_layer(*sizes, name="forward_rnn", **policy)
        self.backward_layer = make_layer(
            *sizes, name="backward_rnn", go_backwards=True, **policy
        )

    def build(self, input_shape):
        self.forward_layer.build(input_shape)
        self.backward_layer.build(input_shape)

    def call(self, x, mask=None, training=None):
        shared = {"mask": mask, "training": training}
        forwards, *ends = self.forward_layer(x, **shared)
        # In the order in which it was read: from the last place.
        backwards, *starts = self.backward_layer(x, **shared)
        both = [forwards, ops.flip(backwards, axis=1)]
        return [ops.concatenate(both, axis=-1), *ends, *starts]


def state_names(cell):
    """Names the states of a cell, the one that it shows first."""
    return _STATES[cell]


def check_sizes(dropout, **sizes):
    """Raises ValueError for sizes that are no positive integers."""
    for name, number in sizes.items():
        check_integer(name, number)
    check_dropout(dropout)


def check_length(x):
    """Refuses what runs over time in a graph for any length on torch.

    Args:
        x: `(batch, length, dim)`.

    Raises:
        ValueError: while torch traces, unless it is for the traced length
            alone.
    """
    if is_traced_by_torch() and known_integer(x.shape[1]) is None:
        raise ValueError(
            "A graph that torch traces is to serve every length, and a "
            "recurrent layer runs over one that is known. Export the model on "
            "TensorFlow, or give the export of a model of keras_attention an "
            "input_signature of fixed lengths"
        )


def repeat_over_time(step, x, state):
    """Applies a step to one place of a sequence after another.

    Args:
        step: function `(x, state, index) -> (output, state)`, from
            `(batch, dim)` to an output `(batch, output_dim)`. `index` counts
            the places from 0. It may change no shape and no type.
        x: `(batch, length, dim)`.
        state: nested dictionary of tensors.

    Returns:
        `(outputs, state)`: `(batch, length, output_dim)` and the last state.
    """
    check_length(x)
    if known_integer(x.shape[1]) == 1:
        # One token of a decoding loop, where a loop within costs more than
        # its contents.
        output, state = step(x[:, 0], state, 0)
        return output[:, None], state

    def advance(x, states):
        index, *states = states
        before = tree.pack_sequence_as(state, states)
        output, after = step(x, before, index)
        return output, [index + 1, *tree.flatten(after)]

    states = [ops.zeros((), "int32"), *tree.flatten(state)]
    _, outputs, states = run_over_time(advance, x, states)
    return outputs, tree.pack_sequence_as(state, list(states)[1:])


def check_order(attention, attention_order, input_feeding):
    """Raises ValueError for options of attention that do not fit."""
    if attention_order not in _ORDERS:
        raise ValueError(
            'attention_order must be "before" or "after". Received: '
            f"{attention_order!r}.{did_you_mean(attention_order, _ORDERS)}"
        )
    if attention is not None:
        return
    if input_feeding:
        raise ValueError(
            "input_feeding=True feeds what attention found, and attention is "
            'None. Give one, for example attention="multi_head".'
        )
    if attention_order == "before":
        raise ValueError(
            'attention_order="before" needs attention. Received: None'
        )


def make_attention(attention, **policy):
    """Makes the attention between a decoder's state and a memory.

    Args:
        attention: name (which gets one head), configuration or template.
        **policy: the `dtype`.

    Returns:
        An unbuilt `Attention`.

    Raises:
        ValueError: if it does not attend across two sequences.
    """
    num_heads = None
    if isinstance(attention, str):
        num_heads = 1
    elif isinstance(attention, dict):
        num_heads = attention.get("config", {}).get("num_heads") or 1
    layer = attention_layers.get(
        attention, num_heads=num_heads, name="attention", **policy
    )
    if layer.kind != "mixer" or not layer.supports_cross_attention:
        raise ValueError(
            "The attention of a recurrent decoder must be a mixer that "
            'supports cross-attention, for example "multi_head". Received: '
            f"{type(layer).__name__}"
        )
    return layer


def first_state(initial, cache, start):
    """Gives the state of the memory at the start, that of the cache later.

    Args:
        initial: nested dictionary of `(batch, hidden_dim)`.
        cache: one of the same structure, or None.
        start: integer, the position of the first step.

    Returns:
        One of the same structure.
    """
    if cache is None:
        return initial
    known = known_integer(start)
    if known is not None:
        return cache if known else initial
    at_start = ops.equal(start, 0)
    return tree.map_structure(
        lambda first, later: ops.where(at_start, first, later), initial, cache
    )


def make_output_dense(layer, **policy):
    """Makes what gives an `AttentionRecurrence` its output.

    Args:
        layer: an `AttentionRecurrence` that has its attention.
        **policy: `dtype`.

    Returns:
        A `keras.layers.Dense`, or None where the state itself is the output.
    """
    policy = {"name": "output", **policy}
    if layer.attention is None:
        if layer.output_dim == layer.hidden_dim:
            return None
        return keras.layers.Dense(layer.output_dim, **policy)
    if layer.attention_order == "before":
        # Two numbers for each of the output, the larger of which stays.
        return keras.layers.Dense(2 * layer.output_dim, **policy)
    return keras.layers.Dense(layer.output_dim, "tanh", **policy)


def choose(keep, new, old):
    """Takes the new state, but the old one at padding.

    Args:
        keep: boolean `(batch, 1)`, False for padding; or None.
        new, old: `(batch, dim)`.

    Returns:
        `(batch, dim)`.
    """
    return new if keep is None else ops.where(keep, new, old)
