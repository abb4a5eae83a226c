"""The layout of the package: what may import what, and how large files are."""

import ast
import pathlib

import pytest

import keras_attention

ROOT = pathlib.Path(keras_attention.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(ROOT.rglob("*.py"))
}
# From the bottom up: a file imports from its own entry and those before it.
# Modules of the root stand at the bottom.
ORDER = [
    "positions.base",
    "positions.core",
    "positions.families",
    "positions",
    "attention.core",
    "attention.base",
    "attention.families",
    "attention",
    "layers",
    "zoo",
    "models",
    "generation",
    "data",
    "export",
    "tasks",
    "training",
    "visualization",
    "runs",
]
# Those that import neither each other nor what stands from export/ on.
BESIDE = {"training", "visualization"}
FAMILIES = {
    "attention": {
        "exact",
        "windows",
        "sparse",
        "linear",
        "recurrent",
        "reduced",
    },
    "positions": {"absolute", "rotary", "bias", "relative"},
}
# A pooled sequence is scored exactly.
ALLOWED = {("attention.reduced", "attention.exact.base")}
MOST_FILES, MOST_LINES = 16, 300
MOST_LINES_OF_A_FAMILY = 80  # of the zoo


def place(module):
    """The entry of `ORDER` that a module belongs to; None for the root's."""
    folder, *rest = module.split(".")
    if folder in FAMILIES and rest:
        if rest[0] in FAMILIES[folder]:
            return f"{folder}.families"
        if f"{folder}.{rest[0]}" in ORDER:
            return f"{folder}.{rest[0]}"
    return folder if folder in ORDER else None


def family(module):
    """The family of a module, `attention.exact` for example, or None."""
    folder, *rest = module.split(".")
    if rest and rest[0] in FAMILIES.get(folder, ()):
        return f"{folder}.{rest[0]}"
    return None


def imports(path):
    """The modules of the package that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner.removeprefix("keras_attention.") in MODULES:
                    names.append(inner)
        else:
            continue
        for name in names:
            if name.startswith("keras_attention."):
                yield name.removeprefix("keras_attention.")


def named(modules):
    """Modules by name, without the file that re-exports all of them."""
    return [m for m in modules if m not in ("__init__", "__main__")]


@pytest.mark.parametrize("module", named(MODULES))
def test_no_import_runs_upwards(module):
    own = place(module)
    found = list(imports(MODULES[module]))
    if own is None:
        # The root's modules are for all folders, and know none of them.
        assert not [name for name in found if place(name) is not None]
        return
    for name in found:
        other = place(name)
        if other is None or other == own:
            continue
        assert ORDER.index(other) < ORDER.index(own), name
        if own in BESIDE:
            assert ORDER.index(other) < ORDER.index("export"), name


@pytest.mark.parametrize("module", [m for m in MODULES if family(m)])
def test_no_family_imports_another(module):
    own = family(module)
    others = [
        name
        for name in imports(MODULES[module])
        if family(name) not in (None, own)
        and name.startswith(own.split(".")[0])
        and not any(
            own == user and name.startswith(used) for user, used in ALLOWED
        )
    ]
    assert not others


@pytest.mark.parametrize("folder", FAMILIES)
def test_a_folder_of_families_holds_little_else(folder):
    files = {path.name for path in (ROOT / folder).glob("*.py")}
    assert files <= {"__init__.py", "base.py", "choice.py"}
    folders = {
        path.name
        for path in (ROOT / folder).iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    assert folders == {"core", *FAMILIES[folder]}
    for name in folders:
        assert len(list((ROOT / folder / name).glob("*.py"))) <= MOST_FILES


def test_files_are_short():
    long = {
        path.relative_to(ROOT).as_posix()
        for path in MODULES.values()
        if len(path.read_text().splitlines()) > MOST_LINES
    }
    assert not long


def test_families_of_the_zoo_are_declared_in_a_few_lines():
    long = {
        path.name
        for path in (ROOT / "zoo").glob("*.py")
        if path.name != "__init__.py"
        and len(path.read_text().splitlines()) > MOST_LINES_OF_A_FAMILY
    }
    assert not long


def test_calls_take_no_starred_literals():
    """A call is written with its arguments: `f(a, b)`, not `f(*(a, b))`."""
    found = [
        f"{name}:{argument.lineno}"
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        for argument in node.args
        if isinstance(argument, ast.Starred)
        and isinstance(argument.value, ast.Tuple | ast.List)
    ]
    assert not found
