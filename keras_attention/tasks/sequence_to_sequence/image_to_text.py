"""Images in, strings out: captions, or what is written in a picture."""

from keras_attention.tasks.core.image_inputs import ImageInputs
from keras_attention.tasks.sequence_to_sequence import search_settings
from keras_attention.tasks.sequence_to_sequence.base import InputToText


class ImageToText(InputToText):
    """Describes or reads images by beam search.

    Args:
        model: an `EncoderDecoder` over an encoder of images, for example
            `TransformerEncoder(None, 6, 256, 8, embedding=PatchEmbedding(16,
            256, channels=3))`.
        tokenizer: the `Tokenizer` of the output.
        image_shape: `(height, width, channels)` of the images.
        scale: number that pixels are multiplied with before the model sees
            them, for example `1 / 255`, or a list of one for each channel.
        offset: number, or numbers, that are then added.
        max_length: integer, tokens of an output, start and end included.
        min_length, no_repeat_ngram_size, num_beams, length_penalty,
        early_stopping, decoder_start_id, forced_start_id, constraints,
        jit_compile: see `TextToText`.
        batch_size: integer, images that are processed together.

    Call arguments:
        images: array of numbers `(batch, height, width, channels)`, or
            without the last axis for one channel; or a single image without
            the first; or the path of an image file, or a list of paths.
        return_scores: whether to give scores too.

    Returns:
        A string for a single image, or a list of strings. With
        `return_scores` each is a dictionary of `"text"` and `"score"`, the
        best beam's log-probability over `length ** length_penalty`.

    Raises:
        ValueError: if model, tokenizer and settings do not fit together, or
            images have another shape or cannot be read.

    Example:

    ```python
    import keras
    from keras_attention import (
        EncoderDecoder, PatchEmbedding, TransformerDecoder, TransformerEncoder,
    )
    from keras_attention.data import SentencePieceTokenizer
    from keras_attention.tasks import ImageToText

    tokenizer = SentencePieceTokenizer.train(
        ["one two", "three four"], vocabulary_size=15
    )
    encoder = TransformerEncoder(
        None, 2, 32, 4, embedding=PatchEmbedding(4, 32), position="learned"
    )
    decoder = TransformerDecoder(15, 2, 32, 4, cross_attention="multi_head")
    reader = ImageToText(
        EncoderDecoder(encoder, decoder), tokenizer, image_shape=(8, 16, 1),
        max_length=10,
    )
    images = keras.random.normal((2, 8, 16, 1))
    texts = reader(keras.ops.convert_to_numpy(images))
    len(texts)  # 2
    reader.save("reader")
    reader = ImageToText.load("reader")
    ```

    Reference:
        Xu et al. 2015, Show, Attend and Tell,
        https://arxiv.org/abs/1502.03044
    """

    kind = "image_to_text"
    pipeline_tag = "image-to-text"
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self,
        model,
        tokenizer,
        *,
        image_shape,
        scale=1.0,
        offset=0.0,
        max_length=128,
        min_length=0,
        no_repeat_ngram_size=0,
        num_beams=4,
        length_penalty=1.0,
        early_stopping=False,
        batch_size=32,
        decoder_start_id=None,
        forced_start_id=None,
        constraints=None,
        jit_compile="auto",
    ):
        settings = {
            "max_length": max_length,
            "min_length": min_length,
            "no_repeat_ngram_size": no_repeat_ngram_size,
            "num_beams": num_beams,
            "length_penalty": length_penalty,
            "early_stopping": early_stopping,
            "batch_size": batch_size,
            "decoder_start_id": decoder_start_id,
            "forced_start_id": forced_start_id,
            "constraints": search_settings.check_constraints(constraints),
            "jit_compile": jit_compile,
        }
        super().__init__(model, tokenizer, settings)
        self.inputs = ImageInputs(
            model.encoder, image_shape, scale, offset, batch_size
        )
        self.settings = {**self.inputs.settings, **settings}

    def __call__(self, images, *, return_scores=False):
        return self._write(*self.inputs.read(images), return_scores)

    def source_batches(self, sources):
        for chosen, batch in self.inputs.batches(sources):
            yield chosen, {"source_ids": batch}
