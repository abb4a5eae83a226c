"""Trains, evaluates, runs and exports a model that summarizes.

python recipes/summarization.py train
python recipes/summarization.py evaluate
python recipes/summarization.py summarize --file documents.txt
python recipes/summarization.py export
"""

if __name__ == "__main__":
    import os
    import signal

    # Ctrl-C and SIGTERM while Keras loads: one line, and the usual exit codes.
    for number, word in (2, b"interrupted\n"), (15, b"terminated\n"):
        if signal.getsignal(number) != signal.SIG_IGN:
            end = lambda n, _, word=word: (os.write(2, word), os._exit(128 + n))
            signal.signal(number, end)

import dataclasses
import time
import warnings

from keras_attention.data import load_columns
from keras_attention.data.sources.docstrings import load_docstrings
from keras_attention.runs.cards import tell_scores
from keras_attention.runs.checks import UsageError, check_numbers
from keras_attention.runs.commands import (
    answer,
    check_texts,
    export_task,
    run_commands,
)
from keras_attention.runs.data import load_split, load_splits
from keras_attention.runs.folder import read_config
from keras_attention.runs.options import ExportOptions
from keras_attention.runs.presets import start_text_to_text
from keras_attention.runs.summary_scores import print_scores, validation_rouge
from keras_attention.runs.text_batches import (
    make_batches,
    make_tokenizers,
    save_beginning,
)
from keras_attention.runs.text_to_text import (
    TextToTextOptions,
    check_options,
    compile_for_tokens,
    first,
    load_task,
    make_task,
    show_samples,
    validation_scores,
)
from keras_attention.runs.train import prepare, train_task

SHOWN = 400  # characters of a text beside a sample summary


@dataclasses.dataclass
class Train(TextToTextOptions):
    """Trains a model, or goes on with a run that was stopped."""

    text: str = "text"
    """Column of the texts; a number where a table has no header."""
    summary: str = "summary"
    """Column of the summaries."""
    run: str = "runs/summarization"
    """Folder of the run."""
    max_source_length: int = 256
    """Longest text in tokens; longer ones are cut and counted."""
    max_length: int = 64
    """Longest summary in tokens; longer ones are cut and counted."""
    copy: bool = True
    """Whether the model may copy from the text; needs a joint vocabulary."""
    dropout: float = 0.2
    """Of embeddings, between layers, and of what each part adds."""
    epochs: int = 4
    tokens: int = 2048
    """Tokens of a batch, on the longer side, padding included."""
    average: int = 2
    """Epochs whose weights are averaged at the end."""
    rouge_texts: int = 100
    """Validation texts summarized after each epoch; 0 for no ROUGE."""
    min_length: int = 0
    """Least tokens of a summary, start and end included."""
    no_repeat_ngram: int = 0
    """Of so many tokens, no sequence comes twice in a summary; 0 for any."""


@dataclasses.dataclass(kw_only=True)
class Decoding:
    """How summaries are searched for, where not as in training."""

    num_beams: int = 0
    """Beams; 0 as in training."""
    length_penalty: float = -1.0
    """Exponent of the length; below 0 as in training."""
    min_length: int = -1
    """Least tokens of a summary; below 0 as in training."""
    no_repeat_ngram: int = -1
    """Tokens in sequence that come once; below 0 as in training."""
    max_length: int = 0
    """Most tokens of a summary, start and end included; 0 as in training."""


@dataclasses.dataclass
class Evaluate(Decoding):
    """Scores a finished run on a test set, beside its first sentences."""

    run: str = "runs/summarization"
    split: str = "test"
    dataset: str = ""
    """Another data set than that of the run."""
    batch_size: int = 64
    show: int = 0
    """Sample summaries."""


@dataclasses.dataclass
class Summarize(Decoding):
    """Summarizes arguments, a file, or standard input line by line."""

    text: list[str]
    """Texts; without any, those of --file or standard input."""
    run: str = "runs/summarization"
    file: str = ""
    """File of texts, one a line."""


@dataclasses.dataclass
class Export(ExportOptions):
    """Writes a finished run as a SavedModel: strings in, strings out."""

    run: str = "runs/summarization"


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    check_train(config)
    prepare(config)
    start = start_text_to_text(config)
    pairs = load_splits(config, load_pairs)
    tokenizers = make_tokenizers(config, pairs, start)
    batches = make_batches(config, tokenizers, pairs, start)
    task = make_task(
        config,
        tokenizers,
        batches["train"],
        copy=config.copy,
        start=start,
        min_length=config.min_length,
        no_repeat_ngram_size=config.no_repeat_ngram,
    )
    compile_for_tokens(config, task, batches)
    samples = first(config.show, pairs["validation"])
    train_task(
        config,
        task,
        batches,
        told=f"{len(pairs['train'][0]):,} texts",
        save_more=lambda folder: save_beginning(config, task, folder),
        scores=validation_scores(
            task, pairs, config.rouge_texts, validation_rouge
        ),
        show=lambda run: show_samples(task, *samples, run, SHOWN),
        following=[("evaluate",), ("summarize", "TEXT"), ("export",)],
    )


def load_pairs(config, dataset, split):
    """Loads texts and summaries; a warning counts those that are longer."""
    if dataset == "demo":
        texts, summaries = load_docstrings(split)
    else:
        columns = {"text": config.text, "summary": config.summary}
        texts, summaries = load_columns(dataset, split, columns)
    pairs = zip(summaries, texts, strict=True)
    longer = sum(len(x.split()) > len(y.split()) for x, y in pairs)
    if longer:
        warnings.warn(
            f"{longer} of {len(texts)} summaries in {dataset}, split "
            f"{split!r}, have more words than their texts.",
            stacklevel=2,
        )
    return texts, summaries


def check_train(config):
    """Refuses options out of their ranges before anything is written."""
    check_options(config)
    check_numbers(config, "max_source_length", at_least=2)
    counts = "rouge_texts", "min_length", "no_repeat_ngram"
    check_numbers(config, *counts, at_least=0)
    if config.min_length > config.max_length:
        raise UsageError(
            f"--min-length must be at most --max-length={config.max_length}. "
            f"Received: {config.min_length}"
        )
    if config.copy and not config.joint_vocabulary:
        raise UsageError("--no-joint-vocabulary needs --no-copy.")
    if config.copy and config.attention == "none":
        raise UsageError("--attention none needs --no-copy.")
    if config.text == config.summary:
        raise UsageError(
            "--text and --summary must be two columns. Received: "
            f"{config.text!r} for both"
        )
    columns = config.text, config.summary
    if config.dataset == "demo" and columns != (Train.text, Train.summary):
        raise UsageError("--text and --summary are not for the demo.")


def evaluate(arguments):
    """Prints ROUGE, compression and speed, beside lead-3."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "num_beams", "show", at_least=0)
    config = read_config(arguments.run, Train)
    task = load_task(arguments, Train)
    given = arguments.dataset, arguments.split
    texts, references = load_split(config, *given, load_pairs)
    task(texts[: arguments.batch_size])  # compiling is not summarizing
    began = time.perf_counter()
    summaries = task(texts)
    seconds = time.perf_counter() - began
    tell_scores(arguments, print_scores(summaries, texts, references))
    print(f"{len(texts) / seconds:.1f} texts per second")
    shown = first(arguments.show, (texts, references))
    show_samples(task, *shown, arguments.run, SHOWN)


def summarize(arguments):
    """Prints a summary for each text."""
    check_numbers(arguments, "num_beams", at_least=0)
    check_texts(arguments)
    answer(load_task(arguments, Train), arguments)


def export(arguments):
    """Writes the SavedModel and says how to use it."""
    export_task(load_task(arguments, Train), arguments, "A text to summarize.")


COMMANDS = {
    "train": (Train, train),
    "evaluate": (Evaluate, evaluate),
    "summarize": (Summarize, summarize),
    "export": (Export, export),
}

if __name__ == "__main__":
    run_commands(COMMANDS, __doc__)
