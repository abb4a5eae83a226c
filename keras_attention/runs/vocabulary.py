"""The vocabulary that a recipe learns, and what it does not cover."""

import sys

from keras_attention.data import SentencePieceTokenizer
from keras_attention.data.errors import VocabularyError
from keras_attention.printing import visible
from keras_attention.runs.checks import UsageError

_SHOWN = 10  # pieces of text that a note lists


def learn_vocabulary(config, texts, **options):
    """Learns a vocabulary, a smaller one where the texts support no larger.

    Args:
        config: the options `vocabulary_size` and `subwords`.
        texts: list of strings.
        **options: further ones of `SentencePieceTokenizer.train`.

    Returns:
        A `SentencePieceTokenizer`.

    Raises:
        UsageError: if there is none of this size for another reason.
    """
    size = config.vocabulary_size
    try:
        return SentencePieceTokenizer.train(
            texts, size, model_type=config.subwords, **options
        )
    except VocabularyError as error:
        if error.largest is None:
            raise UsageError(f"{error} (--vocabulary-size)") from error
        largest = error.largest
    print(
        f"note: the text supports {largest} pieces, fewer than "
        f"--vocabulary-size={size}; the vocabulary has {largest}",
        file=sys.stderr,
    )
    return SentencePieceTokenizer.train(
        texts, largest, model_type=config.subwords, **options
    )


def note_unknown(task, texts):
    """Says on standard error which parts of texts no piece covers.

    Args:
        task: a task, or a function without a tokenizer, of which there is
            nothing to say.
        texts: list of strings.
    """
    tokenizer = getattr(task, "tokenizer", None)
    tokenizer = getattr(task, "source_tokenizer", tokenizer)
    if tokenizer is None or tokenizer.unknown_id < 0:
        return
    count, found = 0, {}
    rows = zip(
        texts, tokenizer.encode(texts), tokenizer.offsets(texts), strict=True
    )
    for text, ids, spans in rows:
        unknown = [
            text[first:behind]
            for number, (first, behind) in zip(ids, spans, strict=True)
            if number == tokenizer.unknown_id
        ]
        count += bool(unknown)
        found.update(dict.fromkeys(filter(None, map(str.strip, unknown))))
    if not found:
        return
    shown = ", ".join(repr(x) for x in list(found)[:_SHOWN])
    more = ", ..." if len(found) > _SHOWN else ""
    print(
        visible(
            f"note: no piece of the vocabulary covers {shown}{more} in "
            f"{count} of {len(texts)} text{'s' * (len(texts) != 1)}; the "
            "model reads each as unknown"
        ),
        file=sys.stderr,
    )
