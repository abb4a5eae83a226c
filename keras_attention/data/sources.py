"""Parallel sentences from a source that one string names."""

import warnings

from keras_attention.data.demo import load_demo
from keras_attention.data.errors import DataError
from keras_attention.data.files import load_files
from keras_attention.data.tfds import load_tfds


def load_parallel(dataset, split, source_language, target_language):
    """Loads sentences and their translations.

    `dataset` names the source:

    - `"demo"`: numbers in words, made on the spot; languages `en`, `de`, `fr`.
    - `"files:FOLDER"`: one sentence a line in `FOLDER/{split}.{language}`,
      plain or gzip. Any suffix serves as a language, dots included.
    - `"tfds:NAME"`: a translation set of TensorFlow Datasets, for example
      `"tfds:wmt14_translate/de-en"`. `TFDS_DATA_DIR` says where such sets lie.

    Pairs with an empty or blank side are dropped, with one warning that counts
    them.

    Args:
        dataset: String, the source as above.
        split: String, for example `"train"`, `"validation"` or `"test"`. In
            files, `"validation"` also finds `val`, `valid` and `dev`.
        source_language: String, the language to translate from.
        target_language: String, the language to translate to.

    Returns:
        Two lists of strings of one length: the sentences and their
        translations, in the order of the source.

    Raises:
        DataError: If the source, the split or a language is unknown, or a file
            is missing, damaged or of another length than its partner.
    """
    if source_language == target_language:
        raise DataError(
            "The source and the target must be two languages. Received: "
            f"{source_language!r} for both"
        )
    kind, _, name = dataset.partition(":")
    if dataset == "demo":
        pairs = load_demo(split, source_language, target_language)
    elif kind == "files" and name:
        pairs = load_files(name, split, source_language, target_language)
    elif kind == "tfds" and name:
        pairs = load_tfds(name, split, source_language, target_language)
    else:
        raise DataError(
            "`dataset` must be 'demo', 'files:FOLDER' or 'tfds:NAME'. "
            f"Received: dataset={dataset!r}"
        )
    return _drop_blank(*pairs, f"{dataset}, split {split!r}")


def _drop_blank(sources, targets, where):
    pairs = zip(sources, targets, strict=True)
    kept = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    dropped = len(sources) - len(kept)
    if not kept:
        reason = "all are blank" if sources else "it is empty"
        raise DataError(f"No pair of sentences in {where}: {reason}.")
    if dropped:
        warnings.warn(
            f"Dropped {dropped} of {len(sources)} pairs in {where}: one side "
            "or both are blank.",
            stacklevel=3,
        )
    return [pair[0] for pair in kept], [pair[1] for pair in kept]
