"""Tasks that write about images and sounds, small enough for tests."""

import numpy as np

from keras_attention import (
    AudioEmbedding,
    EncoderDecoder,
    PatchEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.tasks import ImageToText, SpeechToText
from tests.tasks import tiny

IMAGE = (4, 6, 2)
RATE, MELS = 2_000, 7
SEARCH = {"max_length": 11, "num_beams": 3, "batch_size": 5}


def model(embedding=None, encoder=None, seed=5):
    """A model whose outputs vary and end, though untrained."""
    arguments = {"intermediate_dim": 29}
    if encoder is None:
        encoder = TransformerEncoder(
            None, 1, 22, 2, embedding=embedding, **arguments
        )
    decoder = TransformerDecoder(
        43,
        1,
        22,
        2,
        cross_attention="multi_head",
        memory_dim=encoder.output_dim,
        tie_embeddings=False,
        **arguments,
    )
    return tiny.vary(EncoderDecoder(encoder, decoder), seed)


def image_task(shape=IMAGE, encoder=None, **settings):
    embedding = PatchEmbedding(2, 22, channels=shape[-1])
    settings = {"scale": 1 / 7, "offset": -0.5, **SEARCH, **settings}
    return ImageToText(
        model(embedding, encoder),
        tiny.tokenizer(),
        image_shape=shape,
        **settings,
    )


def speech_task(**settings):
    settings = {
        "sampling_rate": RATE,
        "num_mels": MELS,
        "max_seconds": 0.9,
        **SEARCH,
        **settings,
    }
    embedding = AudioEmbedding(22, settings["num_mels"])
    return SpeechToText(model(embedding), tiny.tokenizer(), **settings)


def images(count, shape=IMAGE, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 17, size=(count, *shape)).astype("float32")


def sounds(*lengths, seed=0):
    """Noise whose loudness and color vary, between -1 and 1."""
    generator = np.random.default_rng(seed)
    found = []
    for length in lengths:
        noise = generator.normal(size=length + 4)
        kernel = generator.normal(size=5)
        smooth = np.convolve(noise, kernel)[4 : length + 4]
        smooth *= np.sin(np.arange(length) / generator.uniform(50, 400))
        found.append(np.tanh(0.2 * smooth).astype("float32"))
    return found
