"""Where examples come from, how text becomes ids, and batches of them."""

from keras_attention.data.batches import TokenBatches
from keras_attention.data.errors import DataError
from keras_attention.data.images.loading import load_images
from keras_attention.data.labelled_batches import LabelledArrays, LabelledTexts
from keras_attention.data.sources.named import load_columns, load_parallel
from keras_attention.data.tokenizers import (
    FastTokenizer,
    RemappedTokenizer,
    SentencePieceTokenizer,
    Tokenizer,
    load_tokenizer,
)
from keras_attention.data.word_vectors import WordVectors

__all__ = [
    "DataError",
    "FastTokenizer",
    "LabelledArrays",
    "LabelledTexts",
    "RemappedTokenizer",
    "SentencePieceTokenizer",
    "TokenBatches",
    "Tokenizer",
    "WordVectors",
    "load_columns",
    "load_images",
    "load_parallel",
    "load_tokenizer",
]
