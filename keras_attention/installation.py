"""What the first import says of an installation that is not right.

Another project's distribution, keras-attention (1.0.0, of 2019), installs a
folder `keras_attention` too. Installed before ours, it leaves modules in this
folder; installed after it, it replaces `__init__.py`, and then its first line
imports `settings`, which is a folder here, and a folder is found before a
file of the same name.
"""

import importlib.util
import warnings
from pathlib import Path

from keras_attention import optional, start_up

_FOLDER = Path(__file__).parent
_BACKENDS = ("tensorflow", "jax", "torch")
FOREIGN = ("self_attention.py", "settings.py")
REPAIR = (
    "Uninstalling it takes files of this one with it, so do both: "
    "pip uninstall keras-attention, then "
    "pip install --force-reinstall --no-deps keras-attention-zoo"
)


def check():
    """Warns of another project's files, and imports Keras with its backend.

    Raises:
        ImportError: if the backend is missing.
    """
    found = foreign_files(_FOLDER)
    if found:
        warnings.warn(
            "The distribution keras-attention, another project than this one "
            f"(keras-attention-zoo), has put {' and '.join(found)} into "
            f"{_FOLDER}. {REPAIR}",
            stacklevel=3,
        )
    try:
        with start_up.without_own_lines():
            import keras  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name not in _BACKENDS:
            raise
        # Keras' own traceback is long and says no more.
        raise ImportError(
            _missing_backend(error.name), name=error.name
        ) from None


def foreign_files(folder):
    """Names the files of the other project that lie in a folder."""
    return [name for name in FOREIGN if (folder / name).exists()]


def _missing_backend(name):
    others = [x for x in _BACKENDS if x != name and importlib.util.find_spec(x)]
    message = (
        f"Keras is set to the backend {name}, which is not installed: "
        f"{optional.command(name)}"
    )
    if others:
        message += (
            f", or set the environment variable KERAS_BACKEND to "
            f"{' or '.join(others)}"
        )
    return message
