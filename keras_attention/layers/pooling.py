"""One vector for a whole sequence."""

import keras
from keras import ops

from keras_attention import attention as attention_layers
from keras_attention.attention.base import Attention
from keras_attention.checks import did_you_mean
from keras_attention.registry import PACKAGE, Template, describe, resolve
from keras_attention.tensors import at_least_float32


@keras.saving.register_keras_serializable(package=PACKAGE)
class SequencePooling(Template, keras.layers.Layer):
    """Pools a sequence without weights of its own.

    - `"mean"`: the mean of the tokens.
    - `"max"`: the largest number of each feature, as in a text CNN (Kim 2014)
      or InferSent (Conneau et al. 2017).
    - `"first"`: the first vector, as in BERT (Devlin et al. 2019); zeros
      where that is padding, so that texts are padded on the right.
    - `"last"`: the vector of the last token, where a recurrent layer that
      reads forwards has seen everything, as has a decoder (GPT-2). Padding
      may stand on either side.
    - `"ends"`: for a layer that reads in both directions: the first half of
      the features, which read forwards, at the last token, and the second
      half at the first token.

    Args:
        mode: one of these.

    Call arguments:
        x: `(batch, length, dim)`.
        padding_mask: boolean `(batch, length)`, True for tokens; the implicit
            Keras mask, or all, by default.

    Returns:
        `(batch, dim)`; zeros for a row without tokens.

    Raises:
        ValueError: for an unknown mode.

    Example:

    ```python
    import keras
    from keras_attention import SequencePooling

    layer = SequencePooling("mean")
    x = keras.random.normal((2, 50, 32))
    padding_mask = keras.ops.ones((2, 50), "bool")
    layer(x, padding_mask=padding_mask).shape  # (2, 32)
    ```
    """

    def __init__(self, mode="mean", **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        if mode not in MODES:
            raise ValueError(
                f"mode must be one of {', '.join(MODES)}. Received: {mode!r}."
                f"{did_you_mean(mode, MODES)}"
            )
        self.mode = mode

    def build(self, input_shape):
        if self.mode == "ends" and input_shape[-1] % 2:
            raise ValueError(
                'mode="ends" takes features of two directions, an even '
                f"number. Received: {input_shape[-1]}"
            )

    def call(self, x, padding_mask=None, mask=None):
        batch, length, dim = ops.shape(x)
        if 0 in tuple(x.shape)[:2]:
            return ops.zeros((batch, dim), x.dtype)
        if padding_mask is None:
            padding_mask = mask
        if padding_mask is None:
            padding_mask = ops.ones((batch, length), "bool")
        x = ops.where(ops.expand_dims(padding_mask, -1), x, 0.0)
        return MODES[self.mode](x, padding_mask)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}

    def compute_mask(self, inputs, previous_mask=None):
        return None  # that of the input is none of the output's


@keras.saving.register_keras_serializable(package=PACKAGE)
class QueryPooling(Template, keras.layers.Layer):
    """Pools a sequence with a learned query that attends to it.

    Any flavour of attention across two sequences serves. With `"additive"`
    it is the word attention of hierarchical attention networks, but for the
    projections of the flavour.

    Args:
        attention: name (which gets one head), configuration or template.

    Call arguments:
        x: `(batch, length, dim)`.
        padding_mask: boolean `(batch, length)`, True for tokens.

    Returns:
        `(batch, dim)`.

    Raises:
        ValueError: if the flavour does not attend across two sequences.

    Example:

    ```python
    import keras
    from keras_attention import QueryPooling

    layer = QueryPooling("additive")
    layer(keras.random.normal((2, 50, 32))).shape  # (2, 32)
    ```

    Reference:
        Yang et al. 2016, Hierarchical Attention Networks for Document
        Classification, https://aclanthology.org/N16-1174
    """

    def __init__(self, attention="additive", **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self._attention = describe(attention)
        self.attention = attention_layers.get(
            attention,
            num_heads=1 if isinstance(attention, str) else None,
            name="attention",
            dtype=self.dtype_policy,
        )
        if self.attention.kind != "mixer" or not (
            self.attention.supports_cross_attention
        ):
            raise ValueError(
                "The attention of a pooling must be a mixer that supports "
                'cross-attention, for example "additive". Received: '
                f"{type(self.attention).__name__}"
            )

    def build(self, input_shape):
        dim = input_shape[-1]
        self.query = self.add_weight(
            name="query",
            shape=(1, dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        self.attention.build((None, 1, dim), tuple(input_shape))

    def call(self, x, padding_mask=None, training=None):
        query = ops.cast(ops.convert_to_tensor(self.query), x.dtype)
        query = ops.broadcast_to(query, (ops.shape(x)[0], *query.shape))
        found = self.attention(
            query, x, padding_mask=padding_mask, training=training
        )
        return found[:, 0]

    def get_config(self):
        return {**super().get_config(), "attention": self._attention}

    def compute_mask(self, inputs, previous_mask=None):
        return None  # that of the input is none of the output's


def get(pooling, num_heads=None, **options):
    """Makes a new, unbuilt pooling layer.

    Args:
        pooling: a mode of `SequencePooling`, `"attention"` for an
            `AttentionPooling`, the name of another flavour for a
            `QueryPooling` with it; a configuration, or a layer as template.
        num_heads: integer, heads of an `AttentionPooling` made by name.
        **options: further arguments for what is left open.

    Returns:
        A layer that takes `(batch, length, dim)` and a `padding_mask`.

    Raises:
        ValueError: if the name is unknown, or the layer pools nothing.
    """
    if isinstance(pooling, str):
        if pooling in MODES:
            return SequencePooling(pooling, **options)
        if pooling == "attention":
            return attention_layers.get(
                "pooling", num_heads=num_heads or 1, **options
            )
        if pooling not in attention_layers.names():
            raise ValueError(
                f"Unknown pooling: {pooling!r}. Known: {', '.join(MODES)}, "
                "attention, and the flavours that attend across sequences."
                + did_you_mean(pooling, [*MODES, *attention_layers.names()])
            )
        return QueryPooling(pooling, **options)
    classes = {"sequence": SequencePooling, "query": QueryPooling}
    layer = resolve(pooling, classes, "pooling", options)
    if isinstance(layer, Attention) and layer.kind == "mixer":
        return QueryPooling(pooling, **options)
    if isinstance(layer, SequencePooling | QueryPooling) or (
        isinstance(layer, Attention) and layer.kind == "pooling"
    ):
        return layer
    raise ValueError(
        "Expected a SequencePooling, QueryPooling, AttentionPooling or another "
        f"attention layer as pooling. Received: {type(layer).__name__}"
    )


def _mean(x, mask):
    dtype = at_least_float32(keras.backend.standardize_dtype(x.dtype))
    total = ops.sum(ops.cast(x, dtype), axis=1)
    count = ops.sum(ops.cast(mask, dtype), axis=1, keepdims=True)
    return ops.cast(total / ops.maximum(count, 1), x.dtype)


def _max(x, mask):
    lowest = ops.where(ops.expand_dims(mask, -1), x, -float("inf"))
    found = ops.max(lowest, axis=1)
    return ops.where(ops.any(mask, axis=1, keepdims=True), found, 0.0)


def _first(x, mask):
    return x[:, 0]


def _last(x, mask):
    places = ops.arange(ops.shape(x)[1], dtype="int32")
    last = ops.max(ops.where(mask, places, 0), axis=1)
    return _at(x, last)


def _ends(x, mask):
    forwards, backwards = ops.split(x, 2, axis=-1)
    first = ops.argmax(ops.cast(mask, "int32"), axis=1)
    return ops.concatenate(
        [_last(forwards, mask), _at(backwards, first)], axis=-1
    )


def _at(x, places):
    """Picks from `(batch, length, dim)` the vector at a place of each row."""
    return ops.take_along_axis(x, places[:, None, None], axis=1)[:, 0]


MODES = {
    "mean": _mean,
    "max": _max,
    "first": _first,
    "last": _last,
    "ends": _ends,
}
