"""Options that several recipes have."""

import dataclasses
from typing import Literal

from keras_attention.runs.checks import check_numbers
from keras_attention.runs.data import check_dataset, check_shares


@dataclasses.dataclass
class RunOptions:
    """What training any model can be told; recipes' options inherit these."""

    dataset: str = "demo"
    """demo; a file that ends in .csv, .tsv, .jsonl, .parquet or .txt, plain or
    .gz; files:FOLDER with such files; tfds:NAME of TensorFlow Datasets; or
    hf:NAME of Hugging Face's datasets, or hf:FOLDER."""
    train_split: str = "train"
    validation_split: str = "validation"
    validation_share: float = 0.0
    """Share of the training rows that validates in place of a split, the same
    rows each time. Of data in one file it is 0.1 by default."""
    test_share: float = 0.0
    """Share of them that `evaluate` takes for a test, likewise."""
    run: str = "runs"
    """Folder of the run."""
    epochs: int = 8
    steps: int = 0
    """Optimizer steps after which to stop instead; 0 goes by epochs."""
    learning_rate: float = 0.002
    """Peak, reached after the warm-up."""
    warmup_steps: int = 400
    """0: a tenth of all steps."""
    schedule: Literal["inverse_sqrt", "cosine", "linear"] = "inverse_sqrt"
    """How the learning rate falls: by 1/sqrt(step), or by half a cosine or a
    straight line to zero at the end, which then has to stay where it is."""
    weight_decay: float = 0.0
    """Of AdamW; biases and the weights of normalizations do not decay."""
    label_smoothing: float = 0.0
    clip_norm: float = 1.0
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: bool = False
    """Compile with XLA (JAX always does)."""
    average: int = 4
    """Epochs whose weights are averaged at the end."""
    patience: int = 10
    """Epochs without a better validation score before stopping."""
    callback: tuple[str, ...] = ()
    """Further Keras callbacks, each MODULE:NAME: a class, or a function that
    makes one, as `wandb.integration.keras:WandbMetricsLogger`."""
    checkpoint_steps: int = 500
    """Steps between checkpoints within an epoch."""
    seed: int = 0


def check_run_options(config, demos=("demo",)):
    """Refuses options of `RunOptions` out of their ranges.

    Args:
        config: the options of training.
        demos: data sets that are made on the spot.

    Raises:
        UsageError: for the first such option.
    """
    check_dataset(config.dataset, demos)
    check_shares(config)
    check_numbers(config, "epochs", "average", "patience", "checkpoint_steps")
    check_numbers(config, "steps", "warmup_steps", at_least=0)
    endless = float("inf")
    check_numbers(config, "weight_decay", at_least=0, below=endless)
    check_numbers(config, "learning_rate", "clip_norm", above=0, below=endless)
    check_numbers(config, "label_smoothing", at_least=0, below=1)


@dataclasses.dataclass
class ExportOptions:
    """Writes a finished run as a SavedModel: strings in, strings out."""

    run: str = "runs"
    folder: str = ""
    """Where to; `saved_model` in the run folder by default."""
