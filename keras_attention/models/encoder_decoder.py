"""An encoder and a decoder as one model."""

import keras

from keras_attention.checks import check_boolean
from keras_attention.layers.copy_generator import CopyGenerator
from keras_attention.masks import output_mask
from keras_attention.models.call_inputs import unpack
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE, describe, resolve

_COPIED = "copied"  # in the memory, beside the names of decoder blocks


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
        copy_generator: True, a `CopyGenerator` as a template or its
            configuration, to let the model copy tokens of its source; None
            for none. Source and target then have one vocabulary.

    Call arguments:
        source_ids: integers `(batch, source_length)`, or a dictionary with
            `source_ids`, `target_ids` and any of the masks below, by name.
        target_ids: integers `(batch, target_length)`: the target so far.
        source_padding_mask: boolean `(batch, source_length)`; by default
            where the ids are not the padding id.
        target_padding_mask: boolean `(batch, target_length)`; by default no
            target token is hidden, whatever its id. Padding behind a target
            needs none, since the decoder is causal.
        source_global_mask: boolean `(batch, source_length)`, the tokens that
            all others of the source see, for `LongformerAttention`.
        training: whether to apply dropout.

    Returns:
        Logits `(batch, target_length, vocabulary_size)`; with a copy
        generator log-probabilities, which are logits too.

    Raises:
        ValueError: if the decoder has no cross-attention, or widths or
            vocabularies do not fit.

    Example:

    ```python
    import keras
    from keras_attention import (
        EncoderDecoder, TransformerDecoder, TransformerEncoder,
    )

    encoder = TransformerEncoder(100, 2, 32, 4)
    decoder = TransformerDecoder(
        100, 2, 32, 4,
        cross_attention="multi_head", embedding=encoder.embedding,
    )
    model = EncoderDecoder(encoder, decoder)
    source_ids = keras.random.randint((2, 50), 1, 100)
    target_ids = keras.random.randint((2, 20), 1, 100)
    logits = model({"source_ids": source_ids, "target_ids": target_ids})
    logits.shape  # (2, 20, 100)
    ```
    """

    def __init__(
        self,
        encoder,
        decoder,
        share_embeddings=None,
        copy_generator=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if share_embeddings is not None:
            check_boolean("share_embeddings", share_embeddings)
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
        # An encoder of images may be a network without such a part.
        shared = decoder.embedding is getattr(encoder, "embedding", None)
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
        self._copy_generator = describe(copy_generator)
        self.copy_generator = self._make_copy_generator(copy_generator)
        self.build()

    def _make_copy_generator(self, given):
        if given in (None, False):
            return None
        layer = resolve(
            "copy_generator" if given is True else given,
            {"copy_generator": CopyGenerator},
            "copy_generator",
            {"name": "copy_generator", "dtype": self.decoder.dtype_policy},
        )
        if not isinstance(layer, CopyGenerator):
            raise ValueError(
                "Expected a CopyGenerator as copy_generator. "
                f"Received: {type(layer).__name__}"
            )
        sizes = [
            getattr(part.embedding, "vocabulary_size", None)
            for part in (self.encoder, self.decoder)
        ]
        if sizes[0] is None or sizes[0] != sizes[1]:
            raise ValueError(
                "To copy, encoder and decoder need token embeddings of one "
                f"vocabulary. Received: vocabulary_size={sizes[0]} of the "
                f"encoder, {sizes[1]} of the decoder"
            )
        if layer.num_extra:
            raise ValueError(
                "The copy_generator of a model needs num_extra=0: its "
                "decoder could not be fed what is beyond the vocabulary. "
                f"Received: num_extra={layer.num_extra}"
            )
        return layer

    def build(self, input_shape=None):
        if self.built:
            return
        if self.copy_generator is not None:
            shape = (None, None, self.decoder.output_dim)
            source_shape = (None, None, self.encoder.output_dim)
            self.copy_generator.build(shape, shape, source_shape=source_shape)

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
        source_global_mask=None,
        training=None,
    ):
        source_ids, target_ids, source_padding_mask, target_mask, marked = (
            unpack(
                source_ids,
                ("source_ids", None),
                ("target_ids", target_ids),
                ("source_padding_mask", source_padding_mask),
                ("target_padding_mask", target_padding_mask),
                ("source_global_mask", source_global_mask),
            )
        )
        if target_ids is None:
            raise ValueError("target_ids is needed. Received: None")
        if source_padding_mask is None:
            source_padding_mask = self.encoder.padding_mask(source_ids)
        memory = self._encode(
            source_ids, source_padding_mask, marked, training=training
        )
        hidden = self.decoder(
            target_ids,
            padding_mask=target_mask,
            memory=memory,
            memory_padding_mask=output_mask(self.encoder, source_padding_mask),
            training=training,
        )
        if self.copy_generator is None:
            return self.decoder.logits(hidden)
        copied = self.copy_generator.init_memory(
            _vectors(memory), source_ids, source_padding_mask
        )
        return self._mix(hidden, target_ids, copied, training)

    def _encode(self, source_ids, padding_mask, global_mask, **arguments):
        # An encoder of another kind knows no global tokens.
        if global_mask is not None:
            arguments["global_mask"] = global_mask
        # A network of images knows no padding.
        if padding_mask is not None:
            arguments["padding_mask"] = padding_mask
        return self.encoder(source_ids, **arguments)

    def _mix(self, hidden, target_ids, memory, training=None):
        """Log-probabilities of what is generated or copied."""
        inputs = self.decoder.embedding(target_ids, training=training)
        logits = self.decoder.logits(hidden)
        return self.copy_generator(hidden, inputs, logits, memory=memory)

    def init_cache(self, batch_size, max_length):
        """Makes empty caches for at most `max_length` target positions."""
        return self.decoder.init_cache(batch_size, max_length)

    def init_memory(self, source_ids, padding_mask=None, global_mask=None):
        """Encodes a source and projects it for all decoder blocks once.

        Args:
            source_ids: integers `(batch, source_length)`.
            padding_mask, global_mask: boolean `(batch, source_length)`.

        Returns:
            Nested dictionaries whose leaves are `(batch, ...)`.
        """
        if padding_mask is None:
            padding_mask = self.encoder.padding_mask(source_ids)
        encoded = self._encode(source_ids, padding_mask, global_mask)
        mask = output_mask(self.encoder, padding_mask)
        memory = self.decoder.init_memory(encoded, mask)
        if self.copy_generator is not None:
            memory[_COPIED] = self.copy_generator.init_memory(
                _vectors(encoded), source_ids, padding_mask
            )
        return memory

    def step(self, token_ids, cache, memory, start=0, padding_mask=None):
        """Feeds target tokens and predicts the one that follows the last.

        Args: see `TransformerDecoder.step`.

        Returns:
            `(logits, cache)` with logits `(batch, vocabulary_size)`.
        """
        if self.copy_generator is None:
            # A step of the user's own may know no mask.
            masks = (
                {} if padding_mask is None else {"padding_mask": padding_mask}
            )
            return self.decoder.step(token_ids, cache, memory, start, **masks)
        hidden, cache = self.decoder(
            token_ids,
            padding_mask=padding_mask,
            memory=memory,
            cache=cache,
            start=start,
        )
        last = hidden[:, -1:], token_ids[:, -1:]
        return self._mix(*last, memory[_COPIED])[:, 0], cache

    def get_config(self):
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
            "share_embeddings": self.share_embeddings,
            "copy_generator": self._copy_generator,
        }


def _vectors(encoded):
    """The vectors of the tokens in what an encoder returned."""
    return encoded["hidden"] if isinstance(encoded, dict) else encoded
