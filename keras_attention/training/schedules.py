"""Learning rates that warm up and then fall."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_attention")
class InverseSquareRootSchedule(
    keras.optimizers.schedules.LearningRateSchedule
):
    """Linear warm-up to a peak, then decay with the inverse square root.

    Update number `n`, counted from 1, uses
    `peak * min(n / warmup_steps, sqrt(warmup_steps / n))`: the peak falls on
    update `warmup_steps`. Keras counts updates from 0, so the schedule called
    with `step` gives the rate of update `n = step + 1`, and the first update
    already has a rate above zero. With `peak_learning_rate =
    (hidden_dim * warmup_steps) ** -0.5` this is the paper's schedule.

    Args:
        peak_learning_rate: float above 0, the largest rate.
        warmup_steps: int, at least 1, the update that has it.

    Returns:
        When called with a step, the rate as a float32 scalar.

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Vaswani et al., 2017, Attention Is All You Need, section 5.3,
        https://arxiv.org/abs/1706.03762
    """

    def __init__(self, peak_learning_rate, warmup_steps):
        super().__init__()
        _check(peak_learning_rate, warmup_steps)
        self.peak_learning_rate = peak_learning_rate
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        update = ops.cast(step, "float32") + 1.0
        warmup = ops.cast(self.warmup_steps, "float32")
        factor = ops.minimum(update / warmup, ops.sqrt(warmup / update))
        return ops.cast(self.peak_learning_rate, "float32") * factor

    def get_config(self):
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "warmup_steps": self.warmup_steps,
        }


@keras.saving.register_keras_serializable(package="keras_attention")
class LinearSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to a peak, then linear decay to zero.

    Update number `n`, counted from 1, uses `peak * n / warmup_steps` up to
    the peak on update `warmup_steps`, and then
    `peak * (steps + 1 - n) / (steps + 1 - warmup_steps)`: neither the first
    update nor the last one, `steps`, is lost to a rate of zero. It is the
    usual schedule of fine-tuning.

    Args:
        peak_learning_rate: float above 0, the largest rate.
        warmup_steps: int, at least 1, the update that has it.
        steps: int, the last update, at least `warmup_steps`.

    Returns:
        When called with a step, counted from 0, the rate of the update after
        it as a float32 scalar; 0 behind the last.

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Devlin et al., 2019, BERT, appendix A.2,
        https://arxiv.org/abs/1810.04805
    """

    def __init__(self, peak_learning_rate, warmup_steps, steps):
        super().__init__()
        _check(peak_learning_rate, warmup_steps)
        if isinstance(steps, float) or not steps >= warmup_steps:
            raise ValueError(
                "`steps` must be an integer of at least `warmup_steps`, "
                f"{warmup_steps}. Received: {steps!r}"
            )
        self.peak_learning_rate = peak_learning_rate
        self.warmup_steps, self.steps = warmup_steps, steps

    def __call__(self, step):
        update = ops.cast(step, "float32") + 1.0
        left = self.steps + 1.0
        rising = update / self.warmup_steps
        falling = (left - update) / (left - self.warmup_steps)
        factor = ops.maximum(ops.minimum(rising, falling), 0.0)
        return ops.cast(self.peak_learning_rate, "float32") * factor

    def get_config(self):
        return {
            "peak_learning_rate": self.peak_learning_rate,
            "warmup_steps": self.warmup_steps,
            "steps": self.steps,
        }


def _check(peak_learning_rate, warmup_steps):
    if not peak_learning_rate > 0:
        raise ValueError(
            "`peak_learning_rate` must be above 0. "
            f"Received: {peak_learning_rate!r}"
        )
    if isinstance(warmup_steps, float) or not warmup_steps >= 1:
        raise ValueError(
            "`warmup_steps` must be an integer of at least 1. "
            f"Received: {warmup_steps!r}"
        )
