"""Attention of a set through a few learned points."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.checks import check_integer
from keras_attention.masks import Visibility, hide
from keras_attention.positions.base import NO_POSITION
from keras_attention.registry import PACKAGE, copy_initializer


@keras.saving.register_keras_serializable(package=PACKAGE)
class InducedSetAttention(Attention):
    """Self-attention through learned inducing points (Set Transformer).

    The inducing points I attend to the sequence, and the sequence attends to
    what they found: `MultiHead(X, MultiHead(I, X))`, each with projections of
    its own. It is the attention of the paper's ISAB; its residuals, norms and
    feed-forward parts are those of the block around it. The order of the
    sequence does not matter.

    Args:
        num_heads, head_dim: see `Attention`.
        num_inducing: integer, number of inducing points.
        use_bias, dropout, kernel_initializer, seed: see `Attention`.

    Call arguments:
        query: `(batch, length, dim)`.
        padding_mask: boolean `(batch, length)`.

    Returns:
        `(batch, length, dim)`.

    Raises:
        ValueError: for sizes that make no sense or what this flavour does not
            support: a causal mask, a dense mask, cross-attention, a position.

    Example:

    ```python
    import keras
    from keras_attention import InducedSetAttention

    layer = InducedSetAttention(num_heads=4, num_inducing=8)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Lee et al. 2019, Set Transformer, https://arxiv.org/abs/1810.00825.
        Scores are divided by the root of the head's width; the paper's own
        code divides by that of all heads together.
    """

    paper = "Lee et al. 2019"
    cost = "nmd / nm"
    supports_cross_attention = False
    supports_causal_mask = False
    supports_attention_mask = False
    supports_rotation = False
    supports_bias = False
    supports_cache = False
    projections = (
        *Attention.projections,
        "inducing_query",
        "induced_key",
        "induced_value",
        "induced",
    )

    def __init__(self, num_heads, head_dim=None, *, num_inducing=32, **kwargs):
        if "num_kv_heads" in kwargs:
            raise ValueError(
                "InducedSetAttention has as many key heads as query heads. "
                f"Received: num_kv_heads={kwargs['num_kv_heads']}"
            )
        super().__init__(num_heads, head_dim, **kwargs)
        check_integer("num_inducing", num_inducing)
        self.num_inducing = num_inducing

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        dim = query_shape[-1]
        self.inducing = self.add_weight(
            shape=(self.num_inducing, dim),
            initializer=copy_initializer(self.kernel_initializer),
            name="inducing",
        )
        heads = self.num_heads
        self.inducing_query_dense = self._split_dense("inducing_query", heads)
        self.induced_key_dense = self._split_dense("induced_key", heads)
        self.induced_value_dense = self._split_dense("induced_value", heads)
        self.induced_dense = self._dense(
            "induced", "bthd,hdm->btm", (None, dim), "m"
        )
        for dense in (
            self.inducing_query_dense,
            self.induced_key_dense,
            self.induced_value_dense,
        ):
            dense.build((None, self.num_inducing, dim))
        self.induced_dense.build(
            (None, self.num_inducing, heads, self.head_dim)
        )

    def side_inputs(self, query, key, value):
        # The weights of the second attention depend on the values, which
        # `compute_weights` is not given.
        return {"source": value}

    def attend(
        self, query, key, value, visible, position, source, training=None
    ):
        first = self.draw_dropout(training)
        second = self.draw_dropout(training)
        seen = _everything(visible.padding_mask)
        inducing = self._inducing_heads(key)
        found = softmax.attend(inducing, key, value, seen, NO_POSITION, *first)
        induced = self.induced_dense(found)
        output = softmax.attend(
            query,
            self.induced_key_dense(induced),
            self.induced_value_dense(induced),
            _everything(),
            NO_POSITION,
            *second,
        )
        if visible.padding_mask is None:
            return output
        return hide(output, _any_key(visible))

    def compute_weights(self, query, key, visible, position, source):
        """Gives the product of both weights, head by head.

        It shows where a query looks through the points; that heads are mixed
        by the projections between the two attentions it does not show.
        """
        seen, nothing = _everything(visible.padding_mask), NO_POSITION
        value = self.value_dense(source)
        if visible.padding_mask is not None:
            value = hide(value, visible.padding_mask)
        inducing = self._inducing_heads(key)
        first = softmax.weigh(
            softmax.scores(inducing, key, seen, nothing), seen.dense()
        )
        found = softmax.attend(inducing, key, value, seen, nothing)
        induced_key = self.induced_key_dense(self.induced_dense(found))
        second = softmax.softmax(
            softmax.scores(query, induced_key, _everything(), nothing)
        )
        weights = ops.einsum("bhti,bhis->bhts", second, first)
        return ops.cast(weights, query.dtype)

    def _inducing_heads(self, key):
        points = ops.convert_to_tensor(self.inducing)
        points = ops.cast(points, self.compute_dtype)
        heads = self.inducing_query_dense(points[None])
        return ops.broadcast_to(heads, (ops.shape(key)[0], *heads.shape[1:]))

    def get_config(self):
        config = {**super().get_config(), "num_inducing": self.num_inducing}
        del config["num_kv_heads"]
        return config


def _everything(padding_mask=None):
    """A `Visibility` of queries of any number that see all that counts."""
    return Visibility(None, None, padding_mask=padding_mask)


def _any_key(visible):
    """Whether a row of the batch holds anything, `(batch, 1)`."""
    return ops.any(visible.padding_mask, axis=1, keepdims=True)
