"""What is not installed is named where it is needed, with its extra."""

import ast
import importlib.metadata
import json
import re
import sys
import tomllib

import pytest

from keras_attention import optional
from tests.tools import BACKEND, ROOT, run_python

PACKAGE = ROOT / "keras_attention"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BACKENDS = {"tensorflow", "jax", "torch"}
# The graphs of exports are built on TensorFlow's classes. Nothing imports
# these files but a function that exports.
GRAPHS = {
    "classifier_graphs.py",
    "graph_parts.py",
    "id_graphs.py",
    "text_generator_graph.py",
    "text_graphs.py",
    "text_rows.py",
    "sound_graph.py",
    "source_to_text_graph.py",
}
# It extends Jinja's classes; only a template's constructor imports it.
SANDBOX = "template_sandbox.py"


def imports(tree):
    """Finds `(package, whether at the top level)` of all import statements."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [node.module]
        for name in names:
            yield name.partition(".")[0], id(node) not in inside


def parsed_files():
    for path in sorted(PACKAGE.rglob("*.py")):
        if "_recipes" not in path.parts:
            yield path, ast.parse(path.read_text("utf-8"))


def needed_by_keras():
    return {
        re.match(r"[\w-]+", line)[0].replace("-", "_")
        for line in importlib.metadata.requires("keras")
    }


def is_graph(path):
    """Whether a file is imported for graphs of TensorFlow alone."""
    *_, above, folder, name = path.parts
    in_folder = above == "export" and folder in ("tokenizers", "tokens")
    return name in GRAPHS or in_folder


def test_no_file_imports_an_optional_package_by_a_statement():
    core = {"keras_attention", "keras", "numpy", *needed_by_keras()}
    core |= sys.stdlib_module_names
    seen = set()
    for path, tree in parsed_files():
        # A branch for the backend in use imports what Keras has imported.
        allowed = core | (set() if is_graph(path) else BACKENDS)
        for name, is_top in imports(tree):
            seen.add(name)
            if is_graph(path) and name == "tensorflow":
                continue
            if path.name == SANDBOX and name == "jinja2":
                continue
            assert name in allowed, f"{path} imports {name}"
            assert not (is_top and name in BACKENDS), f"{path}: {name}"
    assert {"keras", "numpy", "h5py", *BACKENDS} <= seen


@pytest.mark.full
def test_the_graphs_are_imported_by_functions_of_the_export_alone():
    modules = {name.removesuffix(".py") for name in GRAPHS}
    found = set()
    for path, tree in parsed_files():
        if is_graph(path):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                module = node.module.rpartition(".")[-1]
                if module in modules:
                    found.add(module)
                    assert path.parent.name == "export"
                    assert node.col_offset > 0, path
    assert found == modules - {"graph_parts", "text_rows"}


def calls_of_load():
    for path, tree in parsed_files():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "optional.load",
                "optional.check",
            ):
                yield path, node


@pytest.mark.full
def test_every_package_that_is_loaded_has_an_extra():
    loaded = set()
    for path, call in calls_of_load():
        if isinstance(call.args[0], ast.Constant):
            package = call.args[0].value.partition(".")[0]
            assert package in optional.EXTRAS, path
            loaded.add(package)
    assert loaded >= {"matplotlib", "PIL", "sklearn", "sentencepiece"}


DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}


def required(extra):
    """The distributions that an extra brings, through other extras too."""
    found = set()
    for line in PROJECT["optional-dependencies"][extra]:
        name, others = re.match(r"([\w-]+)(?:\[([\w,-]+)\])?", line).groups()
        if name == PROJECT["name"]:
            found = found.union(*map(required, others.split(",")))
        else:
            found.add(name.replace("_", "-"))
    return found


@pytest.mark.parametrize("package", sorted(optional.EXTRAS))
def test_the_extra_that_is_named_brings_the_package(package):
    distribution = DISTRIBUTIONS.get(package, package.replace("_", "-"))
    assert distribution in required(optional.EXTRAS[package])


def test_the_core_needs_keras_and_numpy_alone():
    names = [re.match(r"[\w-]+", x)[0] for x in PROJECT["dependencies"]]
    assert names == ["keras", "numpy"]


def test_larger_extras_hold_the_smaller_ones():
    extras = PROJECT["optional-dependencies"].keys() - {
        *("all", "cuda", "jax", "oracles", "test", "torch"),
    }
    assert required("all") == set().union(*map(required, extras))
    assert required("test") > required("all")
    assert required("recipes") >= required("text") | required("vision")


def test_the_command_names_this_distribution():
    assert optional.command("jax") == f'pip install "{PROJECT["name"]}[jax]"'


def test_load_gives_the_module():
    assert optional.load("json.decoder", "Anything") is json.decoder


def test_a_broken_package_is_told_from_a_missing_one(tmp_path, monkeypatch):
    (tmp_path / "tyro.py").write_text("import no_such_module\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tyro", raising=False)
    with pytest.raises(ImportError) as caught:
        optional.load("tyro", "The command line")
    assert str(caught.value) == (
        "The command line needs the package tyro, which cannot be imported "
        "(No module named 'no_such_module'): "
        'pip install "keras-attention-zoo[recipes]"'
    )


# Everything optional but the backend is missing; the message of each call.
MISSING = """
import json, pathlib, sys
blocked, folder = json.loads(sys.argv[1]), pathlib.Path(sys.argv[2])
sys.modules.update(dict.fromkeys(blocked))
import numpy as np
import keras_attention
import keras_attention.data, keras_attention.export, keras_attention.tasks
import keras_attention.generation, keras_attention.training
from keras_attention.data import SentencePieceTokenizer, load_parallel
from keras_attention.data.images.loading import load_images
from keras_attention.export.saved_model import write_saved_model
from keras_attention.visualization.plot import _figure, font_families

image = folder / "train" / "a" / "b.png"
image.parent.mkdir(parents=True)
image.write_bytes(b"")
calls = {
    "demo": lambda: load_parallel("demo", "train", "en", "de"),
    "tfds": lambda: load_parallel("tfds:a", "train", "en", "de"),
    "tokenizer": lambda: SentencePieceTokenizer.train(["a b"], 9),
    "digits": lambda: load_images("demo", "train"),
    "images": lambda: load_images(f"files:{folder}", "train"),
    "figure": lambda: _figure(1, 1, 1, 1),
    "fonts": font_families,
    "export": lambda: write_saved_model(None, folder / "x", None),
    "images_export": lambda: write_saved_model(
        None, folder / "x", None, with_text=False
    ),
}
for name, call in calls.items():
    try:
        call()
        print(json.dumps([name, "nothing"]))
    except Exception as error:
        print(json.dumps([name, f"{type(error).__name__}: {error}"]))
"""
MESSAGES = {
    "demo": ("The demo", "num2words", "text"),
    "tfds": ("'tfds:'", "importlib_resources", "datasets"),
    "tokenizer": ("SentencePieceTokenizer", "sentencepiece", "text"),
    "digits": ("The demo of digits", "sklearn", "vision"),
    "images": ("Reading images", "PIL", "vision"),
    "figure": ("plot_attention", "matplotlib", "plots"),
    "fonts": ("plot_attention", "matplotlib", "plots"),
}


def test_each_use_names_the_missing_package_and_its_extra(tmp_path):
    blocked = sorted(optional.EXTRAS.keys() - {BACKEND})
    printed = run_python(MISSING, json.dumps(blocked), tmp_path)
    found = dict(map(json.loads, printed.splitlines()))
    messages = dict(MESSAGES)
    if BACKEND == "tensorflow":
        messages["export"] = ("The export", "tensorflow_text", "export")
    else:
        messages["export"] = ("The export", "tensorflow", "export")
        messages["images_export"] = ("The export", "tensorflow", "tensorflow")
    for name, (purpose, package, extra) in messages.items():
        assert found[name] == (
            f"ImportError: {purpose} needs the package {package}: "
            f'pip install "keras-attention-zoo[{extra}]"'
        )
