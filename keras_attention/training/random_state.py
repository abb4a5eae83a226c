"""The random state that lies outside a model's own variables."""

import random

import keras
import numpy as np
from keras.src import backend
from keras.src.backend.common import global_state
from keras.src.random import seed_generator


def capture():
    """Reads the states of the process-wide random generators.

    These are Python's and NumPy's, the generator that Keras uses where no
    seed is given, and on the torch backend PyTorch's, from which Keras draws
    unseeded dropout.

    Returns:
        A dictionary that JSON can hold.
    """
    version, internal, gauss = random.getstate()
    name, keys, *rest = np.random.get_state()
    state = {
        "python": [version, list(internal), gauss],
        "numpy": [name, keys.tolist(), *rest],
    }
    # Asking through Keras' own function would make one, and draw from
    # Python's generator for it.
    unseeded = global_state.get_global_attribute(
        seed_generator.GLOBAL_SEED_GENERATOR
    )
    if unseeded is not None:
        state["keras"] = backend.convert_to_numpy(unseeded.state).tolist()
    if keras.backend.backend() == "torch":
        import torch

        state["torch"] = torch.get_rng_state().tolist()
    return state


def restore(state):
    """Puts back what `capture` read.

    Args:
        state: the dictionary that `capture` returned.
    """
    if "keras" in state:
        seed_generator.global_seed_generator().state.assign(state["keras"])
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    np.random.set_state(tuple(state["numpy"]))
    if "torch" in state and keras.backend.backend() == "torch":
        import torch

        torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
