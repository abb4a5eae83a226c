"""A task small enough for tests, whose outputs differ and end."""

import random

import numpy as np
from keras import ops

from keras_attention import (
    EncoderDecoder,
    RecurrentEncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.data.tokenizers.sentencepiece import (
    END_ID,
    PADDING_ID,
    SentencePieceTokenizer,
)
from keras_attention.tasks import TextToText

WORDS = (
    "a man two women dog cat rides sleeps on the red old horse bike house "
    "and under tree blue small children play with ball in park"
).split()
# Texts that tokenizers have been known to treat each in its own way.
AWKWARD = [
    "",
    " ",
    "  two \t spaces \n",
    "naïve café",
    "nai\u0308ve cafe\u0301",
    "日本語 テスト",
    "ﬁne ① Ⅷ ½ ﷺ",
    "👩‍👩‍👧‍👦 family",
    "zero\u200bwidth \u202eright-to-left\u202c \ufeffmark",
    "null\x00byte \x07 bell",
    "\x00\x00",
    "▁ the sign of SentencePiece itself",
    "<s> a man </s> <unk> <pad>",
    "\U0010ffff \ufffd \ue000",
    "ONE" * 70,
]


def sentences(count, seed=0, longest=9):
    """Random word salad of one word up to `longest` words."""
    generator = random.Random(seed)
    return [
        " ".join(generator.choices(WORDS, k=generator.randint(1, longest)))
        for _ in range(count)
    ]


def tokenizer(vocabulary_size=43, **arguments):
    return SentencePieceTokenizer.train(
        sentences(211), vocabulary_size, **arguments
    )


def model(
    vocabulary_size=43,
    target_size=None,
    seed=3,
    copy_generator=None,
    **arguments,
):
    """An encoder and decoder whose outputs vary and end, though untrained."""
    arguments = {"intermediate_dim": 29, **arguments}
    encoder = TransformerEncoder(vocabulary_size, 2, 22, 2, **arguments)
    decoder = TransformerDecoder(
        target_size or vocabulary_size,
        2,
        22,
        2,
        cross_attention="multi_head",
        tie_embeddings=False,
        **arguments,
    )
    made = EncoderDecoder(encoder, decoder, copy_generator=copy_generator)
    return vary(made, seed)


def recurrent_model(vocabulary_size=43, seed=3, **arguments):
    """The same of recurrent layers."""
    made = RecurrentEncoderDecoder(
        vocabulary_size, 2, 22, **{"input_feeding": True, **arguments}
    )
    return vary(made, seed)


def vary(made, seed):
    # Drawn by NumPy: the same on all backends.
    generator = np.random.default_rng(seed)
    for weight in made.weights:
        if len(weight.shape) > 1:
            weight.assign(generator.normal(0, 0.4, weight.shape))
    logits = made.decoder.embedding.embedding.reverse_embeddings
    factors = np.ones(logits.shape[1])
    factors[[PADDING_ID, END_ID]] = 0, 1.5
    logits.assign(logits.value * ops.convert_to_tensor(factors, logits.dtype))
    return made


def task(model_arguments=None, pieces=None, make=model, **settings):
    pieces = pieces or tokenizer()
    settings = {
        "max_source_length": 37,
        "max_length": 17,
        "num_beams": 3,
        "batch_size": 5,
        **settings,
    }
    return TextToText(
        make(**(model_arguments or {})), pieces, pieces, **settings
    )
