"""The memory that training a model with Adam takes."""

import math

from keras_attention.memory import bytes_of, check_memory


def check_adam_memory(model):
    """Refuses to train a model for which the memory does not suffice.

    For each weight that is trained there are its gradient and Adam's two
    moments besides: four times the memory, activations not counted.

    Args:
        model: a built model.

    Raises:
        ValueError: if this machine has less.
    """
    count = sum(math.prod(weight.shape) for weight in model.weights)
    needed = sum(
        bytes_of(math.prod(weight.shape), weight.dtype)
        * (4 if weight.trainable else 1)
        for weight in model.weights
    )
    check_memory(
        f"The {count:,} weights of the model, with the gradients and Adam's "
        "two moments of those that are trained,",
        needed,
    )
