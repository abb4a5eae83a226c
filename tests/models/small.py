"""Models small enough to test in a moment."""

import numpy as np

from keras_attention import (
    EncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.tools import randomize

VOCABULARY, DIM, HEADS = 23, 12, 3
SIZES = {
    "vocabulary_size": VOCABULARY,
    "num_layers": 2,
    "hidden_dim": DIM,
    "num_heads": HEADS,
    "intermediate_dim": 17,
}


def encoder(rng, **options):
    return randomize(TransformerEncoder(**{**SIZES, **options}), rng)


def decoder(rng, **options):
    return randomize(TransformerDecoder(**{**SIZES, **options}), rng)


def encoder_decoder(rng, shared=True, **options):
    """A model whose two halves share the embedding or do not."""
    cross = options.pop("cross_attention", "multi_head")
    first = TransformerEncoder(**{**SIZES, **options})
    if shared:
        options["embedding"] = first.embedding
    second = TransformerDecoder(**{**SIZES, **options}, cross_attention=cross)
    return randomize(EncoderDecoder(first, second), rng)


def ids(rng, length=7, batch_size=3, ragged=True):
    """Tokens; the second row ends early."""
    tokens = rng.integers(1, VOCABULARY, size=(batch_size, length))
    if ragged:
        tokens[1, -3:] = 0
    return tokens


def pairs(rng, **options):
    """The named inputs of an `EncoderDecoder`."""
    return {
        "source_ids": ids(rng, 5, **options),
        "target_ids": ids(rng, 7, **options),
    }


def changed(rng, tokens, where):
    """Other tokens where the mask says so."""
    other = (tokens + rng.integers(1, VOCABULARY - 1)) % VOCABULARY
    return np.where(where, np.where(other == 0, 1, other), tokens)
