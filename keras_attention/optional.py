"""Packages that not everyone has installed, and the extras that bring them."""

import importlib.util

# The extra of pyproject.toml that brings each, the smallest that does.
EXTRAS = {
    "PIL": "vision",
    "ctranslate2": "ctranslate2",
    "datasets": "hf",
    "gensim": "recipes",
    "huggingface_hub": "hub",
    "importlib_resources": "datasets",
    "jax": "jax",
    "jinja2": "text",
    "keras_hub": "benchmarks",
    "matplotlib": "plots",
    "nltk": "recipes",
    "num2words": "text",
    "pyarrow": "parquet",
    "rouge_score": "recipes",
    "sacrebleu": "recipes",
    "sentencepiece": "text",
    "scipy": "audio",
    "sklearn": "vision",
    "tensorboard": "recipes",
    "tensorflow": "tensorflow",
    "tensorflow_datasets": "datasets",
    "tensorflow_text": "export",
    "tokenizers": "text",
    "torch": "torch",
    "tyro": "recipes",
}


def load(name, purpose, extra=None):
    """Imports an optional package where it is used.

    ```python
    tyro = optional.load("tyro", "The command line")
    ```

    Args:
        name: of the module, with dots for one inside a package.
        purpose: what needs it, the beginning of a sentence.
        extra: the extra to name if the package is missing, where what needs
            it needs more than the package; by default that of `EXTRAS`.

    Returns:
        The module.

    Raises:
        ImportError: if the package is missing or cannot be imported; it names
            the package, what needs it, and the command that installs it.
    """
    package = name.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            missing(package, purpose, extra, error), name=package
        ) from error


def check(name, purpose, extra=None):
    """Refuses what `load` would, without importing the package.

    For what another process will import.

    Args: as of `load`.

    Raises:
        ImportError: if the package is missing.
    """
    if importlib.util.find_spec(name) is None:
        raise ImportError(missing(name, purpose, extra), name=name)


def missing(package, purpose, extra=None, error=None):
    """Says what needs a package, and how to install it.

    Args:
        package: name of the package, as it is imported.
        purpose, extra: as of `load`.
        error: the `ImportError`. Its own words are kept if it is of another
            package or of a broken one.

    Returns:
        One sentence.
    """
    reason = ""
    is_absent = isinstance(error, ModuleNotFoundError) and error.name == package
    if error is not None and not is_absent:
        reason = f", which cannot be imported ({error})"
    return (
        f"{purpose} needs the package {package}{reason}: "
        f"{command(extra or EXTRAS[package])}"
    )


def command(extra):
    """The command that installs an extra."""
    return f'pip install "keras-attention-zoo[{extra}]"'
