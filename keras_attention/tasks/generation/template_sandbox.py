"""Where chat templates run. It imports Jinja."""

import datetime
import functools
import json

from jinja2 import ext, nodes, pass_eval_context
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from keras_attention.tasks.generation import template_limits as limits

_SIZED = (str, bytes, list, tuple, dict, range)


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
            name: _guarded(function, name)
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
        token = limits.begin()
        try:
            return template.render(variables)
        finally:
            limits.end(token)

    def call(self, context, function, *arguments, **keywords):
        owner = getattr(function, "__self__", None)
        _spend(owner, *arguments, *keywords.values())
        if isinstance(owner, (str, bytes)):
            arguments = [_listed(x) for x in arguments]
            given = [*arguments, *keywords.values()]
            limits.check_method(owner, function.__name__, given)
        found = super().call(context, function, *arguments, **keywords)
        return limits.check(found)

    def wrap_str_format(self, value):
        run = super().wrap_str_format(value)
        if run is None:
            return None

        def checked(*arguments, **keywords):
            given = [*arguments, *keywords.values()]
            limits.check_method(value.__self__, value.__name__, given)
            return run(*arguments, **keywords)

        return checked

    def call_binop(self, context, operator, left, right):
        _spend(left, right)
        limits.check_operator(operator, left, right)
        found = super().call_binop(context, operator, left, right)
        return limits.check(found)

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

    def __repr__(self):
        # That of Jinja shows all that it holds, however long.
        return "<Namespace>"


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


def _guarded(function, name):
    # Some get the environment, or the like, before their value.
    first = int(hasattr(function, "jinja_pass_arg"))

    @functools.wraps(function)
    def run(*arguments, **keywords):
        _spend(*arguments, *keywords.values())
        arguments = [_listed(x) for x in arguments]
        value, *others = arguments[first:]
        limits.check_filter(name, value, [*others, *keywords.values()])
        return limits.check(function(*arguments, **keywords))

    return run


def _listed(value):
    """Makes a list of an iterator, whose length nobody knows."""
    return list(_each(value)) if hasattr(value, "__next__") else value


def _spend(*values):
    """Counts a step, and those over what is worked through."""
    sizes = [len(value) for value in values if isinstance(value, _SIZED)]
    limits.spend(1 + sum(sizes) // 100)


def _counted_output(value):
    limits.spend(limits.weight(value))
    return value


def _each(values):
    for value in values:
        _spend()
        yield value


def _join(first, *others):
    limits.check([first, *others])
    return "".join(str(part) for part in (first, *others))


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
