"""The contract of positional encodings."""

import contextlib
import contextvars
import operator

import keras
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

from keras_attention.positions.hooks import PositionHooks
from keras_attention.registry import PACKAGE, Template


@keras.saving.register_keras_serializable(package=PACKAGE)
class PositionalEncoding(Template, PositionHooks, keras.layers.Layer):
    """Base of all positional encodings; by itself it encodes nothing.

    An encoding overrides the hooks it needs. Those that act inside attention
    are built with the shape of split heads, `(batch, length, num_heads,
    head_dim)`; those added to embeddings with `(batch, length, hidden_dim)`.
    Positions are explicit integers `(..., length)`, so that a block, a chunk
    or a decoding step asks for its own piece. The bias of keys that a mask
    hides does not count but has to be finite: these may lie behind the query
    of a causal call, or even before the beginning. Called as a layer, an
    encoding applies `embed`.

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        start: integer, the position of the first row of `x`.

    Returns:
        `(batch, length, hidden_dim)`.
    """

    paper = ""

    max_length = None
    """Positions from here on do not exist; None where there is no limit."""

    counts_keys = False
    """Whether the bias of a key depends on the other keys that are seen."""

    causal_only = False
    """Whether it is for causal attention alone."""

    shared = True
    """Whether the blocks of a model use one instance."""

    supports_cache = True
    """Whether a piece of a sequence can be encoded without the rest.

    Where it depends on the length of the whole, no cache of earlier pieces
    can be right, and attention refuses one.
    """

    instead_of_cache = "feed the whole sequence instead"
    """What the refusal of a cache proposes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def limit(self, dtype):
        """How many positions there are for heads of a dtype, or None."""
        return self.max_length

    def check_length(self, x, start=0):
        """Refuses positions that do not exist, where they are known.

        Args:
            x: `(batch, length, ...)`.
            start: integer, the position of its first row.

        Raises:
            ValueError: if it ends behind the last position.
        """
        limit = self.limit(x.dtype)
        known = known_integer(start), known_integer(x.shape[1])
        if limit is None or None in known or sum(known) <= limit:
            return
        if not is_made_up(x):
            place = f" from start={known[0]} on" if known[0] else ""
            raise ValueError(
                f"{type(self).__name__} has positions up to max_length="
                f"{limit}. Received: a sequence of {known[1]}{place}"
            )

    def build(self, input_shape):
        pass

    def call(self, x, start=0):
        return self.embed(x, start=start)


_FIXED = contextvars.ContextVar("fixed_sizes", default=False)


@contextlib.contextmanager
def fixed_sizes():
    """Says that a graph which torch traces serves the traced lengths alone."""
    token = _FIXED.set(True)
    try:
        yield
    finally:
        _FIXED.reset(token)


def known_integer(number):
    """The value of an integer; None where a graph computes it later."""
    if number is None:
        return None
    # A tensor with the size of the example, which the graph is not bound to.
    is_size = not isinstance(number, int) and is_traced_by_torch()
    if is_size and not _FIXED.get():
        return None
    try:
        return operator.index(number)
    except (AttributeError, RuntimeError, TypeError):
        return None


def is_made_up(x):
    """Whether Keras infers shapes from a length that nobody passed.

    Torch then has tensors without numbers, JAX a length without a value.

    Args:
        x: `(batch, length, ...)`.

    Raises:
        ValueError: if a length without a value is meant to be computed with:
            on JAX, or in a graph that torch traces.
    """
    device = getattr(x, "device", None)
    if getattr(device, "type", None) == "meta":
        return True
    length = x.shape[1]
    if length is None or known_integer(length) is not None:
        return False
    if in_symbolic_scope():
        return True
    if is_traced_by_torch():
        raise ValueError(
            "A graph that torch traces is to serve every length, and this "
            "attention needs one that is known. Export the model on "
            "TensorFlow, or give the export of a model of keras_attention an "
            "input_signature of fixed lengths"
        )
    raise ValueError(
        "On JAX this attention needs a length that is known. Received: "
        f"{length}, as an export of an Input of unknown length has; give the "
        "Input a length, as in keras.Input((128, dim)), or export on "
        "TensorFlow"
    )


def is_traced_by_torch():
    """Whether torch records a graph, as its export to ONNX does.

    Sizes are tensors then, since the graph is to serve others too.
    """
    if keras.backend.backend() != "torch":
        return False
    import torch

    return torch.jit.is_tracing()


def at_least_float32(dtype):
    """The dtype to place features in: positions need more than half has."""
    dtype = keras.backend.standardize_dtype(dtype)
    return dtype if dtype == "float64" else "float32"
