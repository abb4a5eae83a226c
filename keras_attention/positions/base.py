"""The contract of positional encodings."""

import contextlib

import keras
from keras import ops

from keras_attention.registry import PACKAGE, Template
from keras_attention.tensors import is_made_up, known_integer

_METHODS = {"bias": ("bias", "bias_in"), "values": ("values", "values_in")}


class PositionHooks:
    """The hooks of positional encodings, each of which does nothing here."""

    rotates_by_any = False
    """Whether `rotate` takes positions of the caller's own, one a token."""

    def embed(self, x, start=0):
        """Adds the encoding to embeddings `(batch, length, hidden_dim)`.

        An encoding that takes positions of the caller's own has one more
        argument, `positions`: integers `(batch, length)`, or None.
        """
        return x

    def rotate(self, x, positions, role):
        """Rotates split heads `(batch, length, heads, head_dim)`.

        Args:
            x: query or key heads.
            positions: integers `(length,)`, or with leading axes.
            role: `"query"` or `"key"`.

        Returns:
            A tensor of the shape and dtype of `x`.
        """
        return x

    def bias(self, query, key, query_positions, key_positions, causal):
        """Gives what is added to the scaled scores, or None.

        Args:
            query: `(batch, query_length, heads, head_dim)`.
            key: `(batch, key_length, kv_heads, head_dim)`.
            query_positions: integers `(..., query_length)`.
            key_positions: integers `(..., key_length)`.
            causal: whether queries see only the past.

        Returns:
            `(batch or 1, heads, query_length, key_length)` in float32, one
            row for each row of positions that have a leading axis.
        """
        return None

    def values(self, weights, query_positions, key_positions):
        """Gives what is added to the weighted values, or None.

        Args:
            weights: `(batch, heads, query_length, key_length)`.
            query_positions: integers `(..., query_length)`.
            key_positions: integers `(..., key_length)`.

        Returns:
            `(batch, query_length, heads, head_dim)`.
        """
        return None

    def bias_in(self, query, key, visible):
        """Gives the bias of one call of attention; by default that of `bias`.

        An encoding overrides it beside `bias`, or in its place, if it needs
        to know more than the positions: which keys count, that positions are
        in order, or their grid.

        Args:
            query, key: as of `bias`.
            visible: the `Visibility` of the call.

        Returns:
            What `bias` returns.
        """
        return self.bias(
            query,
            key,
            visible.query_positions,
            visible.key_positions,
            visible.causal,
        )

    def values_in(self, weights, visible):
        """Gives what is added to the values in one call of attention.

        Args:
            weights: as of `values`.
            visible: the `Visibility` of the call.

        Returns:
            What `values` returns.
        """
        return self.values(
            weights, visible.query_positions, visible.key_positions
        )

    def positions_of_call(self, start, length):
        """Opens one call of attention; an encoding may remember tables for it.

        Args:
            start: integer, the position of the first row.
            length: integer, rows of the sequence.

        Returns:
            A context manager that gives the positions to rotate by,
            `(length,)`, or those of the stack, `(batch, length)`.
        """
        start = ops.cast(start, "int32") if ops.is_tensor(start) else start
        positions = start + ops.arange(length, dtype="int32")
        return contextlib.nullcontext(positions)

    def positions_of_stack(self, start, length, positions=None):
        """Opens a call of several layers, which may share such tables.

        Args: as of `positions_of_call`, and
            positions: integers `(batch or 1, length)`, by which all calls
                within rotate, for an encoding that `rotates_by_any`; None for
                those that follow from start and length.

        Returns:
            A context manager.
        """
        return contextlib.nullcontext()

    def scale(self, head_dim):
        """Gives the factor of the scores; by default 1/sqrt(head_dim)."""
        return head_dim**-0.5

    @property
    def acts_in_attention(self):
        """Whether a hook that attention calls is overridden."""
        return self.overrides("rotate", "bias", "values", "scale")

    @property
    def acts_on_scores(self):
        """Whether a hook between queries and output is overridden."""
        return self.overrides("bias", "values", "scale")

    @property
    def acts_on_embeddings(self):
        """Whether `embed` is overridden."""
        return self.overrides("embed")

    def overrides(self, *hooks):
        """Whether this encoding does something in one of the hooks.

        Args:
            *hooks: names, `"bias"` or `"values"` for example. An encoding
                whose option turns one off says so here.

        Returns:
            True for any of them.
        """
        # `bias_in` is `bias` for one that needs to know more of the call.
        methods = [
            method for hook in hooks for method in _METHODS.get(hook, (hook,))
        ]
        return any(
            getattr(type(self), method) is not getattr(PositionHooks, method)
            for method in methods
        )


@keras.saving.register_keras_serializable(package=PACKAGE)
class PositionalEncoding(Template, PositionHooks, keras.layers.Layer):
    """Base of all positional encodings; by itself it encodes nothing.

    An encoding overrides the hooks it needs. Those that act inside attention
    are built with the shape of split heads, `(batch, length, num_heads,
    head_dim)`; those added to embeddings with `(batch, length, hidden_dim)`.
    Positions are explicit integers `(..., length)`, so that a block, a chunk
    or a decoding step asks for its own. The bias of keys that a mask
    hides does not count but has to be finite: these may lie behind the query
    of a causal call, or even before the beginning. Called as a layer, an
    encoding applies `embed`.

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        start: integer, the position of the first row of `x`.

    Returns:
        `(batch, length, hidden_dim)`.

    Example:

    ```python
    import keras
    from keras_attention import PositionalEncoding, TransformerEncoder

    class Ramp(PositionalEncoding):
        # Adds the position, divided by 100, to every feature.
        def embed(self, x, start=0):
            places = start + keras.ops.arange(keras.ops.shape(x)[1])
            return x + keras.ops.cast(places, x.dtype)[:, None] / 100

    encoder = TransformerEncoder(100, 2, 32, 4, position=Ramp())
    encoder(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```
    """

    paper = ""

    max_length = None
    """Positions from here on do not exist; None where there is no limit."""

    counts_keys = False
    """Whether the bias of a key depends on the other keys that are seen."""

    causal_only = False
    """Whether it is for causal attention alone."""

    skips_padding = False
    """Whether padding takes no position, where it acts on embeddings."""

    shared = True
    """Whether the blocks of a model use one instance."""

    supports_cache = True
    """Whether a part of a sequence can be encoded without the rest.

    Where it depends on the length of the whole, no cache of earlier parts
    can be right, and attention refuses one.
    """

    max_cached_length = None
    """How long a cache may be; None where there is no limit.

    Longer sequences would be encoded otherwise from their beginning on.
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
        if limit is None:
            return
        known = known_integer(start), known_integer(x.shape[1])
        if None in known or sum(known) <= limit:
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

    def get_config(self):
        # Keras writes none by itself for a layer that was given a policy.
        return super().get_config()


class _NoPosition(PositionHooks):
    weights = ()


NO_POSITION = _NoPosition()
"""For attention across two sequences, which have no common order.

It holds nothing, so one serves every call: a layer made in a call costs more
than a small call itself, and `torch.compile` cannot trace it.
"""
