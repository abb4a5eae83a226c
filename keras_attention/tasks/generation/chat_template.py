"""Chats as prompts: the template of a published tokenizer."""

import json
import reprlib

from keras_attention import optional
from keras_attention.checks import did_you_mean
from keras_attention.data.tokenizers import special

FILE, FURTHER = "chat_template.jinja", "additional_chat_templates"
_DEFAULT, _TOOL_USE = "default", "tool_use"


class ChatTemplate:
    """Writes the messages of a chat as the prompt that a model was trained on.

    The template is in the language of Jinja and comes from the model's
    publisher. It runs in a sandbox: it reads the messages and nothing else,
    and the steps that it may take are counted. The text is that of
    `transformers`.

    Args:
        source: string, the template.
        variables: dictionary of what the template may use beside the
            messages, `{"bos_token": "<s>"}`.

    Raises:
        ImportError: if `jinja2` is missing.
        ValueError: if the template cannot be compiled.

    Example:

    ```python
    template = ChatTemplate(
        "{% for message in messages %}"
        "<|{{ message.role }}|>{{ message.content }}{{ eos_token }}"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
        {"eos_token": "</s>"},
    )
    prompt = template.render([{"role": "user", "content": "Hello!"}])
    ```
    """

    def __init__(self, source, variables=None):
        optional.load("jinja2", "A chat template")
        from keras_attention.tasks.generation.template_sandbox import Sandbox

        self.source = source
        self._variables = dict(variables or {})
        self._sandbox = Sandbox()
        try:
            self._template = self._sandbox.from_string(source)
        # Constants are computed here, and anything may go wrong.
        except Exception as error:
            raise ValueError(
                f"The chat template cannot be compiled: {_reason(error)}"
            ) from error

    def render(self, messages, *, add_generation_prompt=True, **variables):
        """Writes a chat as one string.

        Args:
            messages: list of dictionaries with `"role"` and `"content"`.
            add_generation_prompt: whether the string ends where the answer
                of the assistant begins.
            **variables: what the template may use besides, such as `tools`.

        Returns:
            A string, special tokens included.

        Raises:
            ValueError: if these are no messages, or if the template refuses
                them, fails, reaches outside its sandbox or runs too long.
        """
        check_messages(messages)
        given = {
            "tools": None,
            "documents": None,
            **self._variables,
            **variables,
            "messages": messages,
            "add_generation_prompt": add_generation_prompt,
        }
        try:
            return self._sandbox.render(self._template, given)
        # A template of a stranger may raise whatever Python can.
        except Exception as error:
            raise ValueError(
                f"The chat template failed on these messages: {_reason(error)}"
            ) from error


def check_messages(messages):
    """Raises ValueError for what is no list of messages."""
    if not is_chat(messages):
        raise ValueError(
            'messages must be a list of dictionaries with "role" and '
            f'"content". Received: {reprlib.repr(messages)}'
        )
    for index, message in enumerate(messages):
        if not isinstance(message.get("role"), str):
            raise ValueError(
                f'Message {index} must have a "role", a string. '
                f"Received: {reprlib.repr(message)}"
            )


def is_chat(prompt):
    """Whether a prompt is a list of messages, and not a text."""
    return (
        isinstance(prompt, (list, tuple))
        and len(prompt) > 0
        and all(isinstance(message, dict) for message in prompt)
    )


class ChatTemplates:
    """The templates of a model, of which a name or the task chooses one.

    Args:
        given: string, the only template; a dictionary from names to templates;
            or None where there is none.
        variables: as of `ChatTemplate`.

    Raises:
        ValueError: for something else, or if the default one cannot be
            compiled.
    """

    def __init__(self, given, variables=None):
        self._is_named = isinstance(given, dict)
        named = given if self._is_named else {_DEFAULT: given}
        self._sources = {n: x for n, x in named.items() if x is not None}
        if not all(isinstance(x, str) for x in self._sources.values()):
            raise ValueError(
                "chat_template must be a template or a dictionary of named "
                f"ones. Received: {reprlib.repr(given)}"
            )
        self._variables, self._made = variables, {}
        if _DEFAULT in self._sources:
            self._make(_DEFAULT)

    def choose(self, name=None, tools=None):
        """Finds a template, by default the one that `transformers` takes.

        Args:
            name: string, or None for `"tool_use"` where there is one and tools
                are given, and otherwise for `"default"`.
            tools: the tools that the template is given, or None.

        Returns:
            A `ChatTemplate`.

        Raises:
            ValueError: if there is none of the name, or no default one.
        """
        known = list(self._sources)
        if not known:
            raise ValueError(
                "This model has no chat template, so it takes texts alone; or "
                "give the task a chat_template. Received: messages"
            )
        if name is None:
            is_tool = tools is not None and _TOOL_USE in known
            name = _TOOL_USE if is_tool else _DEFAULT
            if name not in known:
                raise ValueError(
                    "The model has several chat templates and none of them is "
                    f"the default one. Choose by chat_template=, one of "
                    f"{', '.join(known)}."
                )
        if name not in known:
            named = f"only {', '.join(known)}"
            raise ValueError(
                f"There is no chat template {name!r}, "
                f"{named if self._is_named else 'but one without a name'}."
                f"{did_you_mean(str(name), known)}"
            )
        return self._make(name)

    def _make(self, name):
        if name not in self._made:
            source = self._sources[name]
            self._made[name] = ChatTemplate(source, self._variables)
        return self._made[name]


def template_of(tokenizer):
    """Finds the chat templates that a tokenizer brings.

    Args:
        tokenizer: a `Tokenizer`.

    Returns:
        A string, a dictionary of named ones, or None where there is none.
    """
    found = getattr(tokenizer, "config", {}).get("chat_template")
    if isinstance(found, list):
        return {x["name"]: x["template"] for x in found}
    return found


def read_templates(folder):
    """Reads the chat templates that a folder has as files.

    Args:
        folder: `pathlib.Path`.

    Returns:
        As `template_of`.
    """
    paths = sorted((folder / FURTHER).glob("*.jinja"))
    found = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    if (folder / FILE).is_file():
        text = (folder / FILE).read_text(encoding="utf-8")
        found = {_DEFAULT: text, **found} if found else text
    return found or None


def variables_of(tokenizer):
    """Gives the special tokens by the names that templates have for them."""
    config = getattr(tokenizer, "config", None)
    if config is not None:
        tokens = special.named(config)
    else:
        ids = {n: x for n, x in tokenizer.special_ids.items() if x >= 0}
        tokens = {n: tokenizer.pieces([[x]])[0][0] for n, x in ids.items()}
    return {f"{role}_token": token for role, token in tokens.items()}


def _reason(error):
    """The first line of an error, or its class where it has none."""
    if isinstance(error, json.JSONDecodeError | RecursionError):
        return type(error).__name__
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
