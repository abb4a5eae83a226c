"""Recurrent models small enough to test in a moment."""

from keras_attention import (
    AdditiveAttention,
    MultiHeadAttention,
    RecurrentEncoderDecoder,
)
from tests.models import small
from tests.tools import randomize

SIZES = {
    "vocabulary_size": small.VOCABULARY,
    "num_layers": 2,
    "hidden_dim": 6,
    "embedding_dim": 5,
}
VARIANTS = {
    "bahdanau": {
        "attention": AdditiveAttention(1, 7, use_projections=False),
        "attention_order": "before",
    },
    "luong": {
        "cell": "lstm",
        "bidirectional": False,
        "attention": "multi_head",
        "input_feeding": True,
    },
    "at once": {"attention": MultiHeadAttention(3), "share_embeddings": True},
    "both": {
        "cell": "lstm",
        "attention_order": "before",
        "input_feeding": True,
        "tie_embeddings": True,
    },
    "none": {"attention": None, "bidirectional": False, "num_layers": 1},
}


def model(rng, variant="bahdanau", **options):
    options = {**SIZES, **VARIANTS[variant], **options}
    return randomize(RecurrentEncoderDecoder(**options), rng)
