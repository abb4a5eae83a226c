"""Docstrings of installed packages, as texts with summaries, offline."""

import ast
import functools
import gc
import importlib.util
import re
import sysconfig
import warnings
from pathlib import Path

import numpy as np

from keras_attention.data.errors import DataError

STANDARD_LIBRARY = "python"
# Those installed are read, in this order: of equal docstrings the first one
# counts, so that what is tested is never trained on.
SPLITS = {
    "test": ("matplotlib", "PIL"),
    "validation": ("nltk", "networkx"),
    "train": (
        "numpy",
        "scipy",
        "pandas",
        "sklearn",
        "keras",
        "keras_hub",
        "tensorflow",
        "tensorflow_datasets",
        "torch",
        "jax",
        STANDARD_LIBRARY,
        "sympy",
        "h5py",
        "rich",
        "tensorboard",
        "sacrebleu",
    ),
}
PACKAGES = tuple(name for names in SPLITS.values() for name in names)
MOST = {"train": 8_000, "validation": 1_000, "test": 1_000}
# Of the task to name a docstring's package: how the docstrings of each are
# divided, and how many it has.
_SHARES = {"train": (0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1)}
_FEWEST, _MOST_OF_ONE = 100, 500
_CLASSES = (
    "matplotlib",
    "numpy",
    "scipy",
    "sklearn",
    "keras",
    "tensorflow",
    STANDARD_LIBRARY,
)
LEAST = {"train": 1_000, "validation": 50, "test": 50}
FILES = 400  # files that are read of a package, evenly spread over it
FIRST_LINE_WORDS = (4, 20)
BODY_WORDS = (20, 60)
_LEFT_OUT = re.compile(r"tests?|testing|site-packages|_vendor|idlelib|lib2to3")
_SENTENCE = re.compile(r"""[A-Z][A-Za-z0-9 ,;:'"`()/_.*=+-]*\.""")
_DOCUMENTED = ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef


def load_docstrings(split):
    """Loads the bodies of docstrings and their first lines.

    Whole packages are in one split: what is tested is the documentation of
    packages that training has not seen. Which docstrings there are depends on
    the packages installed and their versions.

    Args:
        split: `"train"`, `"validation"` or `"test"`.

    Returns:
        Two lists of strings: bodies, which do not hold their first lines, and
        first lines.

    Raises:
        DataError: If the split is unknown, or the packages installed have too
            few docstrings.
    """
    if split not in SPLITS:
        raise DataError(
            "The docstrings have the splits train, validation and test. "
            f"Received: {split!r}"
        )
    # Those of splits that come before are read too, to leave out what equals.
    names = list(SPLITS)
    earlier = names[: names.index(split) + 1]
    rows = [
        row
        for row in read_docstrings(
            [x for name in earlier for x in SPLITS[name]]
        )
        if row[0] in SPLITS[split]
    ]
    if len(rows) < LEAST[split]:
        raise DataError(
            f"Only {len(rows)} docstrings for split {split!r} were found, of "
            f"at least {LEAST[split]}. Install some of the packages "
            f"{', '.join(SPLITS[split])} with their sources, or name another "
            "data set."
        )
    # RandomState, because NumPy has frozen its stream for good.
    chosen = np.random.RandomState(0).permutation(len(rows))[: MOST[split]]
    bodies = [rows[index][2] for index in chosen]
    return bodies, [rows[index][1] for index in chosen]


def load_labelled_docstrings(split):
    """Loads docstrings and the packages that they come from.

    Of each package that has enough, as many docstrings as of any other at
    most; those of the splits are different ones.

    Args:
        split: `"train"`, `"validation"` or `"test"`.

    Returns:
        Two lists of strings: docstrings, and names of packages.

    Raises:
        DataError: If the split is unknown, or fewer than three packages have
            enough docstrings.
    """
    if split not in _SHARES:
        raise DataError(
            "The docstrings have the splits train, validation and test. "
            f"Received: {split!r}"
        )
    texts = {}
    for package, first_line, body in read_docstrings(_CLASSES):
        texts.setdefault(package, []).append(f"{first_line} {body}")
    texts = {
        package: found
        for package, found in texts.items()
        if len(found) >= _FEWEST
    }
    if len(texts) < 3:
        raise DataError(
            "Only the packages "
            f"{', '.join(texts) or '(none)'} have {_FEWEST} docstrings or "
            "more, of at least three. Install more packages with their "
            "sources, or name another data set."
        )
    chosen, labels = [], []
    for package, found in texts.items():
        # RandomState, because NumPy has frozen its stream for good.
        order = np.random.RandomState(0).permutation(len(found))[:_MOST_OF_ONE]
        first, last = (round(x * len(order)) for x in _SHARES[split])
        chosen += [found[index] for index in order[first:last]]
        labels += [package] * (last - first)
    return chosen, labels


def read_docstrings(packages=PACKAGES):
    """Reads the docstrings of those packages that are installed.

    Nothing is imported: sources are parsed, each package's files in the order
    of their paths. A docstring counts whose first line is a sentence that
    stands alone, and whose body is of some length; what is beyond 60 words is
    cut off. One that begins, in its first line or its body, with the same
    letters as an earlier one is left out.

    Args:
        packages: names as in `import`; `"python"` is the standard library.

    Yields:
        `(package, first_line, body)`, the body with single spaces.
    """
    seen = set()
    for package in packages:
        for parts in _parts_of(package):
            keys = {_key(part) for part in parts}
            if not keys & seen:
                yield package, *parts
            seen |= keys


def _key(text):
    """What equal or almost equal texts begin with."""
    return re.sub(r"[^a-z]", "", text.lower())[:100]


@functools.cache  # parsing a large package takes seconds
def _parts_of(package):
    found = (_parts(docstring) for docstring in _docstrings_of(package))
    return [parts for parts in found if parts is not None]


def _parts(docstring):
    """Returns the first line and the body; None for what does not count."""
    first_line, *lines = docstring.strip().split("\n")
    if not lines or lines[0].strip():
        return None
    first_line = first_line.strip()
    words = " ".join(lines).split()
    body = " ".join(words[: BODY_WORDS[1]])
    if (
        FIRST_LINE_WORDS[0] <= len(first_line.split()) <= FIRST_LINE_WORDS[1]
        and len(words) >= BODY_WORDS[0]
        and _SENTENCE.fullmatch(first_line)
        and body.isascii()
        and first_line not in body
    ):
        return first_line, body
    return None


def _docstrings_of(package):
    for path in _files(package):
        try:
            tree = _parse(path.read_bytes())
        except (OSError, ValueError, SyntaxError, RecursionError):
            continue
        for node in _documented(tree):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring


def _parse(source):
    # A tree of many objects, none of them garbage: looking for some would
    # take most of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other people's code
            return ast.parse(source)
    finally:
        if collects:
            gc.enable()


def _documented(node):
    """Yields a module, and the classes and functions in it, in order."""
    if isinstance(node, _DOCUMENTED):
        yield node
    for child in getattr(node, "body", []):
        if hasattr(child, "body"):
            yield from _documented(child)


def _files(package):
    folder = _folder(package)
    if folder is None:
        return []
    paths = sorted(
        path
        for path in folder.rglob("*.py")
        if not any(
            _LEFT_OUT.fullmatch(part) for part in path.relative_to(folder).parts
        )
    )
    return paths[:: -(-len(paths) // FILES) or 1]


def _folder(package):
    if package == STANDARD_LIBRARY:
        return Path(sysconfig.get_path("stdlib"))
    # Of a name without dots this finds the package and does not import it.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
