"""A recurrent encoder and decoder with attention as one model."""

import keras

from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.models.baselines.recurrent_decoder import RecurrentDecoder
from keras_attention.models.baselines.recurrent_encoder import RecurrentEncoder
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.registry import PACKAGE, describe


@keras.saving.register_keras_serializable(package=PACKAGE)
class RecurrentEncoderDecoder(EncoderDecoder):
    """The attentional recurrent translation model, with any attention.

    Every flavour that attends across two sequences serves. Bahdanau's and
    Luong's models, which project neither values nor output, are

    ```python
    RecurrentEncoderDecoder(
        30_000, 1, 1000, embedding_dim=620, attention_order="before",
        attention=AdditiveAttention(1, use_projections=False),
    )
    RecurrentEncoderDecoder(
        50_000, 4, 1000, cell="lstm", bidirectional=False, input_feeding=True,
        attention=LuongAttention(1, use_projections=False),
    )
    ```

    The decoder's first state is `tanh(W s)` of the last state `s` of the
    backward direction (Bahdanau), layer by layer; without `bidirectional` it
    is the encoder's last state itself (Luong). It lies in the memory, and the
    step with `start=0` takes it from there.

    It is an `EncoderDecoder` of a `RecurrentEncoder` and a
    `RecurrentDecoder`, which can be put together with other sizes.

    Args:
        vocabulary_size: integer, number of target tokens.
        num_layers: integer, recurrent layers of the encoder, and of the
            decoder.
        hidden_dim: integer, width of a recurrent layer; in the encoder, of
            each direction.
        source_vocabulary_size: integer, number of source tokens;
            `vocabulary_size` by default.
        embedding_dim: integer, width of the embeddings and of what logits are
            made of; `hidden_dim` by default.
        cell: `"gru"` or `"lstm"`.
        bidirectional: whether the encoder reads in both directions.
        attention: cross-attention by name (which gets one head),
            configuration or template. None for none: the source is then known
            by the first state alone, and `bidirectional` must be False.
        attention_order: `"after"`: the new state of the uppermost layer
            attends, and logits are made of `tanh(W [context; state])`
            (Luong). `"before"`: the last state attends, the layers see what
            it found, and logits are made of `maxout(W [state; embedding;
            context])` (Bahdanau).
        input_feeding: whether the layers see what the last logits were made
            of beside each embedding (Luong). Without it, attention after the
            layers is computed for all steps at once in training.
        dropout: float, for the embeddings, between the layers, and before the
            logits; for attention weights, give a template.
        share_embeddings: whether source and target use one embedding.
        tie_embeddings: whether logits use the matrix of the target embedding.
        copy_generator: see `EncoderDecoder`.

    Call arguments:
        source_ids, target_ids, source_padding_mask, target_padding_mask,
            training: see `EncoderDecoder`.

    Returns:
        Logits `(batch, target_length, vocabulary_size)`.

    Raises:
        ValueError: if an argument is out of its range or does not fit the
            others.

    Example:

    ```python
    import keras
    from keras_attention import MultiHeadAttention, RecurrentEncoderDecoder

    model = RecurrentEncoderDecoder(
        100, num_layers=2, hidden_dim=32,
        attention=MultiHeadAttention(num_heads=4), input_feeding=True,
    )
    source_ids = keras.random.randint((2, 50), 1, 100)
    target_ids = keras.random.randint((2, 20), 1, 100)
    logits = model({"source_ids": source_ids, "target_ids": target_ids})
    logits.shape  # (2, 20, 100)
    ```

    Reference:
        Bahdanau et al. 2014, Neural Machine Translation by Jointly Learning
        to Align and Translate, https://arxiv.org/abs/1409.0473;
        Luong et al. 2015, Effective Approaches to Attention-based Neural
        Machine Translation, https://arxiv.org/abs/1508.04025
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        hidden_dim,
        *,
        source_vocabulary_size=None,
        embedding_dim=None,
        cell="gru",
        bidirectional=True,
        attention="additive",
        attention_order="after",
        input_feeding=False,
        dropout=0.1,
        share_embeddings=False,
        tie_embeddings=False,
        copy_generator=None,
        dtype=None,
        **kwargs,
    ):
        if source_vocabulary_size is None:
            source_vocabulary_size = vocabulary_size
        if share_embeddings and source_vocabulary_size != vocabulary_size:
            raise ValueError(
                "share_embeddings=True needs one vocabulary. Received: "
                f"vocabulary_size={vocabulary_size}, "
                f"source_vocabulary_size={source_vocabulary_size}"
            )
        if attention is None and bidirectional:
            raise ValueError(
                "attention=None needs bidirectional=False: the decoder then "
                "starts from the backward direction and would never learn "
                "what the forward one has read."
            )
        embedding = "tokens"
        if share_embeddings:
            embedding = TokenEmbedding(
                vocabulary_size,
                embedding_dim or hidden_dim,
                tie_weights=tie_embeddings,
                name="embedding",
                dtype=dtype,
            )
        sizes = {
            "num_layers": num_layers,
            "hidden_dim": hidden_dim,
            "embedding_dim": embedding_dim,
            "cell": cell,
            "dropout": dropout,
            "embedding": embedding,
            "dtype": dtype,
        }
        super().__init__(
            RecurrentEncoder(
                source_vocabulary_size,
                bidirectional=bidirectional,
                name="encoder",
                **sizes,
            ),
            RecurrentDecoder(
                vocabulary_size,
                memory_dim=hidden_dim * (2 if bidirectional else 1),
                state_dim=hidden_dim if bidirectional else None,
                attention=attention,
                attention_order=attention_order,
                input_feeding=input_feeding,
                tie_embeddings=tie_embeddings,
                name="decoder",
                **sizes,
            ),
            copy_generator=copy_generator,
            dtype=dtype,
            **kwargs,
        )
        self._arguments = {
            "vocabulary_size": vocabulary_size,
            "num_layers": num_layers,
            "hidden_dim": hidden_dim,
            "source_vocabulary_size": source_vocabulary_size,
            "embedding_dim": self.decoder.embedding_dim,
            "cell": cell,
            "bidirectional": bidirectional,
            "attention": describe(attention),
            "attention_order": attention_order,
            "input_feeding": input_feeding,
            "dropout": dropout,
            "share_embeddings": share_embeddings,
            "tie_embeddings": tie_embeddings,
        }

    def get_config(self):
        config = super().get_config()
        del config["encoder"], config["decoder"]
        return {**config, **self._arguments}
