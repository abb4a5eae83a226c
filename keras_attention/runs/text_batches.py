"""Pairs of texts: their tokenizers, and batches of them."""

from pathlib import Path

from keras_attention.data import SentencePieceTokenizer, TokenBatches
from keras_attention.runs.presets import save_start
from keras_attention.runs.text_models import max_lengths
from keras_attention.runs.vocabulary import learn_vocabulary

TOKENIZERS = ("source_tokenizer.model", "target_tokenizer.model")
_STARTS = ("bos", "cls")  # roles of a token before a text


def make_tokenizers(config, pairs, start=None):
    """Loads the tokenizers of the run, or learns them from the text.

    Args:
        config: the options of training.
        pairs: dictionary with `"train"`: `(sources, targets)`, two lists of
            strings.
        start: the `TextToText` of a preset, which has tokenizers; or None.

    Returns:
        List of the tokenizers of source and target, which may be one.
    """
    if start is not None:
        return start.tokenizers()
    paths = [Path(config.run) / name for name in TOKENIZERS]
    if all(path.exists() for path in paths):
        return [SentencePieceTokenizer.load(path) for path in paths]

    sources, targets = pairs["train"]
    if config.joint_vocabulary:
        return [learn_vocabulary(config, sources + targets)] * 2
    return [learn_vocabulary(config, texts) for texts in (sources, targets)]


def save_beginning(config, task, folder):
    """Writes what a run that goes on cannot make anew.

    Those are both tokenizers, where `make_tokenizers` finds them, or what a
    preset has become.

    Args:
        config: the options of training.
        task: the `TextToText`.
        folder: `pathlib.Path` of the run folder.
    """
    if config.preset:
        save_start(task, folder)
        return
    for tokenizer, name in zip(task.tokenizers(), TOKENIZERS, strict=True):
        tokenizer.save(folder / name)


def make_batches(config, tokenizers, pairs, start=None):
    """Encodes pairs and groups them by length.

    Args:
        config: the options of training.
        tokenizers: those of source and target.
        pairs: dictionary from splits to `(sources, targets)`, two lists of
            strings; those of `"train"` are shuffled.
        start: the `TextToText` of a preset, or None.

    Returns:
        Dictionary from splits to `TokenBatches`.
    """
    source_tokenizer, target_tokenizer = tokenizers
    source_length, target_length = lengths_of(config, start)
    options, first = {"start_id": target_tokenizer.start_id}, []
    if start is not None:
        first = _first_ids(start)
        options = {
            "start_id": start.start_id,
            "padding_id": start.source_padding_id,
            "source_marks": source_tokenizer.marks,
        }
    return {
        split: TokenBatches(
            source_tokenizer.encode(sources),
            [[*first, *ids] for ids in target_tokenizer.encode(targets)],
            end_id=target_tokenizer.end_id,
            token_budget=config.tokens,
            max_length=target_length,
            max_source_length=source_length,
            shuffle=split == "train",
            seed=config.seed,
            **options,
        )
        for split, (sources, targets) in pairs.items()
    }


def lengths_of(config, start=None):
    """Tells the most tokens of a source, and of a target with one end.

    Args:
        config: the options of training.
        start: the `TextToText` of a preset, which may read fewer, or None.

    Returns:
        `(source_length, target_length)`.
    """
    if start is None:
        return max_lengths(config)[0], config.max_length
    return start.settings["max_source_length"], start.settings["max_length"]


def _first_ids(task):
    """The ids that a target begins with, behind the start of the decoder.

    That is what the task forces there, such as a language, or the mark that
    the tokenizer puts before a text, which BART writes too.
    """
    forced = task.settings["forced_start_id"]
    if forced is not None:
        return [forced]
    tokenizer = task.target_tokenizer
    first = tokenizer.marks[0][:1] if tokenizer.marks else ()
    known = [tokenizer.special_ids.get(role) for role in _STARTS]
    return [number for number in first if number in known]
