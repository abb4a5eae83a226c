"""One Transformer block, composed of parts."""

import keras

from keras_attention.attention.core.kv_cache import KeepsCache
from keras_attention.checks import check_dropout, check_integer
from keras_attention.layers import feed_forward as feed_forwards
from keras_attention.layers import residuals
from keras_attention.layers.block_parts import (
    check_complete,
    check_crosses,
    check_global_mask,
    check_parts,
    mixer,
    refuse_masks_behind,
    refuse_memory,
)
from keras_attention.layers.norm_first import (
    refuse_norm_first,
    translate_norm_first,
)
from keras_attention.layers.past_rows import attend_behind
from keras_attention.registry import (
    PACKAGE,
    Template,
    check_given,
    describe,
    describe_whole,
)


@keras.saving.register_keras_serializable(package=PACKAGE)
class TransformerBlock(Template, KeepsCache, keras.layers.Layer):
    """Self-attention, cross-attention where asked, and feed-forward.

    Each part stands on the residual path, which says where normalizations
    and sums stand. A block of your own overrides `run`, and makes
    further parts in `build`; a model takes it as `block`.

    Args:
        attention: an `Attention` mixer, used as it is, or a configuration.
            A template for `block` of a model leaves open all three parts,
            which the model makes.
        feed_forward: a layer that keeps the shape, or a configuration.
        cross_attention: an `Attention` mixer that can attend across, a
            configuration, or None for none.
        normalization: name, configuration or template, made anew for each
            place.
        residual: residual path: name, configuration or template.
        dropout: float, share of each part's output dropped in training.
        memory_dim: integer, width of the memory if it is not the block's.

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        padding_mask: boolean `(batch, length)`.
        memory: `(batch, memory_length, memory_dim)`, or what `init_memory`
            of this block returned.
        memory_padding_mask: boolean `(batch, memory_length)`.
        use_causal_mask: whether self-attention sees only the past.
        attention_mask: boolean `(batch, length, length)`, which keys each
            query of the self-attention may see.
        global_mask: boolean `(batch, length)`, for `LongformerAttention`.
        cache: dictionary from `init_cache`.
        start: integer, the position of the first row of `x`.
        past: `(batch, past_length, hidden_dim)`, rows in front of `x` that
            self-attention, then causal, sees as well.
        past_mask: boolean `(batch, past_length)`, those that count.
        training: whether to apply dropout.

    Returns:
        `(batch, length, hidden_dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: if a part is unknown or does not fit, or for `norm_first`
            of earlier versions.

    Reference: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762

    Example:

    ```python
    import keras
    from keras_attention import FeedForward, TransformerBlock
    from keras_attention import TransformerEncoder

    @keras.saving.register_keras_serializable(package="mine")
    class Macaron(TransformerBlock):  # Lu et al. 2019, arXiv:1906.02762
        def build(self, input_shape):
            super().build(input_shape)
            self.first = FeedForward(64)
            self.first.build(input_shape)

        def run(self, x, **inputs):
            return super().run(x + 0.5 * self.first(x), **inputs)

    encoder = TransformerEncoder(100, 2, 32, 4, block=Macaron())
    encoder(keras.ops.ones((2, 50), "int32")).shape  # (2, 50, 32)
    ```
    """

    def __init__(
        self,
        attention=None,
        feed_forward=None,
        cross_attention=None,
        *,
        normalization="layer_norm",
        residual="pre_norm",
        dropout=0.0,
        memory_dim=None,
        **kwargs,
    ):
        refuse_norm_first(kwargs)
        super().__init__(**kwargs)
        self.supports_masking = True
        check_parts(self, attention, feed_forward, cross_attention)
        check_dropout(dropout)
        check_given(normalization=normalization)
        if memory_dim is not None:
            check_integer("memory_dim", memory_dim)
        policy = {"dtype": self.dtype_policy}
        self.attention = mixer(attention, "attention", policy)
        if not isinstance(feed_forward, (keras.layers.Layer, type(None))):
            feed_forward = feed_forwards.get(feed_forward, **policy)
        self.feed_forward = feed_forward
        self.cross_attention = mixer(cross_attention, "cross_attention", policy)
        parts = ["attention", "cross_attention", "feed_forward"]
        if cross_attention is None:
            parts.remove("cross_attention")
        else:
            check_crosses(self.cross_attention)
        self.normalization = describe(normalization)
        self.dropout = dropout
        self.memory_dim = memory_dim
        self._residual = describe(residual)
        self.residual = residuals.get(
            residual,
            parts=parts,
            normalization=self.normalization,
            dropout=dropout,
            name="residual",
            **policy,
        )

    @property
    def norms(self):
        """The normalizations of the residual path, in their order."""
        return self.residual.norms

    @property
    def dropouts(self):
        """The dropouts of the residual path, one for each part."""
        return self.residual.dropouts

    def build(self, input_shape):
        check_complete(self)
        # Parts are used as they are, so another block may share one. Norms
        # are built here, so that the paths of their weights are the block's.
        for part in (self.attention, self.feed_forward, *self.norms):
            if not part.built:
                part.build(input_shape)
        if self.cross_attention is not None and not self.cross_attention.built:
            memory_dim = self.memory_dim or input_shape[-1]
            self.cross_attention.build(
                input_shape, (*input_shape[:-1], memory_dim)
            )
        if not self.residual.built:
            self.residual.build(input_shape)

    def call(
        self,
        x,
        padding_mask=None,
        memory=None,
        memory_padding_mask=None,
        use_causal_mask=False,
        attention_mask=None,
        global_mask=None,
        cache=None,
        start=0,
        past=None,
        past_mask=None,
        training=None,
    ):
        return self.run(
            x,
            padding_mask=padding_mask,
            memory=memory,
            memory_padding_mask=memory_padding_mask,
            use_causal_mask=use_causal_mask,
            attention_mask=attention_mask,
            global_mask=global_mask,
            cache=cache,
            start=start,
            past=past,
            past_mask=past_mask,
            training=training,
        )

    def run(
        self,
        x,
        *,
        memory=None,
        memory_padding_mask=None,
        cache=None,
        start=0,
        training=None,
        **inputs,
    ):
        """Computes the call; what a block of your own overrides.

        Unlike `call`, to which Keras gives no mixture of tensors and others
        by `**kwargs`, it may hand on what it does not use itself.

        Args: as of the call, all of them by name.

        Returns:
            What the call returns.
        """
        if (memory is None) is not (self.cross_attention is None):
            refuse_memory(memory)
        residual, has_cache = self.residual, cache is not None
        shared = residual.start(x)
        given = residual.before("attention", x, shared)
        output, cache = self._attend(
            given, cache=cache, start=start, training=training, **inputs
        )
        x = residual.after("attention", x, output, training)
        if self.cross_attention is not None:
            given = residual.before("cross_attention", x, shared)
            is_projected = isinstance(memory, dict)
            output = self.cross_attention(
                given,
                None if is_projected else memory,
                memory=memory if is_projected else None,
                padding_mask=memory_padding_mask,
                start=start,
                training=training,
            )
            x = residual.after("cross_attention", x, output, training)
        given = residual.before("feed_forward", x, shared)
        output = self.feed_forward(given, training=training)
        x = residual.after("feed_forward", x, output, training)
        return (x, cache) if has_cache else x

    def _attend(self, x, past=None, past_mask=None, global_mask=None, **inputs):
        """Gives `(output, cache)` of the self-attention."""
        if global_mask is not None:
            check_global_mask(self.attention)
            inputs["global_mask"] = global_mask
        if past is None:
            output = self.attention(x, **inputs)
            return (output, None) if inputs["cache"] is None else output
        refuse_masks_behind(global_mask, inputs.get("attention_mask"))
        shared = self.residual.start(past)
        output = attend_behind(
            self.attention,
            x,
            self.residual.before("attention", past, shared),
            padding_mask=inputs.get("padding_mask"),
            past_mask=past_mask,
            training=inputs["training"],
        )
        return output, None

    def init_cache(self, batch_size, max_length):
        """Makes the empty cache of the self-attention."""
        return self.attention.init_cache(batch_size, max_length)

    def init_memory(self, memory, padding_mask=None):
        """Projects the memory for the cross-attention once."""
        if self.cross_attention is None:
            raise ValueError("This block has no cross_attention for a memory.")
        return self.cross_attention.init_memory(
            memory, padding_mask=padding_mask
        )

    @classmethod
    def from_config(cls, config):
        """Makes a block; a file of an earlier version may say `norm_first`."""
        return super().from_config(translate_norm_first(config))

    def get_config(self):
        return {
            **super().get_config(),
            "attention": describe_whole(self.attention),
            "feed_forward": describe_whole(self.feed_forward),
            "cross_attention": describe_whole(self.cross_attention),
            "normalization": self.normalization,
            "residual": self._residual,
            "dropout": self.dropout,
            "memory_dim": self.memory_dim,
        }
