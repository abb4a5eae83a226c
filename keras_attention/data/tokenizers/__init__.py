"""Text to ids and back: learned here, or read from published folders.

Subwords began with Sennrich et al., 2016 (BPE), Schuster and Nakajima, 2012
(WordPiece), and Kudo, 2018 (Unigram).
"""

from keras_attention.data.tokenizers.base import Tokenizer
from keras_attention.data.tokenizers.fast import FastTokenizer
from keras_attention.data.tokenizers.published import load_tokenizer
from keras_attention.data.tokenizers.remapped import RemappedTokenizer
from keras_attention.data.tokenizers.sentencepiece import (
    SentencePieceTokenizer,
)
