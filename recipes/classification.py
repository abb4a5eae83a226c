"""Trains, evaluates, runs and exports a model that classifies.

python recipes/classification.py train
python recipes/classification.py evaluate
python recipes/classification.py predict "Return the sum of array elements."
python recipes/classification.py export
python recipes/classification.py train --inputs images --run runs/digits
"""

if __name__ == "__main__":
    import starting_up

    starting_up.end_with_one_line()

import dataclasses
from typing import Annotated, Literal

import keras
import tyro
from classification_data import (
    SCALE,
    TOKENIZER,
    load_for_training,
    make_batches,
    make_tokenizer,
    name_images,
    number_labels,
)
from classification_options import check_options
from classifiers import make_model
from common import (
    UsageError,
    answer,
    check_numbers,
    check_texts,
    compiles_with_xla,
    export_task,
    first_of,
    make_optimizer,
    run_commands,
    try_model,
)
from judging import check_outside_options, judge, show_predictions
from runs import (
    RunOptions,
    check_run,
    finish_run,
    finished_task,
    fit,
    read_config,
    start_run,
)
from starting_vectors import assign_word_vectors

from keras_attention import tasks, training
from keras_attention.tasks import ImageClassifier, TextClassifier


@dataclasses.dataclass
class Train(RunOptions):
    """Trains a model, or goes on with a run that was stopped."""

    inputs: Literal["text", "images"] = "text"
    """What is classified. The demo has docstrings, or handwritten digits."""
    text: str = "text"
    """Column of the texts; a number where a file has no header."""
    label: str = "label"
    """Column of the labels; a number where a file has no header."""
    validation_share: float = 0.0
    """Share of the training examples, drawn by the seed, that validates in
    place of a split."""
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
    model: Literal["transformer", "recurrent", "convolutional"] = "transformer"
    num_layers: int = 2
    """Blocks, recurrent layers, or stages of an image network."""
    hidden_dim: int = 128
    """Width; of a text network, that of the embeddings."""
    pooling: str = "auto"
    """mean, max, first, last, ends, attention, or a flavour with a learned
    query such as additive or luong; auto: mean, or max for older models."""
    num_heads: int = 4
    """Of a Transformer, as are the next seven."""
    attention: str = "multi_head"
    attention_dropout: float = 0.1
    intermediate_dim: int = 512
    position: str = "sinusoidal"
    """For images, learned and rotary (of two axes) are usual."""
    feed_forward: str = "gelu"
    residual: str = "pre_norm"
    feed_forward_dropout: float = 0.1
    """Inside the feed-forward parts."""
    cell: Literal["gru", "lstm"] = "gru"
    """Of a recurrent model, as is the next."""
    bidirectional: bool = True
    filters: int = 100
    """Of a convolutional model, as is the next: of each width of kernel for
    text, of the first stage for images (twice as many in each stage after)."""
    kernel_sizes: tuple[int, ...] = (3, 4, 5)
    patch_size: int = 2
    """Pixels of a side, for images and a Transformer."""
    patch_stride: int = 0
    """Pixels from one patch to the next; 0: --patch-size, without overlap."""
    rotate: float = 0.0
    """Degrees by which images are turned at random in training, at most."""
    zoom: float = 0.0
    """Share by which they grow or shrink, at most."""
    shift: float = 0.0
    """Pixels, and parts of them, by which they are shifted, at most."""
    batch_size: int = 64
    """Images of a batch."""
    dropout: float = 0.1
    """Of embeddings, between layers, and of what each part adds."""
    pooled_dropout: float = 0.1
    """Of the pooled vector."""
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

    text: Annotated[list[str], tyro.conf.Positional] = dataclasses.field(
        default_factory=list
    )
    """Texts, or names of image files."""
    run: str = "runs/classification"
    file: str = ""
    """File of texts or of names of images, one a line."""


@dataclasses.dataclass
class Export:
    """Writes a finished run as a SavedModel: text or images in, labels out."""

    run: str = "runs/classification"
    folder: str = ""
    """Where to; `saved_model` in the run folder by default."""


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    check_options(config)
    check_run(config)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    examples = load_for_training(config)
    labels = sorted(set(examples["train"][1]))
    if len(labels) < 2:
        raise UsageError(
            f"There must be two classes at least. The training examples have "
            f"{', '.join(map(repr, labels))} alone."
        )
    numbers = {
        split: number_labels(given, labels, split)
        for split, (_, given) in examples.items()
    }
    tokenizer = make_tokenizer(config, examples["train"][0])
    batches = {
        split: make_batches(
            *(config, tokenizer, examples[split][0], numbers[split]),
            is_training=split == "train",
        )
        for split in examples
    }
    task = make_task(config, tokenizer, labels, examples["train"][0])
    if config.word_vectors:
        texts = examples["train"][0]
        assign_word_vectors(config, task.model.encoder, tokenizer, texts)
    training.check_adam_memory(task.model)
    task.model.compile(
        optimizer=make_optimizer(config, len(batches["train"])),
        loss=training.LabelSmoothedCrossentropy(config.label_smoothing),
        weighted_metrics=[
            training.TokenAccuracy(),
            training.Perplexity(),
            training.TokenCount("examples"),
        ],
        jit_compile=compiles_with_xla(config),
    )

    try_model(task.model, first_of(batches["train"]))

    def write_tokenizer(folder):
        if tokenizer is not None:
            tokenizer.save(folder / TOKENIZER)

    with start_run(config, write_tokenizer) as run:
        print(
            f"{len(numbers['train']):,} examples of {len(labels)} classes, "
            f"{task.model.count_params():,} weights, {len(batches['train'])} "
            f"batches an epoch, run folder {run}"
        )
        fit(
            config,
            task.model,
            batches,
            run,
            metric="accuracy",
            count="examples",
        )
        finish_run(config, task, batches["validation"], run, metric="accuracy")
        some, given = (
            values[: config.show] for values in examples["validation"]
        )
        show_predictions(task, some, given, run)
        print(f"The run lies in {run}. Try:")
        print(f"  python recipes/classification.py evaluate --run {run}")


def make_task(config, tokenizer, labels, inputs):
    """Builds the model and the task around it."""
    if config.inputs == "text":
        model = make_model(config, len(labels), tokenizer.vocabulary_size)
        return TextClassifier(
            model, tokenizer, labels, max_length=config.max_length
        )
    shape = inputs.shape[1:]
    model = make_model(config, len(labels), image_shape=shape)
    return ImageClassifier(model, labels, image_shape=shape, scale=SCALE)


def evaluate(arguments):
    """Prints scores and writes the pictures of a test set."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "show", at_least=0)
    config = read_config(arguments.run, Train)
    check_outside_options(arguments, config)
    judge(arguments, config, finished_task(arguments.run, Train))


def predict(arguments):
    """Prints a label for each input."""
    check_texts(arguments)
    task = tasks.load(finished_task(arguments.run, Train))
    if isinstance(task, ImageClassifier):
        shape = task.settings["image_shape"]
        answer(lambda names: name_images(task, names, shape), arguments)
    else:
        answer(task, arguments)


def export(arguments):
    """Writes the SavedModel and says how to use it."""
    task = tasks.load(finished_task(arguments.run, Train))
    example = "Return the sum of array elements."
    if isinstance(task, ImageClassifier):
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
