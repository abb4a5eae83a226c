"""The examples in the docstrings of public classes run, and say the truth."""

import ast
import builtins
import inspect
import re

import keras
import pytest

import keras_attention
from keras_attention import data, tasks
from keras_attention.zoo.core import hub
from tests.tiny_hub import fetch_into
from tests.tools import only

PUBLIC = {
    name: cls
    for module in (keras_attention, tasks)
    for name, cls in vars(module).items()
    if inspect.isclass(cls) and cls.__module__.startswith("keras_attention.")
}

# They take seconds; most of what they show has tests of its own.
SLOW = {"CausalLM", "ImageToText", "RecurrentEncoderDecoder", "SpeechToText"}

HUB = {
    name: thing
    for module in (keras_attention, tasks, data)
    for name, thing in vars(module).items()
    if hasattr(thing, "__module__")
    and thing.__module__.startswith("keras_attention.")
    and hub.SCHEME in (inspect.getdoc(thing) or "").partition("Example:")[2]
}


def blocks(cls):
    """Python code in the documentation of a class, before and in `Example:`."""
    # Of a class, not what it would inherit.
    own = vars(cls).get("__doc__") if inspect.isclass(cls) else cls.__doc__
    documentation = inspect.cleandoc(own or "")
    before, _, example = documentation.partition("\nExample:\n")
    return [
        re.findall(r"```python\n(.*?)```", part, re.DOTALL)
        for part in (before, example)
    ]


@pytest.fixture
def without_network(tmp_path, monkeypatch):
    """Gives tiny models with tokenizers for handles of the hub."""
    monkeypatch.setattr(hub, "fetch", fetch_into(tmp_path))
    monkeypatch.chdir(tmp_path)


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


@pytest.mark.parametrize("name", only(set(PUBLIC) - SLOW, PUBLIC))
def test_every_public_class_has_an_example_that_runs(name, without_network):
    _, found = blocks(PUBLIC[name])
    assert found, f"{name} has no example"
    for code in found:
        run(code)


@pytest.mark.parametrize("name", sorted(HUB.keys() - PUBLIC.keys()))
def test_examples_that_read_the_hub_run(name, without_network):
    _, found = blocks(HUB[name])
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
