"""Trains, evaluates, runs and exports a model that writes captions.

It writes what an image shows, or what is said.

python recipes/captions.py train
python recipes/captions.py evaluate
python recipes/captions.py predict number.png
python recipes/captions.py export
python recipes/captions.py train --dataset demo-speech --run runs/speech
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

from keras_attention import tasks, training
from keras_attention.printing import visible
from keras_attention.runs.captions import (
    TOKENIZER,
    CaptionOptions,
    check_options,
    exact_share,
    load_sources,
    make_batches,
    make_task,
    make_tokenizer,
    read_given,
)
from keras_attention.runs.cards import tell_scores
from keras_attention.runs.checks import check_numbers
from keras_attention.runs.commands import export_task, run_commands
from keras_attention.runs.compiling import compile_model
from keras_attention.runs.data import load_split, load_splits
from keras_attention.runs.folder import finished_task, read_config
from keras_attention.runs.options import ExportOptions
from keras_attention.runs.train import prepare, train_task


@dataclasses.dataclass
class Train(CaptionOptions):
    """Trains a model, or goes on with a run that was stopped."""

    run: str = "runs/captions"
    """Folder of the run."""
    epochs: int = 16
    schedule: str = "cosine"
    """How the learning rate falls: cosine or inverse_sqrt."""
    learning_rate: float = 0.0015
    """Peak, reached after the warm-up."""
    warmup_steps: int = 200
    label_smoothing: float = 0.1
    show: int = 5
    """Sample outputs at the end."""


@dataclasses.dataclass
class Evaluate:
    """Counts the exact outputs of a finished run on a test set."""

    run: str = "runs/captions"
    split: str = "test"
    dataset: str = ""
    """Another data set than that of the run."""
    batch_size: int = 128
    show: int = 5
    """Mistakes that are shown."""


@dataclasses.dataclass
class Predict:
    """Writes what images show or what is said in WAV files."""

    file: list[str]
    """Paths of images or WAV files."""
    run: str = "runs/captions"


@dataclasses.dataclass
class Export(ExportOptions):
    """Writes a finished run as a SavedModel: images or sound in, text out."""

    run: str = "runs/captions"


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    check_options(config)
    check_numbers(config, "show", at_least=0)
    prepare(config)
    examples = load_splits(config, load_sources)
    tokenizer = make_tokenizer(config, examples["train"][1])
    task = make_task(config, tokenizer, examples["train"])
    batches = make_batches(config, task, examples)
    metrics = [training.Perplexity(), training.TokenCount()]
    compile_model(config, task.model, batches["train"], metrics)
    samples = [given[: config.show] for given in examples["validation"]]
    is_sound = isinstance(task, tasks.SpeechToText)
    example = "speech.wav" if is_sound else "image.png"
    train_task(
        config,
        task,
        batches,
        told=f"{len(examples['train'][1]):,} texts",
        save_more=lambda folder: tokenizer.save(folder / TOKENIZER),
        show=lambda run: show_outputs(task, *samples),
        following=[("evaluate",), ("predict", example), ("export",)],
    )


def show_outputs(task, sources, texts):
    """Prints outputs beside their references."""
    for output, text in zip(task(sources), texts, strict=True):
        print(f"\nreference  {visible(text)}\noutput     {visible(output)}")


def evaluate(arguments):
    """Prints the share of exact outputs, and some mistakes."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "show", at_least=0)
    config = read_config(arguments.run, Train)
    folder = finished_task(arguments.run, Train)
    task = tasks.load(folder, batch_size=arguments.batch_size)
    sources, texts = load_split(
        config, arguments.dataset, arguments.split, load_sources
    )
    outputs = task(sources)
    share = exact_share(outputs, texts)
    print(f"exact {share:.2%} of {len(texts)}")
    tell_scores(arguments, {"exact": share})
    pairs = zip(outputs, texts, strict=True)
    wrong = [(output, text) for output, text in pairs if output != text]
    for output, text in wrong[: arguments.show]:
        print(f"\nreference  {visible(text)}\noutput     {visible(output)}")


def predict(arguments):
    """Prints a text for each file, one a line."""
    config = read_config(arguments.run, Train)
    task = tasks.load(finished_task(arguments.run, Train))
    outputs = task(read_given(config, task, arguments.file))
    print(*map(visible, outputs), sep="\n")


def export(arguments):
    """Writes the SavedModel and says how to use it."""
    task = tasks.load(finished_task(arguments.run, Train))
    given = "images=tf.cast(images, tf.float32)"
    if isinstance(task, tasks.SpeechToText):
        given = "samples=samples, lengths=lengths"
    export_task(task, arguments, given=given)


COMMANDS = {
    "train": (Train, train),
    "evaluate": (Evaluate, evaluate),
    "predict": (Predict, predict),
    "export": (Export, export),
}

if __name__ == "__main__":
    run_commands(COMMANDS, __doc__)
