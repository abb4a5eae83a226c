"""Trains, evaluates, runs and exports a model that classifies.

python recipes/classification.py train
python recipes/classification.py evaluate
python recipes/classification.py predict "Return the sum of array elements."
python recipes/classification.py export
python recipes/classification.py train --inputs images --run runs/digits
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
import functools
from typing import Literal

from keras_attention import tasks, training
from keras_attention.runs.checks import check_numbers
from keras_attention.runs.classification_batches import (
    make_batches,
    save_beginning,
)
from keras_attention.runs.classification_data import (
    load_for_training,
    name_images,
    number_classes,
)
from keras_attention.runs.classification_options import check_options
from keras_attention.runs.classifiers import ClassifierOptions, make_task
from keras_attention.runs.commands import (
    answer,
    check_texts,
    export_task,
    run_commands,
)
from keras_attention.runs.compiling import compile_model
from keras_attention.runs.folder import finished_task, read_config
from keras_attention.runs.judging import (
    check_outside_options,
    judge,
    show_predictions,
    with_probability,
)
from keras_attention.runs.options import ExportOptions
from keras_attention.runs.starting_vectors import assign_word_vectors
from keras_attention.runs.train import prepare, train_task


@dataclasses.dataclass
class Train(ClassifierOptions):
    """Trains a model, or goes on with a run that was stopped."""

    inputs: Literal["text", "images"] = "text"
    """What is classified. The demo has docstrings, or handwritten digits."""
    text: str = "text"
    """Column of the texts, by this or another usual name; a number where a
    table has no header."""
    label: str = "label"
    """Column of the labels, likewise."""
    image_size: tuple[int, int] = (0, 0)
    """Height and width that images are resized to; 0 0: as they are, which has
    to be one size."""
    run: str = "runs/classification"
    """Folder of the run."""
    vocabulary_size: int = 4000
    """SentencePiece pieces; of whole words the most."""
    subwords: Literal["unigram", "bpe", "word"] = "unigram"
    """Pieces of words by either method, or whole words between spaces."""
    lowercase: bool = False
    """Whether upper case counts as lower case."""
    word_vectors: str = ""
    """File of vectors that pieces which are words start with, as GloVe,
    word2vec or fastText write them. Where all pieces are words, the file's
    first ones fill up the vocabulary."""
    frozen_vectors: bool = False
    """Whether the embedding stays as it starts, at random where the file has
    no vector."""
    max_length: int = 256
    """Longest text in tokens; longer ones are cut and counted."""
    rotate: float = 0.0
    """Degrees by which images are turned at random in training, at most."""
    zoom: float = 0.0
    """Share by which they grow or shrink, at most."""
    shift: float = 0.0
    """Pixels, and parts of them, by which they are shifted, at most."""
    batch_size: int = 64
    """Images of a batch."""
    token_dropout: float = 0.0
    """Share of the tokens that become unknown in training."""
    tokens: int = 4096
    """Tokens of a batch of texts, padding included."""
    learning_rate: float = 0.001
    """Peak, reached after the warm-up."""
    warmup_steps: int = 200
    show: int = 5
    """Sample predictions at the end."""


@dataclasses.dataclass
class Evaluate:
    """Scores a finished run on a test set."""

    run: str = "runs/classification"
    split: str = "test"
    dataset: str = ""
    """Another data set than that of the run."""
    outside_split: str = ""
    """A split of examples of no known class: how many are refused."""
    outside_validation: str = ""
    """A split of such examples to choose the threshold on, beside the
    validation split of the run."""
    batch_size: int = 64
    show: int = 5
    """The worst mistakes."""


@dataclasses.dataclass
class Predict:
    """Classifies arguments, a file, or standard input line by line."""

    text: list[str]
    """Texts, or names of image files."""
    run: str = "runs/classification"
    file: str = ""
    """File of texts or of names of images, one a line."""


@dataclasses.dataclass
class Export(ExportOptions):
    """Writes a finished run as a SavedModel: text or images in, labels out."""

    run: str = "runs/classification"


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    check_options(config)
    prepare(config)
    examples = load_for_training(config)
    inputs, given = examples["train"]
    labels, numbers = number_classes(examples)
    task = make_task(config, labels, inputs)
    batches = make_batches(config, task, examples, numbers)
    if config.word_vectors:
        assign_word_vectors(config, task, inputs)
    metrics = [training.TokenAccuracy(), training.TokenCount("examples")]
    compile_model(config, task.model, batches["train"], metrics)
    samples = [values[: config.show] for values in examples["validation"]]
    example = "image.png" if config.inputs == "images" else inputs[0]
    train_task(
        config,
        task,
        batches,
        told=f"{len(given):,} examples of {len(labels)} classes",
        save_more=lambda folder: save_beginning(config, task, folder),
        show=lambda run: show_predictions(task, *samples, run),
        metric="accuracy",
        count="examples",
        following=[("evaluate",), ("predict", example), ("export",)],
    )


def evaluate(arguments):
    """Prints scores and writes the pictures of a test set."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "show", at_least=0)
    config = read_config(arguments.run, Train)
    check_outside_options(arguments)
    judge(arguments, config, finished_task(arguments.run, Train))


def predict(arguments):
    """Prints a label for each input, and its probability."""
    check_texts(arguments)
    config = read_config(arguments.run, Train)
    task = tasks.load(finished_task(arguments.run, Train))
    name = functools.partial(with_probability, task)
    if isinstance(task, tasks.ImageClassifier):
        shape = task.settings["image_shape"]
        answer(lambda names: name_images(config, name, names, shape), arguments)
    else:
        answer(task, arguments, name)


def export(arguments):
    """Writes the SavedModel and says how to use it."""
    task = tasks.load(finished_task(arguments.run, Train))
    example = "Return the sum of array elements."
    if isinstance(task, tasks.ImageClassifier):
        example = None
    export_task(task, arguments, example)


COMMANDS = {
    "train": (Train, train),
    "evaluate": (Evaluate, evaluate),
    "predict": (Predict, predict),
    "export": (Export, export),
}

if __name__ == "__main__":
    run_commands(COMMANDS, __doc__)
