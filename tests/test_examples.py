"""The examples in the docstrings of public classes run, and say the truth."""

import ast
import builtins
import inspect
import re

import keras
import pytest

import keras_attention
from keras_attention import tasks

PUBLIC = {
    name: cls
    for module in (keras_attention, tasks)
    for name, cls in vars(module).items()
    if inspect.isclass(cls) and cls.__module__.startswith("keras_attention.")
}


def blocks(cls):
    """Python code in the documentation of a class, before and in `Example:`."""
    documentation = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    before, _, example = documentation.partition("\nExample:\n")
    return [
        re.findall(r"```python\n(.*?)```", part, re.DOTALL)
        for part in (before, example)
    ]


def run(code, **names):
    """Runs code; what an expression's comment says has to be its value."""
    lines = code.splitlines()
    for node in ast.parse(code).body:
        decorators = getattr(node, "decorator_list", [])
        first = min(part.lineno for part in (node, *decorators))
        source = "\n".join(lines[first - 1 : node.end_lineno])
        told = re.search(r"  # (.*)$", source)
        if not isinstance(node, ast.Expr):
            exec(compile(source, "example", "exec"), names)
            continue
        value = eval(
            compile(ast.Expression(node.value), "example", "eval"), names
        )
        if told is not None:
            expected = ast.literal_eval(told[1])
            if isinstance(expected, tuple):
                value = tuple(value)
            assert value == expected, source


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_class_has_an_example_that_runs(
    name, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    _, found = blocks(PUBLIC[name])
    assert found, f"{name} has no example"
    for code in found:
        run(code)


@pytest.mark.full
def test_code_in_the_text_runs_where_it_needs_nothing_of_the_readers_own():
    known = {**vars(builtins), **PUBLIC, "keras": keras}
    for cls in PUBLIC.values():
        for code in blocks(cls)[0]:
            names = [
                node
                for node in ast.walk(ast.parse(code))
                if isinstance(node, ast.Name)
            ]
            made = {x.id for x in names if isinstance(x.ctx, ast.Store)}
            missing = {x.id for x in names} - made - set(known)
            # What is missing has to be the reader's own, no class of ours.
            assert all(name.islower() for name in missing), missing
            if not missing:
                run(code, **PUBLIC, keras=keras)


def test_a_comment_that_is_wrong_fails():
    run("x = (1, 2)\nx  # (1, 2)")
    with pytest.raises(AssertionError):
        run("x = (1, 2)\nx  # (1, 3)")
