"""Attention that points: its weights are the result."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.exact.additive import AdditiveAttention
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class PointerAttention(AdditiveAttention):
    """Points at a place of the source: softmax(v' tanh(Wq + Uk)).

    Where other attention mixes values, this gives the weights themselves: a
    distribution over the keys for each query, to choose one of them or, in a
    `CopyGenerator`, to copy it. It has no value and no output projection, no
    dropout, which would tear the distribution, and no position.

    Args:
        hidden_dim: integer, width of the network that scores; the width of
            the query by default.
        log_probabilities: whether to give the logarithms, which serve as
            logits of a loss. Keys that do not count get -1e9 (in float16
            -6e4), and so do all where a query may attend to nothing.
        use_bias: whether W and U have biases; the paper has none.
        query_block_size: `"auto"`, an integer or None; see
            `MultiHeadAttention`.
        kernel_initializer: initializer of W, U and v.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`, what is pointed at; by default
            `query`. As `key` it may be given too, but not as both.
        attention_mask: boolean `(batch, query_length, key_length)`.
        padding_mask: boolean `(batch, key_length)`.
        use_causal_mask, memory, start: see `Attention`. There is no cache.

    Returns:
        Weights `(batch, query_length, key_length)` that sum to one; zeros
        where a query may attend to nothing.

    Raises:
        ValueError: if the call's arguments exclude each other, or a cache is
            asked for.

    Example:

    ```python
    import keras
    from keras_attention import PointerAttention

    layer = PointerAttention()
    query = keras.random.normal((2, 7, 32))
    source = keras.random.normal((2, 50, 32))
    layer(query, source).shape  # (2, 7, 50)
    ```

    Reference:
        Vinyals, Fortunato, Jaitly 2015, Pointer Networks,
        https://arxiv.org/abs/1506.03134
    """

    kind = "pointer"
    has_heads = False
    paper = "Vinyals, Fortunato, Jaitly 2015"
    cost = "n²d / n²d"
    cache_size = None
    supports_bias = False
    supports_cache = False

    # All is named, so that `attention.get` knows what this takes not.
    def __init__(
        self,
        hidden_dim=None,
        *,
        log_probabilities=False,
        use_bias=False,
        query_block_size="auto",
        kernel_initializer="glorot_uniform",
        name=None,
        dtype=None,
        trainable=True,
    ):
        check_integer("hidden_dim", 1 if hidden_dim is None else hidden_dim)
        super().__init__(
            1,
            hidden_dim,
            use_projections=False,
            use_bias=use_bias,
            query_block_size=query_block_size,
            kernel_initializer=kernel_initializer,
            name=name,
            dtype=dtype,
            trainable=trainable,
        )
        self.log_probabilities = log_probabilities

    def run(self, query, value, key, **inputs):
        self._check_source(value, key)
        output = super().run(query, value, key, **inputs)
        memory = inputs.get("memory")
        sources = (key, value, memory and memory["mask"], query)
        source = next(x for x in sources if x is not None)
        # An empty source is filled with one place, which is none to point at.
        return output[..., :0] if source.shape[1] == 0 else output

    def init_memory(self, value, key=None, padding_mask=None):
        self._check_source(value, key)
        return super().init_memory(value, key, padding_mask)

    def _check_source(self, value, key):
        if value is not None and key is not None:
            raise ValueError(
                "PointerAttention mixes no values: give what it points at as "
                "value or as key. Received both."
            )

    def project_source(self, key, value):
        key = self.key_dense(key)
        return key, key[..., :0]  # values of no width, which cost nothing

    def project_output(self, output, query):
        return output

    def attend(self, query, key, value, visible, position, training=None):
        # In causal self-attention blocks would leave out the keys behind
        # their queries, and rows of the result be of different lengths.
        visible = visible._replace(is_self=False)
        return super().attend(query, key, value, visible, position, training)

    def _attend_at_once(self, query, key, value, visible, position, *dropout):
        if not self.log_probabilities:
            return self.compute_weights(query, key, visible, position)[:, 0]
        mask = visible.dense()
        scores = self.scores(query, key, visible, position)
        scores = softmax.add_mask(scores, mask)
        logits = scores - ops.logsumexp(scores, axis=-1, keepdims=True)
        if mask is not None:
            lowest = -6e4 if self.compute_dtype == "float16" else -1e9
            logits = ops.where(mask, logits, lowest)
        return ops.cast(logits, query.dtype)[:, 0]

    def get_config(self):
        return {
            **super(Attention, self).get_config(),
            "hidden_dim": self.head_dim,
            "log_probabilities": self.log_probabilities,
            "use_bias": self.use_bias,
            "query_block_size": self.query_block_size,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }
