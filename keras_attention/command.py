"""The console command `keras-attention`: runs recipes, and copies them."""

import argparse
import ast
import difflib
import runpy
import sys
from pathlib import Path

from keras_attention import optional
from keras_attention.printing import visible

_INSTALLED = Path(__file__).parent / "_recipes"  # where a wheel has them
_CHECKOUT = Path(__file__).parents[1] / "recipes"
_COPY = "copy"
_USAGE = """\
usage: keras-attention RECIPE ...             runs a recipe
       keras-attention RECIPE --help          says what it can do
       keras-attention copy RECIPE [FOLDER]   writes it there, to be changed

recipes:
"""


def main(arguments=None):
    """Runs a recipe with its own arguments, or copies it.

    Args:
        arguments: list of strings; those of the process by default.
    """
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["-h"]
    try:
        recipes = find_recipes()
        if name in ("-h", "--help"):
            print(_help(recipes))
            return
        if name == _COPY:
            _copy(recipes, rest)
            return
        path = _choose(recipes, name, [*recipes, _COPY])
    except (OSError, ValueError) as error:
        _fail(error)
    _run(path, rest)


def find_recipes():
    """Finds the recipes that the wheel brought, or those of the checkout.

    Returns:
        Dictionary from the name of each to its path.

    Raises:
        ValueError: if there are none.
    """
    for folder in (_INSTALLED, _CHECKOUT):
        paths = filter(_is_script, sorted(folder.glob("*.py")))
        recipes = {path.stem: path for path in paths}
        if recipes:
            return recipes
    raise ValueError(f"There are no recipes in {_INSTALLED} or {_CHECKOUT}.")


def _is_script(path):
    return '\nif __name__ == "__main__":\n' in path.read_text(encoding="utf-8")


def _help(recipes):
    width = max(map(len, recipes))
    lines = [
        f"  {name:{width}}  {_first_line(path)}"
        for name, path in recipes.items()
    ]
    return _USAGE + "\n".join(lines)


def _first_line(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def _choose(recipes, name, known):
    path = recipes.get(name.replace("-", "_"))
    if path is None:
        near = difflib.get_close_matches(name, known, n=1)
        raise ValueError(
            f"There is no recipe {name!r}. "
            f"{f'Did you mean {near[0]!r}? ' if near else ''}"
            f"Known: {', '.join(known)}."
        )
    return path


def _run(path, arguments):
    # As of `python recipe.py`, whose folder comes first.
    sys.path.insert(0, str(path.parent))
    sys.argv[1:] = arguments
    try:
        runpy.run_path(str(path), run_name="__main__")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in optional.EXTRAS:
            raise
        recipe = f"The recipe {path.stem}"
        _fail(optional.missing(package, recipe, "recipes", error))


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(f"{message}. Try: {self.prog} --help")


def _copy(recipes, arguments):
    parser = _Parser(
        prog=f"keras-attention {_COPY}",
        description="Writes a recipe into a folder of yours, to be changed.",
    )
    parser.add_argument("recipe", help=", ".join(recipes))
    parser.add_argument("folder", nargs="?", default=".", type=Path)
    options = parser.parse_args(arguments)
    source = _choose(recipes, options.recipe, list(recipes))
    options.folder.mkdir(parents=True, exist_ok=True)
    target = options.folder / source.name
    try:
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except FileExistsError as error:
        raise ValueError(
            f"{target} is there already. Name another folder: keras-attention "
            f"{_COPY} {source.stem} FOLDER"
        ) from error
    print(f"Wrote {visible(target)}. Try: python {visible(target)} --help")


def _fail(error):
    print(f"error: {visible(error)}", file=sys.stderr)
    sys.exit(2)
