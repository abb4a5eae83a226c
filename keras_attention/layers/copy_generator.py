"""The last layer of a model that may copy tokens of its source."""

import keras
from keras import ops

from keras_attention.attention.exact.pointer import PointerAttention
from keras_attention.checks import check_integer, check_shape
from keras_attention.layers.token_embedding import check_ids
from keras_attention.masks import hide
from keras_attention.registry import PACKAGE, Template, copy_initializer
from keras_attention.tensors import at_least_float32

# What stands for the logarithm of zero: of tokens that are beyond the
# vocabulary and do not stand in the source.
_LOWEST = -1e9
# A smaller share is none: its reciprocal, in the gradient, could overflow.
_SMALLEST = 1e-30


@keras.saving.register_keras_serializable(package=PACKAGE)
class CopyGenerator(Template, keras.layers.Layer):
    """Mixes the vocabulary's distribution with copies of source tokens.

    For each target position, with the decoder's state h, its input x, the
    source's states e and their ids:

    ```
    a = softmax(v' tanh(W h + U e))                     (PointerAttention)
    c = sum of a(s) e(s) over the source
    g = sigmoid(w_c' c + w_h' h + w_x' x + b)           (generate or copy)
    p(token) = g softmax(logits)(token)
               + (1 - g) sum of a(s) where source_ids(s) = token
    ```

    The result are the logarithms of p. They serve wherever logits do: their
    softmax is p again. A row without any source token generates (g = 1).

    In the paper `a` is the attention of the decoder. Here it is a layer of
    its own, since a Transformer has many of them, none meant to copy: so the
    layer goes on top of any decoder. Coverage, its other idea, needs the
    weights of the steps before and is not here.

    Ids of the source beyond the vocabulary let words be copied that it does
    not have: `vocabulary_size` for the first such word of a source,
    `vocabulary_size + 1` for the next, up to `num_extra` of them.

    Args:
        hidden_dim: integer, width of the pointer's network; that of the
            decoder's states by default.
        num_extra: integer, how many tokens of a source may be beyond the
            vocabulary.
        kernel_initializer: initializer of all kernels.

    Call arguments:
        hidden: `(batch, length, hidden_dim)`, the decoder's states.
        inputs: `(batch, length, input_dim)`, the embeddings it was fed.
        logits: `(batch, length, vocabulary_size)`.
        source: `(batch, source_length, source_dim)`, the encoder's states.
        source_ids: integers `(batch, source_length)`, which share the ids of
            the vocabulary.
        padding_mask: boolean `(batch, source_length)`, True for tokens that
            may be copied; the implicit Keras mask of `source`, or all, by
            default.
        memory: dictionary from `init_memory`, in place of these three.

    Returns:
        Log-probabilities `(batch, length, vocabulary_size + num_extra)`, in
        float32 or float64. What cannot come has -1e9.

    Raises:
        ValueError: if both or neither of `memory` and the source are given,
            or, in eager use, for ids outside the range.

    Example:

    ```python
    import keras
    from keras_attention import CopyGenerator

    layer = CopyGenerator()
    states = keras.random.normal((2, 7, 32))  # of a decoder
    embeddings = keras.random.normal((2, 7, 32))
    logits = keras.random.normal((2, 7, 100))
    source = keras.random.normal((2, 50, 32))  # states of an encoder
    source_ids = keras.random.randint((2, 50), 1, 100)
    layer(
        states, inputs=embeddings, logits=logits, source=source,
        source_ids=source_ids,
    ).shape  # (2, 7, 100)
    ```

    Reference:
        See, Liu, Manning 2017, Get To The Point: Summarization with
        Pointer-Generator Networks, https://arxiv.org/abs/1704.04368
    """

    def __init__(
        self,
        hidden_dim=None,
        num_extra=0,
        *,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_integer("hidden_dim", 1 if hidden_dim is None else hidden_dim)
        check_integer("num_extra", num_extra, smallest=0)
        self.hidden_dim = hidden_dim
        self.num_extra = num_extra
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.pointer = PointerAttention(
            hidden_dim,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name="pointer",
            dtype=self.dtype_policy,
        )
        self.hidden_gate = self._gate("hidden_gate", use_bias=True)
        self.input_gate = self._gate("input_gate")
        self.source_gate = self._gate("source_gate")

    def _gate(self, name, use_bias=False):
        layer = keras.layers.Dense(
            1,
            use_bias=use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.supports_masking = True
        return layer

    def build(
        self, hidden_shape, inputs_shape, logits_shape=None, source_shape=None
    ):
        if source_shape is None:
            raise ValueError(
                "A CopyGenerator is built with the shape of its source; call "
                "it with source and source_ids first."
            )
        self.pointer.build(hidden_shape, source_shape)
        self.hidden_gate.build(hidden_shape)
        self.input_gate.build(inputs_shape)
        self.source_gate.build(source_shape)

    def call(
        self,
        hidden,
        inputs,
        logits,
        source=None,
        source_ids=None,
        padding_mask=None,
        memory=None,
    ):
        given = (source is not None, source_ids is not None)
        if memory is None and given != (True, True) or memory and any(given):
            raise ValueError(
                "A CopyGenerator takes source and source_ids, or memory in "
                "their place."
            )
        if memory is None:
            num_tokens = logits.shape[-1] + self.num_extra
            check_ids("source_ids", source_ids, num_tokens)
            memory = self.init_memory(source, source_ids, padding_mask)
        elif padding_mask is not None:
            raise ValueError(
                "The memory has the padding mask already; received another."
            )
        parts = {name: memory[name] for name in ("key", "value", "mask")}
        weights = self.pointer(hidden, memory=parts)
        dtype = at_least_float32(self.compute_dtype)
        gate = self.hidden_gate(hidden) + self.input_gate(inputs)
        # The gate's part of c: a product with w_c may come before the sum.
        gate = gate + ops.einsum("bts,bsi->bti", weights, memory["gate"])
        return mix(
            ops.cast(logits, dtype),
            ops.cast(gate, dtype),
            ops.cast(weights, dtype),
            memory["ids"],
            ops.any(memory["mask"], axis=-1)[:, None, None],
            self.num_extra,
        )

    def init_memory(self, source, source_ids, padding_mask=None):
        """Projects a source once for many calls.

        Args: as of the call.

        Returns:
            A dictionary of tensors `(batch, ...)`, to be handed to the call
            as `memory`.
        """
        memory = self.pointer.init_memory(source, padding_mask=padding_mask)
        check_shape("source_ids", source_ids, tuple(source.shape[:2]))
        return {
            **memory,
            "gate": self.source_gate(hide(source, memory["mask"])),
            "ids": ops.cast(source_ids, "int32"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_extra": self.num_extra,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }


def mix(logits, gate, weights, token_ids, has_source, num_extra=0):
    """Computes log(g softmax(logits) + (1 - g) copies).

    Args:
        logits: `(batch, length, vocabulary_size)`, float32 or float64.
        gate: `(batch, length, 1)`, whose sigmoid is g.
        weights: `(batch, length, source_length)`, zero for padding.
        token_ids: integers `(batch, source_length)`.
        has_source: boolean `(batch, 1, 1)`, False where g is 1.
        num_extra: integer, how many ids are beyond the vocabulary.

    Returns:
        `(batch, length, vocabulary_size + num_extra)`.
    """
    num_tokens = logits.shape[-1] + num_extra
    share = ops.where(has_source, ops.log_sigmoid(gate), 0.0)
    total = ops.logsumexp(logits, axis=-1, keepdims=True)
    generated = logits - total + share
    if num_extra:
        padding = [(0, 0), (0, 0), (0, num_extra)]
        generated = ops.pad(generated, padding, constant_values=_LOWEST)
    if 0 in (*generated.shape[:2], token_ids.shape[1]):
        return generated  # Backends differ about sums of nothing.
    # Only tokens of the source are more than generated. They are computed
    # apart, each at its last place: logarithms of the whole vocabulary are
    # slow.
    last, has_token = _last_places(token_ids, num_tokens)
    copied = sum_by_token(weights, last, ops.shape(token_ids)[1])
    is_copied = copied > _SMALLEST
    # One in place of zero, whose logarithm has no gradient.
    copied = ops.log(ops.where(is_copied, copied, 1.0))
    copied = copied + ops.log_sigmoid(-gate)
    alone = _at_tokens(generated, token_ids)
    both = ops.where(is_copied, ops.logaddexp(alone, copied), alone)
    is_last = last == ops.arange(ops.shape(last)[1], dtype=last.dtype)
    both = ops.where(is_last[:, None], both, 0.0)
    both = sum_by_token(both, token_ids, num_tokens)
    return ops.where(has_token, both, generated)


def sum_by_token(weights, token_ids, num_tokens):
    """Adds up the weights of the places that hold the same token.

    Args:
        weights: `(batch, length, source_length)`.
        token_ids: integers `(batch, source_length)`; those outside of
            `num_tokens` do not count.
        num_tokens: integer.

    Returns:
        `(batch, length, num_tokens)`.
    """
    batch, length, _ = ops.shape(weights)
    places, inside = _places(token_ids, length, num_tokens)
    weights = ops.where(inside, weights, 0.0)
    sums = ops.segment_sum(
        ops.reshape(weights, (-1,)),
        ops.reshape(places, (-1,)),
        num_segments=batch * length * num_tokens,
    )
    return ops.reshape(sums, (batch, length, num_tokens))


def _places(token_ids, length, num_tokens):
    """Finds tokens among the values `(batch, length, num_tokens)` in a row.

    Returns:
        Integers `(batch, length, source_length)`, and booleans `(batch, 1,
        source_length)`, False for an id that is none, which is taken for 0.
    """
    token_ids = token_ids[:, None]
    inside = ops.logical_and(token_ids >= 0, token_ids < num_tokens)
    batch = ops.shape(token_ids)[0]
    rows = ops.arange(batch * length, dtype="int32") * num_tokens
    rows = ops.reshape(rows, (batch, length, 1))
    return rows + ops.where(inside, token_ids, 0), inside


def _at_tokens(x, token_ids):
    """Picks `(batch, length, source_length)` out of all tokens' values."""
    batch, length, num_tokens = ops.shape(x)
    places, _ = _places(token_ids, length, num_tokens)
    return ops.take(ops.reshape(x, (-1,)), places, axis=0)


def _last_places(token_ids, num_tokens):
    """Finds where the token of each place stands for the last time.

    Returns:
        Integers `(batch, source_length)`, -1 for an id that is none, and
        booleans `(batch, 1, num_tokens)`, of the tokens that a source has.
    """
    batch, source_length = ops.shape(token_ids)
    places, inside = _places(token_ids, 1, num_tokens)
    order = ops.arange(source_length, dtype="int32")
    last = ops.segment_max(
        ops.reshape(ops.where(inside, order, -1), (-1,)),
        ops.reshape(places, (-1,)),
        num_segments=batch * num_tokens,
    )
    has_token = ops.reshape(last >= 0, (batch, 1, num_tokens))
    last = ops.where(inside, ops.take(last, places, axis=0), -1)
    return last[:, 0], has_token
