"""The Transformer encoder."""

import keras
from keras import ops

from keras_attention.masks import output_mask
from keras_attention.models.call_inputs import embed, read, rotated_positions
from keras_attention.models.hidden_states import HiddenStates
from keras_attention.models.layer_positions import LayerPositions
from keras_attention.models.transformer import Transformer
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class TransformerEncoder(HiddenStates, Transformer):
    """Turns tokens into vectors that know their context.

    Parts are given by name, configuration or layer; a layer is a template
    that is cloned for each block, except for `embedding`, which is used as it
    is and may be shared.

    Args:
        vocabulary_size: integer, number of tokens.
        num_layers: integer, number of blocks.
        hidden_dim: integer, width of the model.
        num_heads: integer, heads of each attention layer.
        intermediate_dim: integer, width inside the feed-forward part;
            `4 * hidden_dim` by default.
        attention: one attention or a list that is cycled over the blocks.
        position: positional encoding, or a list that is cycled over the
            blocks, of encodings that act in attention; None for none.
        feed_forward: an activation (`"relu"`, `"gelu"`, `"gelu_tanh"`,
            `"swiglu"`, `"geglu"`), a configuration or a template.
        normalization: `"layer_norm"`, `"rms_norm"`, a configuration or a
            template.
        residual: where normalizations and sums stand in a block:
            `"pre_norm"`, `"post_norm"`, `"sandwich_norm"`, `"output_norm"`,
            `"parallel"`, a configuration or a template. Unless the last sum
            is normalized (`"post_norm"`), one more stands at the end.
        block: a template of your own subclass of `TransformerBlock`, which
            leaves its parts open, or its configuration; None for
            `TransformerBlock`. What it says of `normalization`, `residual`
            and `dropout` counts for it.
        dropout: float, for embeddings, attention weights, inside and after
            the feed-forward part.
        embedding: `"tokens"`, a configuration, or a layer with a method
            `padding_mask(inputs)`.
        embedding_normalization: normalization of the embeddings, behind the
            positions and before dropout (BERT); None for none.
        final_normalization: whether a normalization stands at the end where
            the last sum is not normalized.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary with
            `token_ids` and any of the tensors below, by name.
        padding_mask: boolean `(batch, length)`; by default where the ids are
            not the padding id, 0.
        segment_ids: integers `(batch, length)`, the kind of each token, for
            an embedding with `num_segments`; by default 0.
        position_ids: integers `(batch, length)`, for an encoding that is
            added to embeddings, or a `RotaryEmbedding`; by default 0, 1, 2
            and so on. Masks do not follow from them: texts that share a row
            are kept apart by an `attention_mask`.
        attention_mask: boolean `(batch, length, length)`, which keys each
            query may see, beside the padding mask.
        global_mask: boolean `(batch, length)`, the tokens that all others
            see, for `LongformerAttention`.
        training: whether to apply dropout.

    Returns:
        `(batch, length, hidden_dim)`.

    Raises:
        ValueError: if sizes do not fit or a part is unknown.

    Example:

    ```python
    import keras
    from keras_attention import MultiHeadAttention, TransformerEncoder

    encoder = TransformerEncoder(
        vocabulary_size=100, num_layers=2, hidden_dim=32, num_heads=4,
        attention=MultiHeadAttention(num_heads=4, num_kv_heads=2),
        position="rotary", feed_forward="swiglu", normalization="rms_norm",
    )
    token_ids = keras.random.randint((2, 50), 1, 100)  # 0 is padding
    encoder(token_ids).shape  # (2, 50, 32)
    ```

    Reference:
        Vaswani et al. 2017, Attention Is All You Need,
        https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self, vocabulary_size, num_layers, hidden_dim, num_heads, **kwargs
    ):
        for name in ("cross_attention", "tie_embeddings", "memory_dim"):
            if name in kwargs:
                raise ValueError(
                    f"{name} is an argument of TransformerDecoder, not of "
                    "TransformerEncoder."
                )
        super().__init__(
            vocabulary_size, num_layers, hidden_dim, num_heads, **kwargs
        )
        if self.position.causal_only:
            position = self.position
            if isinstance(position, LayerPositions):
                position = position.first("causal_only")
            raise ValueError(
                f"{type(position).__name__} is for causal attention and "
                "cannot serve as position of a TransformerEncoder; use it in "
                'a TransformerDecoder, or position="rotary" here.'
            )
        self.supports_masking = True
        self.build()

    def call(
        self,
        token_ids,
        padding_mask=None,
        segment_ids=None,
        position_ids=None,
        attention_mask=None,
        global_mask=None,
        training=None,
    ):
        token_ids, given = read(
            token_ids,
            padding_mask=padding_mask,
            segment_ids=segment_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            global_mask=global_mask,
        )
        padding_mask = given.get("padding_mask")
        if padding_mask is None:
            padding_mask = self.padding_mask(token_ids)
        position_ids = given.get("position_ids")
        x = embed(
            self,
            token_ids,
            padding_mask=padding_mask,
            segment_ids=given.get("segment_ids"),
            position_ids=position_ids,
            training=training,
        )
        padding_mask = self.output_mask(padding_mask)
        positions = rotated_positions(self, position_ids, x)
        with self.position.positions_of_stack(0, ops.shape(x)[1], positions):
            for block in self.blocks:
                x = block(
                    x,
                    padding_mask=padding_mask,
                    attention_mask=given.get("attention_mask"),
                    global_mask=given.get("global_mask"),
                    training=training,
                )
        return x if self.final_norm is None else self.final_norm(x)

    def compute_mask(self, inputs, previous_mask=None):
        if isinstance(previous_mask, dict):
            previous_mask = previous_mask.get("token_ids")
        return self.output_mask(previous_mask)

    def padding_mask(self, token_ids):
        """Marks the positions of `(batch, length)` that hold a token."""
        return self.embedding.padding_mask(token_ids)

    def output_mask(self, padding_mask):
        """Marks the vectors of what `padding_mask` marks, or gives None."""
        return output_mask(self.embedding, padding_mask)

    def get_config(self):
        config = super().get_config()
        del config["cross_attention"]
        return config
