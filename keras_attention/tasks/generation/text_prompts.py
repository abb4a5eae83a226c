"""Prompts as ids: texts, and chats through a template."""

import warnings

from keras_attention.data.tokenizers.base import FIRST
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.generation import chat_template


class TextPrompts:
    """Turns texts and chats into the ids with which a model begins.

    A text gets the special tokens of the tokenizer's template; of a tokenizer
    without templates, its start id where it has one. In a chat the chat
    template writes them. A prompt without ids is the start id alone.

    Args:
        decoder: the part of the model that reads ids.
        tokenizer: a `Tokenizer`.
        template: string, the chat template; a dictionary of named ones; or
            None where there is none.

    Raises:
        ValueError: if the default template cannot be compiled.
    """

    EMPTY = (
        "A prompt is empty, and the tokenizer has no start token to begin with."
    )

    def __init__(self, decoder, tokenizer, template=None):
        self._tokenizer = tokenizer
        variables = chat_template.variables_of(tokenizer)
        self._templates = chat_template.ChatTemplates(template, variables)
        position = getattr(decoder, "position", None)
        self._limit = getattr(position, "max_length", None)
        self._position = type(position).__name__

    def encode(self, prompts, name=None):
        """Turns prompts into rows of ids.

        Args:
            prompts: list of strings and of chats, each a list of messages.
            name: that of a chat template, or None.

        Returns:
            A list of lists of integers, none of them empty.

        Raises:
            ValueError: for what is neither, for a chat without a template, or
                for an empty prompt without a start id.
        """
        texts = self.texts(prompts, name)
        text_batches.check_texts(texts, "prompts")
        tokenizer = self._tokenizer
        if tokenizer.templates is None:
            rows = text_batches.encode_visible(tokenizer, texts)
        else:
            rows = tokenizer.encode(texts) if texts else []
        return [
            self._complete(row, chat_template.is_chat(prompt))
            for row, prompt in zip(rows, prompts, strict=True)
        ]

    def texts(self, prompts, name=None):
        """Writes the chats among prompts as texts; arguments as of `encode`."""
        return [
            self.render(x, chat_template=name)
            if chat_template.is_chat(x)
            else x
            for x in prompts
        ]

    def render(self, messages, *, chat_template=None, **variables):
        """Writes a chat as text; see `ChatTemplate.render`.

        Args:
            messages, **variables: as there.
            chat_template: string, the name of one of several templates. By
                default that is `"tool_use"` where `tools` are given, and
                otherwise `"default"`.

        Raises:
            ValueError: also if there is no such template.
        """
        tools = variables.get("tools")
        template = self._templates.choose(chat_template, tools)
        return template.render(messages, **variables)

    @property
    def template(self):
        """What a text becomes: a list of ids, with `"A"` for its own."""
        tokenizer = self._tokenizer
        if tokenizer.templates is not None:
            return [item for item, _ in tokenizer.templates["single"]]
        return [*(x for x in (tokenizer.start_id,) if x >= 0), FIRST]

    def limit(self, arguments):
        """Says how many tokens a text may have, and why.

        Args:
            arguments: those of the `Generator`.

        Returns:
            `(limit, name, new)`: integer or None for no limit, the name of
            what sets it, and the least number of new tokens.
        """
        if arguments.get("max_length") is not None:
            return arguments["max_length"], "max_length", 1
        return self._limit, self._position, arguments["max_new_tokens"]

    def check_room(self, rows, arguments):
        """Refuses prompts that leave no room for an answer, and counts them.

        Args:
            rows: from `encode`.
            arguments: those of the `Generator`.

        Returns:
            Integer, the most ids of a prompt, or None where there is no limit.

        Raises:
            ValueError: if prompts are too long for the model or `max_length`.
        """
        limit, name, new = self.limit(arguments)
        if limit is None:
            self._warn_of_long(rows, new)
        longest = None if limit is None else limit - new
        too_long = [len(x) for x in rows if limit and len(x) > longest]
        if too_long:
            raise ValueError(
                f"{len(too_long)} of {len(rows)} prompts are too long: the "
                f"longest has {max(too_long)} tokens, and with {new} new ones "
                f"a text may have {limit} ({name})."
            )
        return longest

    def _warn_of_long(self, rows, new):
        limit = self._tokenizer.max_length
        if limit is None:
            return
        count = sum(len(row) + new > limit for row in rows)
        if count:
            warnings.warn(
                f"With {new} new tokens {count} of {len(rows)} texts may "
                f"become longer than the {limit} tokens that the tokenizer "
                "states for its model.",
                stacklevel=5,
            )

    def _complete(self, ids, is_chat):
        row, start_id = list(ids), self._tokenizer.start_id
        if not is_chat:
            row = []
            for item in self.template:
                row += ids if item == FIRST else [item]
        if not row and start_id >= 0:
            row = [start_id]
        if not row:
            raise ValueError(f"{self.EMPTY} Received: ''")
        return row
