"""Where chat templates run. It imports Jinja."""

import contextvars
import datetime
import functools
import json

from jinja2 import ext, nodes, pass_eval_context
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

# A chat of a thousand messages takes a small fraction of either.
MOST_STEPS = 1_000_000
LONGEST = 10_000_000
# Filters that make something as long as a number says.
_SIZING = {"batch", "center", "indent", "slice", "truncate", "wordwrap"}
_SIZED = (str, bytes, list, tuple, dict, range)
_steps = contextvars.ContextVar("steps")


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment of Jinja for templates that nobody here wrote.

    It renders as `transformers` does. Beyond what Jinja's sandbox refuses, it
    counts steps and characters, so that no template runs for long or fills the
    memory.
    """

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self):
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, ext.loopcontrols],
            finalize=_counted_output,
        )
        self.code_generator_class = _CountingGenerator
        self.filters["tojson"] = _to_json
        self.filters = {
            name: _guarded(function, name in _SIZING)
            for name, function in self.filters.items()
        }
        self.filters |= {"_each": _each, "_join": _join}
        self.globals |= {
            "raise_exception": _raise,
            "strftime_now": lambda x: datetime.datetime.now().strftime(x),
            "dict": lambda *items, **more: dict(*items, **more),
            "namespace": _Namespace,
        }
        # It makes text of any length.
        del self.globals["lipsum"]

    def render(self, template, variables):
        """Renders a template, counting its steps.

        Args:
            template: from `from_string`.
            variables: dictionary.
        """
        token = _steps.set([0])
        try:
            return template.render(variables)
        finally:
            _steps.reset(token)

    def call(self, context, function, *arguments, **keywords):
        owner = getattr(function, "__self__", None)
        _spend(owner, *arguments, *keywords.values())
        if isinstance(owner, (str, bytes)):
            _check_sizes(*arguments, *keywords.values())
        found = super().call(context, function, *arguments, **keywords)
        return _checked(found)

    def call_binop(self, context, operator, left, right):
        _spend(left, right)
        if operator == "*":
            _check_product(left, right)
            _check_product(right, left)
        if operator == "**" and (abs(left) > LONGEST or abs(right) > 64):
            raise SecurityError(f"the power {left} ** {right} is too large")
        return _checked(super().call_binop(context, operator, left, right))

    def unsafe_undefined(self, value, attribute):
        # Jinja's own is silent until it is used.
        raise SecurityError(
            f"access to attribute {attribute!r} of {type(value).__name__!r} "
            "object is unsafe"
        )


class _CountingGenerator(CodeGenerator):
    """Compiles templates whose loops and concatenations are counted."""

    def visit_Template(self, node, frame=None):
        for loop in node.find_all(nodes.For):
            loop.iter = _filter(loop.iter, "_each")
        _replace_concatenations(node)
        super().visit_Template(node, frame)


class _Generation(ext.Extension):
    """Marks what an assistant said, which changes nothing in the text."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        call = self.call_method("_content")
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    @pass_eval_context
    def _content(self, context, caller):
        return caller()


class _Namespace(Namespace):
    """A namespace whose names do not reach into Python."""

    def __init__(*arguments, **names):
        self, *given = arguments
        names = dict(*given, **names)
        for name in names:
            _check_name(name)
        Namespace.__init__(self, names)

    def __setitem__(self, name, value):
        _check_name(name)
        super().__setitem__(name, value)


def _check_name(name):
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"the name {name!r} begins with an underscore")


def _filter(node, name, arguments=()):
    made = nodes.Filter(node, name, list(arguments), [], None, None)
    return made.set_lineno(node.lineno).set_environment(node.environment)


def _replace_concatenations(node):
    """Replaces `a ~ b` by a filter, in a whole tree."""
    for field, value in node.iter_fields():
        values = value if isinstance(value, list) else [value]
        found = []
        for child in values:
            if isinstance(child, nodes.Node):
                _replace_concatenations(child)
            if isinstance(child, nodes.Concat):
                first, *others = child.nodes
                child = _filter(first, "_join", others)
            found.append(child)
        setattr(node, field, found if isinstance(value, list) else found[0])


def _guarded(function, is_sizing):
    @functools.wraps(function)
    def run(*arguments, **keywords):
        _spend(*arguments, *keywords.values())
        if is_sizing:
            _check_sizes(*arguments, *keywords.values())
        return _checked(function(*arguments, **keywords))

    return run


def _spend(*values):
    """Counts a step, and those over what is worked through."""
    # Jinja computes constants while it compiles.
    spent = _steps.get([0])
    sizes = [len(value) for value in values if isinstance(value, _SIZED)]
    spent[0] += 1 + sum(sizes) // 100
    if spent[0] > MOST_STEPS:
        raise SecurityError(f"it takes more than {MOST_STEPS:,} steps")


def _check_sizes(*values):
    for value in values:
        if isinstance(value, int) and abs(value) > LONGEST:
            raise SecurityError(f"{value} is larger than {LONGEST:,}")


def _checked(value):
    if isinstance(value, _SIZED) and len(value) > LONGEST:
        raise SecurityError(f"a value is longer than {LONGEST:,}")
    return value


def _check_product(value, count):
    if isinstance(value, _SIZED) and len(value) * count > LONGEST:
        raise SecurityError(f"a value is longer than {LONGEST:,}")


def _counted_output(value):
    _spend(value)
    spent = _steps.get([0])
    if isinstance(value, str):
        spent[0] += len(value)
    return value


def _each(values):
    for value in values:
        _spend()
        yield value


def _join(first, *others):
    parts = [str(part) for part in (first, *others)]
    _spend(*parts)
    return _checked("".join(parts))


def _raise(message):
    raise TemplateError(message)


def _to_json(
    value, ensure_ascii=False, indent=None, separators=None, sort_keys=False
):
    # That of Jinja escapes what HTML would read.
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
