"""A model made ready for `fit`: tried, with its optimizer and its loss."""

import re

import keras

from keras_attention import training
from keras_attention.runs.checks import UsageError


def compile_model(config, model, batches, metrics):
    """Tries a model once, and compiles it with Adam(W) and a smoothed loss.

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
        optimizer=make_optimizer(config, len(batches), model),
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


def make_optimizer(config, epoch_steps, model=None):
    """Makes Adam, or AdamW, with a schedule that warms up.

    Args:
        config: the options `learning_rate`, `warmup_steps`, `schedule`,
            `weight_decay`, `clip_norm`, `epochs` and `steps`; where there are
            such, `preset` and `layer_decay`.
        epoch_steps: integer, the batches of an epoch.
        model: the model, whose weights decay or have rates of their own.

    Raises:
        UsageError: if the schedule would end before the warm-up does.
        ValueError: for a `layer_decay` of a model without blocks.
    """
    # Those of Vaswani et al. 2017 for a model from nothing; those of Devlin
    # et al. 2019 for one that has been trained.
    second = {"beta_2": 0.98, "epsilon": 1e-9}
    if getattr(config, "preset", ""):
        second = {"beta_2": 0.999, "epsilon": 1e-8}
    rate = _make_schedule(config, epoch_steps)
    arguments = {**second, "beta_1": 0.9, "global_clipnorm": config.clip_norm}
    layer_decay = getattr(config, "layer_decay", 1.0)
    if not config.weight_decay and layer_decay == 1.0:
        return keras.optimizers.Adam(rate, **arguments)
    return training.adamw_for(
        model,
        rate,
        weight_decay=config.weight_decay,
        layer_decay=layer_decay,
        **arguments,
    )


def _make_schedule(config, epoch_steps):
    peak, steps = config.learning_rate, config.steps
    steps = steps or config.epochs * epoch_steps
    warmup = config.warmup_steps or -(-steps // 10)
    if config.schedule == "inverse_sqrt":
        return training.InverseSquareRootSchedule(peak, warmup)
    if steps <= warmup and config.warmup_steps:
        raise UsageError(
            f"--schedule {config.schedule} needs more steps than "
            f"--warmup-steps {warmup}. Training takes {steps}."
        )
    if config.schedule == "linear":
        return training.LinearSchedule(peak, warmup, steps)
    return keras.optimizers.schedules.CosineDecay(
        peak / warmup,  # the first update is not lost to a rate of 0
        decay_steps=max(steps - warmup, 1),
        warmup_target=peak,
        warmup_steps=warmup,
    )


def compiles_with_xla(config):
    """Whether to compile a training step with XLA: as told, or on JAX."""
    return config.jit or keras.backend.backend() == "jax"
