"""Trains, evaluates, runs and exports a model that translates.

python recipes/translation.py train
python recipes/translation.py evaluate
python recipes/translation.py translate "twenty-three"
python recipes/translation.py export
"""

if __name__ == "__main__":
    import starting_up

    starting_up.end_with_one_line()

import dataclasses
import time
from typing import Annotated

import keras
import numpy as np
import sacrebleu
import tyro
from common import (
    answer,
    check_numbers,
    check_texts,
    export_task,
    run_commands,
)
from runs import check_run, finish_run, fit, read_config, start_run
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

from keras_attention.data import load_parallel


@dataclasses.dataclass
class Train(Training):
    """Trains a model, or goes on with a run that was stopped."""

    source: str = "en"
    """Source language; with files, the suffix of their names."""
    target: str = "de"
    """Target language; with files, the suffix of their names."""
    run: str = "runs/translation"
    """Folder of the run."""
    vocabulary_size: int = 200
    """SentencePiece pieces, of both languages together if joint."""
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

    text: Annotated[list[str], tyro.conf.Positional] = dataclasses.field(
        default_factory=list
    )
    run: str = "runs/translation"
    file: str = ""
    """File of sentences, one a line."""
    num_beams: int = 0
    """Beams; 0 as in training."""


@dataclasses.dataclass
class Export:
    """Writes a finished run as a SavedModel: strings in, strings out."""

    run: str = "runs/translation"
    folder: str = ""
    """Where to; `saved_model` in the run folder by default."""


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    check_training_options(config)
    check_numbers(config, "bleu_sentences", at_least=0)
    check_run(config)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    pairs = {
        split: load_parallel(config.dataset, name, config.source, config.target)
        for split, name in (
            ("train", config.train_split),
            ("validation", config.validation_split),
        )
    }
    tokenizers = make_tokenizers(config, *pairs["train"])
    batches = {
        split: make_batches(config, tokenizers, *pairs[split], split == "train")
        for split in pairs
    }
    task = make_task(config, tokenizers, batches["train"])
    compile_for_tokens(config, task.model, batches["train"])
    with start_run(
        config, lambda folder: save_tokenizers(tokenizers, folder)
    ) as run:
        print(
            f"{len(pairs['train'][0]):,} pairs, {task.model.count_params():,} "
            f"weights, {len(batches['train'])} batches an epoch, padding "
            f"{batches['train'].padding_share:.1%}, run folder {run}"
        )
        scores = []
        if config.bleu_sentences:
            some = first(config.bleu_sentences, pairs["validation"])
            scores.append(ValidationScore(task, *some, bleu))
        fit(config, task.model, batches, run, scores)
        finish_run(config, task, batches["validation"], run)
        show_samples(task, *first(config.show, pairs["validation"]), run)
        print(f"The run lies in {run}. Try:")
        print(f"  python recipes/translation.py evaluate --run {run}")


def bleu_for(targets, **options):
    """BLEU; of as many words in a row as there are where four never are.

    Without any four words in a row it would be 0 by definition.
    """
    short = max(len(target.split()) for target in targets) < 4
    return sacrebleu.BLEU(effective_order=short, **options)


def bleu(translations, targets):
    """Corpus BLEU as an entry of the logs."""
    metric = bleu_for(targets, force=True)
    return {"val_bleu": metric.corpus_score(translations, [targets]).score}


def evaluate(arguments):
    """Prints BLEU with its signature, chrF, exact matches and the speed."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "num_beams", "by_length", "show", at_least=0)
    config = read_config(arguments.run, Train)
    task = load_task(arguments, Train)
    sources, targets = load_parallel(
        arguments.dataset or config.dataset,
        arguments.split,
        config.source,
        config.target,
    )
    task(sources[: arguments.batch_size])  # compiling is not translating
    began = time.perf_counter()
    translations = task(sources)
    seconds = time.perf_counter() - began
    # Who says that it comes tokenised need not be told.
    plain = bleu_for(targets, force=arguments.tokenized)
    metrics = {"BLEU": plain, "chrF": sacrebleu.CHRF()}
    if arguments.tokenized:
        tokenized = bleu_for(targets, tokenize="none", force=True)
        metrics = {"tokenized BLEU": tokenized, **metrics}
    for name, metric in metrics.items():
        score = metric.corpus_score(translations, [targets])
        print(f"{name} {score.score:.2f} ({metric.get_signature()})")
    exact = np.mean(np.array(translations) == np.array(targets))
    print(f"exact match {exact:.2%} of {len(targets)} sentences")
    print(f"{len(sources) / seconds:.1f} sentences per second")
    if arguments.by_length:
        metric = next(iter(metrics.values()))
        print_by_length(
            *(metric, arguments.by_length, sources, translations, targets)
        )
    samples = first(arguments.show, (sources, targets))
    show_samples(task, *samples, arguments.run)


def print_by_length(metric, step, sources, translations, targets):
    """Prints the score of sources of each range of lengths, in words.

    Whether it falls on long sentences was the question of Bahdanau et al.
    2014, https://arxiv.org/abs/1409.0473.
    """
    places = np.array([(len(x.split()) - 1) // step for x in sources])
    for place in np.unique(places):
        rows = np.flatnonzero(places == place)
        score = metric.corpus_score(
            [translations[row] for row in rows],
            [[targets[row] for row in rows]],
        )
        print(
            f"  {place * step + 1} to {(place + 1) * step} words: "
            f"{score.score:.2f} ({len(rows)} sentences)"
        )


def translate(arguments):
    """Prints a translation for each sentence."""
    check_numbers(arguments, "num_beams", at_least=0)
    check_texts(arguments)
    answer(load_task(arguments, Train), arguments)


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
