"""A tokenizer in a graph. It imports TensorFlow."""

from keras_attention.data.tokenizers import (
    FastTokenizer,
    RemappedTokenizer,
    SentencePieceTokenizer,
)
from keras_attention.export.saved_model import NoOperations
from keras_attention.export.tokenizers.fast import FastGraph
from keras_attention.export.tokenizers.remapped import RemappedGraph
from keras_attention.export.tokenizers.sentencepiece import SentencePieceGraph


def tokenizer_in_graph(tokenizer):
    """Makes the operations of a tokenizer.

    Args:
        tokenizer: a `Tokenizer` of this package.

    Returns:
        An object to keep as an attribute of what is exported. Its
        `tokenize(texts)` gives ragged int32 ids `(batch, None)` for strings
        `(batch,)`, without special ones; its `tokenize_with_offsets(texts)`
        gives beside them where each begins and ends, two ragged int64 in
        characters, unless `without_offsets`, a string, says why not. Where
        words are more than what stands between white space, there is
        `tokenize_with_words(texts)`, which gives besides which ids begin one,
        ragged boolean. Its `detokenize(ids)` turns ragged ids into strings
        `(batch,)`.

    Raises:
        ValueError: if the tokenizer is of a kind that has no operations.
    """
    if isinstance(tokenizer, FastTokenizer):
        return FastGraph(tokenizer)
    if isinstance(tokenizer, RemappedTokenizer):
        return RemappedGraph(tokenizer)
    if isinstance(tokenizer, SentencePieceTokenizer):
        return SentencePieceGraph(tokenizer.proto)
    raise NoOperations(
        f"A {type(tokenizer).__name__} has no operations of TensorFlow."
    )
