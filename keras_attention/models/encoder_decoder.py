"""An encoder and a decoder as one model."""

import keras

from keras_attention.models.presets import Preset
from keras_attention.models.transformer import unpack
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class EncoderDecoder(Preset, keras.Model):
    """Maps a source and the target so far to logits of the next tokens.

    To use one embedding on both sides, construct the decoder with the
    encoder's: `TransformerDecoder(..., embedding=encoder.embedding)`.

    Args:
        encoder: a `TransformerEncoder` or `RecurrentEncoder`, or its
            configuration.
        decoder: a `TransformerDecoder` with `cross_attention`, or a
            `RecurrentDecoder`, or its configuration.
        share_embeddings: whether both use one embedding. By default read off
            the two; True with configurations builds them so.

    Call arguments:
        source_ids: integers `(batch, source_length)`, or a dictionary with
            `source_ids`, `target_ids` and optionally `source_padding_mask`
            and `target_padding_mask`.
        target_ids: integers `(batch, target_length)`: the target so far.
        source_padding_mask: boolean `(batch, source_length)`; by default
            where the ids are not the padding id.
        target_padding_mask: boolean `(batch, target_length)`; likewise.
        training: whether to apply dropout.

    Returns:
        Logits `(batch, target_length, vocabulary_size)`.

    Raises:
        ValueError: if the decoder has no cross-attention, or widths do not
            fit.

    Example:

    ```python
    encoder = TransformerEncoder(8000, 3, 256, 4)
    decoder = TransformerDecoder(
        8000, 3, 256, 4,
        cross_attention="multi_head", embedding=encoder.embedding,
    )
    model = EncoderDecoder(encoder, decoder)
    logits = model({"source_ids": source_ids, "target_ids": target_ids})
    ```
    """

    def __init__(self, encoder, decoder, share_embeddings=None, **kwargs):
        super().__init__(**kwargs)
        if isinstance(encoder, dict):
            encoder = keras.saving.deserialize_keras_object(encoder)
        if isinstance(decoder, dict):
            if share_embeddings:
                inner = {**decoder["config"], "embedding": encoder.embedding}
                cls = keras.saving.get_registered_object(
                    decoder["registered_name"]
                )
                decoder = cls.from_config(inner)
            else:
                decoder = keras.saving.deserialize_keras_object(decoder)
        shared = decoder.embedding is encoder.embedding
        if share_embeddings and not shared:
            raise ValueError(
                "share_embeddings=True, but the two models have embeddings "
                "of their own. Construct the decoder with "
                "embedding=encoder.embedding."
            )
        if share_embeddings is False and shared:
            raise ValueError(
                "share_embeddings=False, but the two models use one embedding."
            )
        decoder.check_encoder(encoder)
        self.encoder = encoder
        self.decoder = decoder
        self.share_embeddings = shared
        self.build()

    def build(self, input_shape=None):
        pass

    @property
    def vocabulary_size(self):
        """Number of target tokens."""
        return self.decoder.vocabulary_size

    def call(
        self,
        source_ids,
        target_ids=None,
        source_padding_mask=None,
        target_padding_mask=None,
        training=None,
    ):
        source_ids, target_ids, source_padding_mask, target_padding_mask = (
            unpack(
                source_ids,
                ("source_ids", None),
                ("target_ids", target_ids),
                ("source_padding_mask", source_padding_mask),
                ("target_padding_mask", target_padding_mask),
            )
        )
        if target_ids is None:
            raise ValueError("target_ids is needed. Received: None")
        if source_padding_mask is None:
            source_padding_mask = self.encoder.padding_mask(source_ids)
        memory = self.encoder(
            source_ids, padding_mask=source_padding_mask, training=training
        )
        hidden = self.decoder(
            target_ids,
            padding_mask=target_padding_mask,
            memory=memory,
            memory_padding_mask=source_padding_mask,
            training=training,
        )
        return self.decoder.logits(hidden)

    def init_cache(self, batch_size, max_length):
        """Makes empty caches for at most `max_length` target positions."""
        return self.decoder.init_cache(batch_size, max_length)

    def init_memory(self, source_ids, padding_mask=None):
        """Encodes a source and projects it for all decoder blocks once.

        Args:
            source_ids: integers `(batch, source_length)`.
            padding_mask: boolean `(batch, source_length)`.

        Returns:
            Nested dictionaries whose leaves are `(batch, ...)`.
        """
        if padding_mask is None:
            padding_mask = self.encoder.padding_mask(source_ids)
        encoded = self.encoder(source_ids, padding_mask=padding_mask)
        return self.decoder.init_memory(encoded, padding_mask)

    def step(self, token_ids, cache, memory, start=0):
        """Feeds target tokens and predicts the one that follows the last.

        Args: see `TransformerDecoder.step`.

        Returns:
            `(logits, cache)` with logits `(batch, vocabulary_size)`.
        """
        return self.decoder.step(token_ids, cache, memory, start)

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "share_embeddings": self.share_embeddings,
        }
