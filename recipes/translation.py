"""Trains, evaluates, runs and exports a model that translates.

python recipes/translation.py train
python recipes/translation.py evaluate
python recipes/translation.py translate "twenty-three"
python recipes/translation.py export
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
import sys
import time

import numpy as np

from keras_attention.data import load_parallel
from keras_attention.data.sources.demo import RANGE
from keras_attention.runs.cards import tell_scores
from keras_attention.runs.checks import check_numbers
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
from keras_attention.runs.translation_scores import (
    metrics_for,
    print_by_length,
    validation_bleu,
)


@dataclasses.dataclass
class Train(TextToTextOptions):
    """Trains a model, or goes on with a run that was stopped."""

    source: str = "en"
    """Source language: a suffix of files' names, or a column; a number where
    a table has no header."""
    target: str = "de"
    """Target language, likewise."""
    source_language: str = ""
    """What --preset calls it where it has many: fr, fr_XX or fra_Latn."""
    target_language: str = ""
    """The same of the target."""
    run: str = "runs/translation"
    """Folder of the run."""
    epochs: int = 5
    vocabulary_size: int = 0
    """SentencePiece pieces, of both languages together if joint; 0: 200 for
    the demo, else 4,000, or as many as the text supports."""
    max_length: int = 128
    """Longest sentence in tokens; longer ones are cut and counted."""
    bleu_sentences: int = 200
    """Validation sentences translated after each epoch; 0 for no BLEU."""


@dataclasses.dataclass
class Evaluate:
    """Scores a finished run on a test set."""

    run: str = "runs/translation"
    split: str = "test"
    dataset: str = ""
    """Another data set than that of the run."""
    tokenized: bool = False
    """The text comes tokenised: BLEU without further tokenisation too."""
    num_beams: int = 0
    """Beams; 0 as in training."""
    length_penalty: float = -1.0
    """Exponent of the length; below 0 as in training."""
    batch_size: int = 64
    by_length: int = 0
    """BLEU of short and of long sources apart, in steps of so many words."""
    show: int = 0
    """Sample translations, and what attention looked at."""


@dataclasses.dataclass
class Translate:
    """Translates arguments, a file, or standard input line by line."""

    text: list[str]
    """Sentences; without any, those of --file or standard input."""
    run: str = "runs/translation"
    file: str = ""
    """File of sentences, one a line."""
    num_beams: int = 0
    """Beams; 0 as in training."""


@dataclasses.dataclass
class Export(ExportOptions):
    """Writes a finished run as a SavedModel: strings in, strings out."""

    run: str = "runs/translation"


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    if not config.vocabulary_size:
        config.vocabulary_size = 200 if config.dataset == "demo" else 4_000
    check_options(config)
    check_numbers(config, "bleu_sentences", at_least=0)
    prepare(config)
    tell_range(config)
    start = start_text_to_text(config)
    pairs = load_splits(config, load_pairs)
    tokenizers = make_tokenizers(config, pairs, start)
    batches = make_batches(config, tokenizers, pairs, start)
    task = make_task(config, tokenizers, batches["train"], start=start)
    compile_for_tokens(config, task, batches)
    samples = first(config.show, pairs["validation"])
    train_task(
        config,
        task,
        batches,
        told=f"{len(pairs['train'][0]):,} pairs",
        save_more=lambda folder: save_beginning(config, task, folder),
        scores=validation_scores(
            task, pairs, config.bleu_sentences, validation_bleu
        ),
        show=lambda run: show_samples(task, *samples, run),
        following=[("evaluate",), ("translate", *samples[0][:1]), ("export",)],
    )


def load_pairs(config, dataset, split):
    """Loads sentences and their translations."""
    return load_parallel(dataset, split, config.source, config.target)


def evaluate(arguments):
    """Prints BLEU with its signature, chrF, exact matches and the speed."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "num_beams", "by_length", "show", at_least=0)
    config = read_config(arguments.run, Train)
    task = load_task(arguments, Train)
    sources, targets = load_split(
        config, arguments.dataset, arguments.split, load_pairs
    )
    task(sources[: arguments.batch_size])  # compiling is not translating
    began = time.perf_counter()
    translations = task(sources)
    seconds = time.perf_counter() - began
    metrics = metrics_for(targets, arguments.tokenized)
    scores = {}
    for name, metric in metrics.items():
        scores[name] = metric.corpus_score(translations, [targets]).score
        print(f"{name} {scores[name]:.2f} ({metric.get_signature()})")
    tell_scores(arguments, scores)
    exact = np.mean(np.array(translations) == np.array(targets))
    print(f"exact match {exact:.2%} of {len(targets)} sentences")
    print(f"{len(sources) / seconds:.1f} sentences per second")
    if arguments.by_length:
        metric = next(iter(metrics.values()))
        step = arguments.by_length
        print_by_length(metric, step, sources, translations, targets)
    samples = first(arguments.show, (sources, targets))
    show_samples(task, *samples, arguments.run)


def translate(arguments):
    """Prints a translation for each sentence."""
    check_numbers(arguments, "num_beams", at_least=0)
    check_texts(arguments)
    task = load_task(arguments, Train)
    tell_range(read_config(arguments.run, Train))
    answer(task, arguments)


def tell_range(config):
    """Says what a run over the demo has learned to translate."""
    if config.dataset == "demo":
        print(f"note: the demo is {RANGE}", file=sys.stderr)


def export(arguments):
    """Writes the SavedModel and says how to use it."""
    export_task(load_task(arguments, Train), arguments, "twenty-three")


COMMANDS = {
    "train": (Train, train),
    "evaluate": (Evaluate, evaluate),
    "translate": (Translate, translate),
    "export": (Export, export),
}

if __name__ == "__main__":
    run_commands(COMMANDS, __doc__)
