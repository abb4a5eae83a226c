"""Base of the recurrent flavours: the past is a state of constant size."""

from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.recurrent import decay
from keras_attention.attention.recurrent.scan import check_chunk_size
from keras_attention.checks import check_integer, is_real
from keras_attention.masks import hide
from keras_attention.tensors import at_least_float32, is_made_up


class RecurrentAttention(Attention):
    """Base of flavours that follow a state through the sequence.

    Such a layer is causal by nature: one pass from the first position to the
    last, `use_causal_mask=True` and what a cache serves. Without the causal
    mask it makes a second pass from the last position to the first with the
    same weights and adds it, so that every query sees every key. In the
    second pass a position reads the state before it writes to it, so that
    its own key counts once.

    Both passes work in chunks: matrix products within a chunk, the state
    between chunks. A single position with a cache goes on from the state.

    A flavour overrides `prepare`, and `recur` if it writes to the state
    otherwise than by a sum.

    Args: as of `Attention`, without `num_kv_heads`, and
        value_head_dim: integer, width of a value head; `head_dim`, that of
            queries and keys, by default.
        chunk_size: integer, a power of two, positions in a chunk.
        norm: whether each head's output is normalized.
        gate: whether the output is multiplied by `swish(x W)` of the query.
        epsilon: float, added to the variance in the norm.
    """

    supports_cross_attention = False
    supports_attention_mask = False
    supports_bias = False
    projections = (*Attention.projections, "gate")

    def __init__(
        self,
        num_heads,
        head_dim=None,
        *,
        value_head_dim=None,
        chunk_size=64,
        norm=True,
        gate=True,
        epsilon=1e-6,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, **kwargs)
        if self.num_kv_heads != num_heads:
            raise ValueError(
                f"{type(self).__name__} keeps one state a head: leave out "
                "num_kv_heads, or use fewer heads. Received: "
                f"num_heads={num_heads}, num_kv_heads={self.num_kv_heads}"
            )
        check_integer(
            "value_head_dim", 1 if value_head_dim is None else value_head_dim
        )
        check_chunk_size(chunk_size)
        if not is_real(epsilon) or not epsilon > 0:
            raise ValueError(f"epsilon must be positive. Received: {epsilon!r}")
        self.value_head_dim = value_head_dim
        self.chunk_size = chunk_size
        self.norm = norm
        self.gate = gate
        self.epsilon = epsilon

    def build(self, query_shape, value_shape=None, key_shape=None):
        self._choose_head_dim(query_shape[-1])
        if self.value_head_dim is None:
            self.value_head_dim = self.head_dim
        heads, dim = self.num_heads, query_shape[-1]
        value_shape = (None, heads, self.value_head_dim)
        self.query_dense = self._split_dense("query", self._key_heads())
        self.key_dense = self._split_dense("key", self._key_heads())
        names = ["value", "gate"] if self.gate else ["value"]
        for name in names:
            dense = self._dense(name, "btm,mhd->bthd", value_shape, "hd")
            setattr(self, f"{name}_dense", dense)
        self.output_dense = self._dense(
            "attention_output", "bthd,hdm->btm", (None, dim), "m"
        )
        for name in ("query", "key", *names):
            getattr(self, f"{name}_dense").build(query_shape)
        batch_and_length = query_shape[:-1]
        self.output_dense.build((*batch_and_length, *value_shape[1:]))
        if not self.position.built:
            self.position.build(
                (*batch_and_length, self._key_heads(), self.head_dim)
            )

    def _key_heads(self):
        return self.num_heads

    def prepare(self, query, key, value, visible, position, **gates):
        """Makes what the recurrence takes, so that padding does nothing in it.

        Args: as of `attend`.

        Returns:
            A dictionary of tensors `(batch or 1, length, heads, ...)` in at
            least float32: `"query"`, `"key"`, `"value"`, `"decay"` (the
            logarithm of what is left of the state at each position), and
            others that `recur` takes.
        """
        raise self._not_implemented_error(self.prepare)

    def recur(self, parts, cache=None, own=True):
        """Makes one pass.

        Args:
            parts: dictionary from `prepare`.
            cache: dictionary from `init_cache`, or None.
            own: whether a query reads what its own position writes.

        Returns:
            `(output, cache)`; the output is `(batch, length, num_heads,
            value_head_dim)` in at least float32.
        """
        state = None if cache is None else cache["state"]
        output, state = decay.mix(
            **parts, state=state, own=own, chunk_size=self.chunk_size
        )
        return output, {"state": state}

    def attend(
        self, query, key, value, visible, position, training=None, **gates
    ):
        if is_made_up(query):
            return value
        parts = self.prepare(query, key, value, visible, position, **gates)
        output, _ = self.recur(parts)
        if not visible.causal:
            later, _ = self.recur(flipped(parts), own=False)
            output = output + ops.flip(later, axis=1)
        return self.drop(output, training)

    def attend_with_cache(
        self,
        query,
        key,
        value,
        visible,
        position,
        cache,
        start,
        training=None,
        **gates,
    ):
        parts = self.prepare(query, key, value, visible, position, **gates)
        output, cache = self.recur(parts, cache)
        return self.drop(output, training), cache

    def project_output(self, output, query):
        # In float32 up to here: sums of many values pass float16's range.
        output = ops.cast(output, at_least_float32(self.compute_dtype))
        if self.norm:
            output = self.normalize(output)
        if self.gate:
            gate = ops.cast(self.gate_dense(query), output.dtype)
            output = output * ops.silu(gate)
        return self.output_dense(ops.cast(output, self.compute_dtype))

    def normalize(self, output):
        """Brings each head to mean 0 and variance 1; zeros stay zeros.

        There is no learned scale, since the output projection can hold it.
        """
        output = output - ops.mean(output, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(output), axis=-1, keepdims=True)
        return output * ops.rsqrt(variance + self.epsilon)

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache, the same for every `max_length`.

        Returns:
            `{"state"}` of `(batch, num_heads, head_dim, value_head_dim)`, in
            float32 or, for such a layer, float64.
        """
        self._check_cache(max_length)
        shape = (
            batch_size,
            self.num_heads,
            self.head_dim,
            self.value_head_dim,
        )
        dtype = at_least_float32(self.compute_dtype)
        return {"state": ops.zeros(shape, dtype=dtype)}

    def get_config(self):
        config = super().get_config()
        config.pop("num_kv_heads")
        return {
            **config,
            "value_head_dim": self.value_head_dim,
            "chunk_size": self.chunk_size,
            "norm": self.norm,
            "gate": self.gate,
            "epsilon": self.epsilon,
        }


def flipped(parts):
    """The same parts from the last position to the first."""
    return {name: ops.flip(x, axis=1) for name, x in parts.items()}


def widened(*tensors):
    """The tensors in the dtype of states, float32 unless they are float64."""
    return [ops.cast(x, at_least_float32(x.dtype)) for x in tensors]


def hidden_logits(logits, visible):
    """Logits of gates in float32, zeros at padding.

    What stands at padding may be too large for its dtype.

    Args:
        logits: `(batch, length, heads, width)`.
        visible: the `Visibility` of the call.

    Returns:
        `(batch, length, heads, width)`.
    """
    if visible.padding_mask is not None:
        logits = hide(logits, visible.padding_mask)
    return widened(logits)[0]


def hidden(gates, visible):
    """Gates that are zero at padding, where nothing is written or decays."""
    if visible.padding_mask is None:
        return gates
    return hide(gates, visible.padding_mask)


def dense_weights(parts, causal):
    """The weights of a state that is a sum, as one dense tensor.

    Args:
        parts: dictionary of `"query"`, `"key"` and `"decay"` as of `prepare`.
        causal: whether there is no second pass.

    Returns:
        `(batch, heads, length, length)`.

    Raises:
        ValueError: if the length is not known.
    """
    weights = decay.dense_products(**parts, own=True)
    if causal:
        return weights
    later = decay.dense_products(**flipped(parts), own=False)
    return weights + ops.flip(ops.flip(later, axis=2), axis=3)
