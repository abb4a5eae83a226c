"""Where examples come from, how text becomes ids, and batches of them."""

from keras_attention.data.batches import TokenBatches
from keras_attention.data.errors import DataError
from keras_attention.data.sources import load_columns, load_parallel
from keras_attention.data.tokenizer import SentencePieceTokenizer

__all__ = [
    "DataError",
    "SentencePieceTokenizer",
    "TokenBatches",
    "load_columns",
    "load_parallel",
]
