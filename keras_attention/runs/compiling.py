"""A model made ready for `fit`: tried, with its optimizer and its loss."""

import re

import keras

from keras_attention import training
from keras_attention.runs.checks import UsageError


def compile_model(config, model, batches, metrics):
    """Tries a model once, and compiles it with Adam and a smoothed loss.

    Args:
        config: the options of training (`RunOptions`).
        model: a Keras model that gives logits.
        batches: those of training.
        metrics: list of weighted metrics.

    Raises:
        UsageError: if the model cannot run, or the schedule does not fit.
        ValueError: if the memory does not suffice for training.
    """
    try_model(model, first_of(batches))
    training.check_adam_memory(model)
    model.compile(
        optimizer=make_optimizer(config, len(batches)),
        loss=training.LabelSmoothedCrossentropy(config.label_smoothing),
        weighted_metrics=metrics,
        jit_compile=compiles_with_xla(config),
    )


def try_model(model, inputs):
    """Calls a model once, so that what does not fit is told before training.

    Args:
        model: a Keras model.
        inputs: what it is called with.

    Raises:
        UsageError: if the call fails, with the first reason that is given.
    """
    try:
        model(inputs, training=False)
    except Exception as error:  # each backend raises its own
        raise UsageError(f"The model cannot run: {reason_of(error)}") from None


def first_of(batches):
    """The first row of the first batch, as the model's inputs."""
    inputs, *_ = batches.batch(0, 0)
    return keras.tree.map_structure(lambda x: x[:1], inputs)


def reason_of(error):
    """What an error says, without what Keras wraps around it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    if text.startswith("Exception encountered when calling"):
        text = text.partition("\n\n")[2].partition("\n\nArguments")[0]
    return " ".join(text.split())


def make_optimizer(config, epoch_steps):
    """Makes Adam with a schedule that warms up.

    Args:
        config: the options `learning_rate`, `warmup_steps`, `schedule`,
            `clip_norm`, `epochs` and `steps`.
        epoch_steps: integer, the batches of an epoch.

    Raises:
        UsageError: if a cosine would end before the warm-up does.
    """
    return keras.optimizers.Adam(
        _make_schedule(config, epoch_steps),
        beta_1=0.9,
        beta_2=0.98,
        epsilon=1e-9,
        global_clipnorm=config.clip_norm,
    )


def _make_schedule(config, epoch_steps):
    peak, warmup = config.learning_rate, config.warmup_steps
    if config.schedule == "inverse_sqrt":
        return training.InverseSquareRootSchedule(peak, warmup)
    steps = config.steps or config.epochs * epoch_steps
    if steps <= warmup:
        raise UsageError(
            f"--schedule cosine needs more steps than --warmup-steps {warmup}. "
            f"Training takes {steps}."
        )
    return keras.optimizers.schedules.CosineDecay(
        peak / warmup,  # the first update is not lost to a rate of 0
        decay_steps=steps - warmup,
        warmup_target=peak,
        warmup_steps=warmup,
    )


def compiles_with_xla(config):
    """Whether to compile a training step with XLA: as told, or on JAX."""
    return config.jit or keras.backend.backend() == "jax"
