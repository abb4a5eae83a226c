"""A decoder whose call gives logits: a language model."""

import keras

from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class CausalLM(Preset, keras.Model):
    """Predicts the next token at every position of a text.

    It is trained by `fit` with the text itself, moved by one, and generates
    by `keras_attention.generation.Generator`.

    Args:
        decoder: a `TransformerDecoder` without `cross_attention`, or its
            configuration.

    Call arguments:
        token_ids, padding_mask, segment_ids, position_ids, attention_mask,
            cache, start, segments, training: see `TransformerDecoder`.

    Returns:
        Logits `(batch, length, vocabulary_size)`; with a cache or segments
        `(logits, state)`.

    Raises:
        ValueError: if the decoder attends to a memory, or is none.

    Example:

    ```python
    import keras
    from keras_attention import CausalLM, TransformerDecoder

    model = CausalLM(TransformerDecoder(100, 2, 32, 4, position="rotary"))
    model.compile(
        "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    texts = keras.random.randint((8, 51), 1, 100)
    model.fit(texts[:, :-1], texts[:, 1:], verbose=0)
    model(texts).shape  # (8, 51, 100)
    ```

    Reference:
        Radford et al. 2018, Improving Language Understanding by Generative
        Pre-Training,
        https://openai.com/index/language-unsupervised/
    """

    pipeline_tag = "text-generation"

    def __init__(self, decoder, **kwargs):
        super().__init__(**kwargs)
        if isinstance(decoder, dict):
            decoder = keras.saving.deserialize_keras_object(decoder)
        if not hasattr(decoder, "logits") or hasattr(decoder, "encoder"):
            raise ValueError(
                "decoder must be a TransformerDecoder. Received: "
                f"{type(decoder).__name__}"
            )
        blocks = getattr(decoder, "blocks", ())
        if any(block.cross_attention is not None for block in blocks):
            raise ValueError(
                "A decoder with cross_attention needs a source; use "
                "EncoderDecoder(encoder, decoder), which gives logits too."
            )
        self.decoder = decoder
        self.build()

    def build(self, input_shape=None):
        self.built = True

    @property
    def vocabulary_size(self):
        """Number of tokens."""
        return self.decoder.vocabulary_size

    def call(
        self,
        token_ids,
        padding_mask=None,
        segment_ids=None,
        position_ids=None,
        attention_mask=None,
        cache=None,
        start=0,
        segments=None,
        training=None,
    ):
        hidden = self.decoder(
            token_ids,
            padding_mask=padding_mask,
            segment_ids=segment_ids,
            position_ids=position_ids,
            attention_mask=attention_mask,
            cache=cache,
            start=start,
            segments=segments,
            training=training,
        )
        if cache is None and segments is None:
            return self.decoder.logits(hidden)
        hidden, state = hidden
        return self.decoder.logits(hidden), state

    def init_cache(self, batch_size, max_length):
        """Makes empty caches for at most `max_length` positions."""
        return self.decoder.init_cache(batch_size, max_length)

    def init_segments(self, batch_size):
        """Makes the state of a text of which nothing was read yet."""
        return self.decoder.init_segments(batch_size)

    def step(self, token_ids, cache, memory=None, start=0, padding_mask=None):
        """Feeds tokens and predicts the one that follows the last.

        Args: see `TransformerDecoder.step`.

        Returns:
            `(logits, cache)` with logits `(batch, vocabulary_size)`.
        """
        return self.decoder.step(token_ids, cache, memory, start, padding_mask)

    def get_config(self):
        return {
            **super().get_config(),
            "decoder": keras.saving.serialize_keras_object(self.decoder),
        }
