"""Trains, evaluates, runs and exports a model that summarizes.

python recipes/summarization.py train
python recipes/summarization.py evaluate
python recipes/summarization.py summarize --file documents.txt
python recipes/summarization.py export
"""

if __name__ == "__main__":
    import starting_up

    starting_up.end_with_one_line()

import dataclasses
import time
import warnings
from typing import Annotated

import keras
import tyro
from common import (
    UsageError,
    answer,
    check_numbers,
    check_texts,
    export_task,
    run_commands,
)
from runs import check_run, finish_run, fit, read_config, start_run
from summary_scores import (
    SENTENCES,
    compression,
    lead,
    rouge,
    validation_rouge,
)
from text_to_text import (
    Training,
    ValidationScore,
    check_training_options,
    compile_for_tokens,
    first,
    load_task,
    make_batches,
    make_task,
    make_tokenizers,
    save_tokenizers,
    show_samples,
)

from keras_attention.data import load_columns
from keras_attention.data.docstrings import load_docstrings


@dataclasses.dataclass
class Train(Training):
    """Trains a model, or goes on with a run that was stopped."""

    text: str = "text"
    """Column of the texts: its name or, in TSV without a header, number."""
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


@dataclasses.dataclass
class Evaluate:
    """Scores a finished run on a test set, beside its first sentences."""

    run: str = "runs/summarization"
    split: str = "test"
    dataset: str = ""
    """Another data set than that of the run."""
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
    batch_size: int = 64
    show: int = 0
    """Sample summaries."""


@dataclasses.dataclass
class Summarize:
    """Summarizes arguments, a file, or standard input line by line."""

    text: Annotated[list[str], tyro.conf.Positional] = dataclasses.field(
        default_factory=list
    )
    run: str = "runs/summarization"
    file: str = ""
    """File of texts, one a line."""
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
class Export:
    """Writes a finished run as a SavedModel: strings in, strings out."""

    run: str = "runs/summarization"
    folder: str = ""
    """Where to; `saved_model` in the run folder by default."""


SHOWN = 400  # characters of a text beside a sample summary


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    check_options(config)
    check_run(config)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    pairs = {
        "train": load_pairs(config, config.dataset, config.train_split),
        "validation": load_pairs(
            config, config.dataset, config.validation_split
        ),
    }
    tokenizers = make_tokenizers(config, *pairs["train"])
    batches = {
        split: make_batches(config, tokenizers, *pairs[split], split == "train")
        for split in pairs
    }
    settings = {
        "min_length": config.min_length,
        "no_repeat_ngram_size": config.no_repeat_ngram,
    }
    task = make_task(
        config,
        tokenizers,
        batches["train"],
        copy=config.copy,
        **{name: value for name, value in settings.items() if value},
    )
    compile_for_tokens(config, task.model, batches["train"])
    with start_run(
        config, lambda folder: save_tokenizers(tokenizers, folder)
    ) as run:
        print(
            f"{len(pairs['train'][0]):,} texts, {task.model.count_params():,} "
            f"weights, {len(batches['train'])} batches an epoch, padding "
            f"{batches['train'].padding_share:.1%}, run folder {run}"
        )
        scores = []
        if config.rouge_texts:
            some = first(config.rouge_texts, pairs["validation"])
            scores.append(ValidationScore(task, *some, validation_rouge))
        fit(config, task.model, batches, run, scores)
        finish_run(config, task, batches["validation"], run)
        show_samples(task, *first(config.show, pairs["validation"]), run, SHOWN)
        print(f"The run lies in {run}. Try:")
        print(f"  python recipes/summarization.py evaluate --run {run}")


def load_pairs(config, dataset, split):
    """Loads texts and summaries; a warning counts those that are longer."""
    if dataset == "demo":
        texts, summaries = load_docstrings(split)
    else:
        columns = [config.text, config.summary]
        texts, summaries = load_columns(dataset, split, columns)
    longer = sum(map(is_longer, summaries, texts))
    if longer:
        warnings.warn(
            f"{longer} of {len(texts)} summaries in {dataset}, split "
            f"{split!r}, have more words than their texts.",
            stacklevel=2,
        )
    return texts, summaries


def is_longer(summary, text):
    """Whether a summary has more words than its text."""
    return len(summary.split()) > len(text.split())


def check_options(config):
    """Refuses options out of their ranges before anything is written."""
    check_training_options(config)
    check_numbers(config, "max_source_length", at_least=2)
    check_numbers(
        config, "rouge_texts", "min_length", "no_repeat_ngram", at_least=0
    )
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
    if config.dataset == "demo" and (config.text, config.summary) != (
        Train.text,
        Train.summary,
    ):
        raise UsageError("--text and --summary are not for the demo.")


def evaluate(arguments):
    """Prints ROUGE, compression and speed, beside lead-3."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "num_beams", "show", at_least=0)
    config = read_config(arguments.run, Train)
    task = load_task(arguments, Train)
    texts, references = load_pairs(
        config, arguments.dataset or config.dataset, arguments.split
    )
    task(texts[: arguments.batch_size])  # compiling is not summarizing
    began = time.perf_counter()
    summaries = task(texts)
    seconds = time.perf_counter() - began
    rows = {
        "model": summaries,
        f"lead-{SENTENCES}": [lead(text) for text in texts],
        "reference": references,
    }
    print(f"{'':9}  ROUGE-1  ROUGE-2  ROUGE-L  compression")
    for name, outputs in rows.items():
        scores = [f"{x:7.2f}" for x in rouge(outputs, references).values()]
        if outputs is references:
            scores = [f"{'-':>7}"] * 3
        ratio = f"{compression(texts, outputs):11.2f}"
        print(f"{name:9}  {'  '.join([*scores, ratio])}")
    print(
        f"{len(texts)} texts; F1 of rouge-score with stemming; compression: "
        "words of the texts over words of the summaries"
    )
    print(f"{len(texts) / seconds:.1f} texts per second")
    show_samples(
        task, *first(arguments.show, (texts, references)), arguments.run, SHOWN
    )


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
