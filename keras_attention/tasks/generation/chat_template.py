"""Chats as prompts: the template of a published tokenizer."""

import json
import reprlib

from keras_attention import optional
from keras_attention.checks import did_you_mean
from keras_attention.data.tokenizers import special

FILE = "chat_template.jinja"
_DEFAULT = "default"


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


def template_of(tokenizer, name=_DEFAULT):
    """Finds the chat template that a tokenizer brings.

    Args:
        tokenizer: a `Tokenizer`.
        name: which, where there are several.

    Returns:
        A string, or None where there is none.

    Raises:
        ValueError: if there are several and none has the name.
    """
    found = getattr(tokenizer, "config", {}).get("chat_template")
    if isinstance(found, list):
        named = {x["name"]: x["template"] for x in found}
        if name not in named:
            raise ValueError(
                f"The tokenizer has no chat template {name!r}, only "
                f"{', '.join(named)}.{did_you_mean(name, named)}"
            )
        return named[name]
    return found


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
