"""One Transformer block, composed of parts."""

import keras
from keras import ops

from keras_attention import attention as attention_layers
from keras_attention.attention.core.cache_dtype import KeepsCache, released
from keras_attention.checks import check_integer
from keras_attention.layers import feed_forward as feed_forwards
from keras_attention.layers import normalization as normalizations
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.parts import Parts
from keras_attention.registry import (
    PACKAGE,
    ChecksBooleans,
    describe,
    describe_whole,
)


@keras.saving.register_keras_serializable(package=PACKAGE)
class TransformerBlock(ChecksBooleans, KeepsCache, keras.layers.Layer):
    """Self-attention, cross-attention where asked, and feed-forward.

    Each part stands on a residual path with a normalization of its own,
    before the part (`x + part(norm(x))`) or after the sum (`norm(x +
    part(x))`). A block that places them otherwise overrides `residual`.

    Args:
        attention: an `Attention` mixer, used as it is, or a configuration.
        feed_forward: a layer that keeps the shape, or a configuration.
        cross_attention: an `Attention` mixer that can attend across, a
            configuration, or None for none.
        normalization: name, configuration or template, made anew for each
            part.
        norm_first: whether normalization comes before each part.
        dropout: float, share of each part's output dropped in training.
        memory_dim: integer, width of the memory if it is not the block's.

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        padding_mask: boolean `(batch, length)`.
        memory: `(batch, memory_length, memory_dim)`, or what `init_memory`
            of this block returned.
        memory_padding_mask: boolean `(batch, memory_length)`.
        use_causal_mask: whether self-attention sees only the past.
        cache: dictionary from `init_cache`.
        start: integer, the position of the first row of `x`.
        past: `(batch, past_length, hidden_dim)`, rows in front of `x` that
            self-attention, then causal, sees as well.
        past_mask: boolean `(batch, past_length)`, those that count.
        training: whether to apply dropout.

    Returns:
        `(batch, length, hidden_dim)`; with a cache, `(output, cache)`.

    Reference:
        Vaswani et al. 2017, https://arxiv.org/abs/1706.03762;
        Xiong et al. 2020, On Layer Normalization in the Transformer
        Architecture, https://arxiv.org/abs/2002.04745
    """

    def __init__(
        self,
        attention,
        feed_forward,
        cross_attention=None,
        *,
        normalization="layer_norm",
        norm_first=True,
        dropout=0.0,
        memory_dim=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        for name, part in (
            ("attention", attention),
            ("cross_attention", cross_attention),
            ("feed_forward", feed_forward),
        ):
            if isinstance(part, str):
                raise ValueError(
                    f"{name} must be a layer or a configuration: a name alone "
                    f"leaves its sizes open. Received: {part!r}"
                )
        policy = {"dtype": self.dtype_policy}
        self.attention = _mixer(attention, "attention", policy)
        if not isinstance(feed_forward, keras.layers.Layer):
            feed_forward = feed_forwards.get(feed_forward, **policy)
        self.feed_forward = feed_forward
        self.cross_attention = None
        if cross_attention is not None:
            self.cross_attention = _mixer(
                cross_attention, "cross_attention", policy
            )
            if not self.cross_attention.supports_cross_attention:
                raise ValueError(
                    f"{type(self.cross_attention).__name__} does not support "
                    "cross-attention; give another as cross_attention, for "
                    'example "multi_head".'
                )
        if memory_dim is not None:
            check_integer("memory_dim", memory_dim)
        self.normalization = describe(normalization)
        self.norm_first = norm_first
        self.dropout = dropout
        self.memory_dim = memory_dim
        parts = ["attention", "feed_forward"]
        if cross_attention is not None:
            parts.insert(1, "cross_attention")
        self.norms = Parts(
            normalizations.get(normalization, name=f"{part}_norm", **policy)
            for part in parts
        )
        self.dropouts = Parts(make_dropout(dropout, **policy) for _ in parts)

    def build(self, input_shape):
        # Parts are used as they are, so another block may share one.
        for part in (self.attention, self.feed_forward):
            if not part.built:
                part.build(input_shape)
        if self.cross_attention is not None and not self.cross_attention.built:
            memory_dim = self.memory_dim or input_shape[-1]
            self.cross_attention.build(
                input_shape, (*input_shape[:-1], memory_dim)
            )
        for norm in self.norms:
            if not norm.built:
                norm.build(input_shape)

    def call(
        self,
        x,
        padding_mask=None,
        memory=None,
        memory_padding_mask=None,
        use_causal_mask=False,
        cache=None,
        start=0,
        past=None,
        past_mask=None,
        training=None,
    ):
        cache = released(cache)

        def attend(x):
            nonlocal cache
            if past is not None:
                return self._attend_behind(
                    x, padding_mask, past, past_mask, training
                )
            if cache is None:
                return self.attention(
                    x,
                    padding_mask=padding_mask,
                    use_causal_mask=use_causal_mask,
                    start=start,
                    training=training,
                )
            x, cache = self.attention(
                x,
                padding_mask=padding_mask,
                cache=cache,
                start=start,
                training=training,
            )
            return x

        def attend_across(x):
            held = isinstance(memory, dict)
            return self.cross_attention(
                x,
                None if held else memory,
                memory=memory if held else None,
                padding_mask=memory_padding_mask,
                start=start,
                training=training,
            )

        parts = [attend]
        if self.cross_attention is not None:
            if memory is None:
                raise ValueError(
                    "A block with cross_attention needs memory. Received: None"
                )
            parts.append(attend_across)
        elif memory is not None:
            raise ValueError(
                "Received memory, but this block has no cross_attention."
            )
        parts.append(lambda x: self.feed_forward(x, training=training))
        has_cache = cache is not None
        for index, part in enumerate(parts):
            x = self.residual(index, part, x, training)
        return (x, cache) if has_cache else x

    def _attend_behind(self, x, padding_mask, past, past_mask, training):
        """Attends with the rows of `x` to these and to those before them.

        One call over both, of which the first rows are cut off: so no flavour
        needs a form of its own for it. They count from the first of these.
        """
        if self.norm_first:
            past = self.norms[0](past)
        joined = ops.concatenate([ops.cast(past, x.dtype), x], axis=1)
        masks = []
        for mask, rows in ((past_mask, past), (padding_mask, x)):
            if mask is None:
                mask = ops.ones(ops.shape(rows)[:2], dtype="bool")
            masks.append(mask)
        output = self.attention(
            joined,
            padding_mask=ops.concatenate(masks, axis=1),
            use_causal_mask=True,
            training=training,
        )
        return output[:, ops.shape(past)[1] :]

    def residual(self, index, part, x, training=None):
        """Puts one part on its residual path.

        Args:
            index: integer, which part it is.
            part: function from `(batch, length, hidden_dim)` to the same.
            x: `(batch, length, hidden_dim)`.
            training: whether to apply dropout.

        Returns:
            `(batch, length, hidden_dim)`.
        """
        norm, dropout = self.norms[index], self.dropouts[index]
        if self.norm_first:
            return x + dropout(part(norm(x)), training=training)
        return norm(x + dropout(part(x), training=training))

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

    def get_config(self):
        return {
            **super().get_config(),
            "attention": describe_whole(self.attention),
            "feed_forward": describe_whole(self.feed_forward),
            "cross_attention": describe_whole(self.cross_attention),
            "normalization": self.normalization,
            "norm_first": self.norm_first,
            "dropout": self.dropout,
            "memory_dim": self.memory_dim,
        }


def _mixer(part, argument, defaults):
    if not isinstance(part, attention_layers.Attention):
        part = attention_layers.get(part, **defaults)
    if part.kind != "mixer":
        raise ValueError(
            f"A block needs a mixer as {argument}, which keeps the length of "
            f"the query. Received: {type(part).__name__}, a {part.kind} layer"
        )
    return part
