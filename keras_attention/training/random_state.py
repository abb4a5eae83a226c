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
        state: the dictionary that `capture` returned, after `check`.
    """
    if "keras" in state:
        seed_generator.global_seed_generator().state.assign(state["keras"])
    random.setstate(_python_state(state))
    np.random.set_state(tuple(state["numpy"]))
    if "torch" in state and keras.backend.backend() == "torch":
        import torch

        torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))


def check(state):
    """Refuses what `capture` cannot have returned, on this backend.

    Args:
        state: a dictionary.

    Raises:
        ValueError: names the generator whose state is missing or wrong.
    """
    checks = {"python": _check_python, "numpy": _check_numpy}
    if "keras" in state:  # there is none where all have seeds
        checks["keras"] = _check_keras
    if keras.backend.backend() == "torch":
        checks["torch"] = _check_torch
    for name, check_state in checks.items():
        try:
            check_state(state)
        # Each generator raises its own.
        except Exception as error:
            raise ValueError(
                f"the state of the random generator {name!r} is missing or "
                f"wrong ({error!r})"
            ) from error


def _python_state(state):
    version, internal, gauss = state["python"]
    return version, tuple(internal), gauss


def _check_python(state):
    generator = random.Random()
    generator.setstate(_python_state(state))
    generator.gauss()


def _check_numpy(state):
    name, keys, place, has_gauss, gauss = state["numpy"]
    # NumPy reads its 624 integers at this place, wherever it is.
    if not 0 <= place <= len(keys):
        raise ValueError(f"there is no integer {place}")
    generator = np.random.RandomState()
    generator.set_state((name, keys, place, has_gauss, gauss))


def _check_keras(state):
    values = np.array(state["keras"], backend.random_seed_dtype())
    if values.shape != (2,) or values.tolist() != state["keras"]:
        raise ValueError("it is of no two integers")


def _check_torch(state):
    import torch

    generator = torch.Generator()
    generator.set_state(torch.tensor(state["torch"], dtype=torch.uint8))
