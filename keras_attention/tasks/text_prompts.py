"""Prompts as ids: texts, and chats through a template."""

import warnings

from keras_attention.tasks import chat_template, text_batches


class TextPrompts:
    """Turns texts and chats into the ids with which a model begins.

    A text gets the special tokens of the tokenizer's template; of a tokenizer
    without templates, its start id where it has one. In a chat the chat
    template writes them. A prompt without ids is the start id alone.

    Args:
        decoder: the part of the model that reads ids.
        tokenizer: a `Tokenizer`.
        template: string, the chat template, or None where there is none.

    Raises:
        ValueError: if the template cannot be compiled.
    """

    def __init__(self, decoder, tokenizer, template=None):
        self._tokenizer, self._template = tokenizer, None
        if template is not None:
            variables = chat_template.variables_of(tokenizer)
            self._template = chat_template.ChatTemplate(template, variables)
        position = getattr(decoder, "position", None)
        self._limit = getattr(position, "max_length", None)
        self._position = type(position).__name__

    def encode(self, prompts):
        """Turns prompts into rows of ids.

        Args:
            prompts: list of strings and of chats, each a list of messages.

        Returns:
            A list of lists of integers, none of them empty.

        Raises:
            ValueError: for what is neither, for a chat without a template, or
                for an empty prompt without a start id.
        """
        texts = [
            self.render(x) if chat_template.is_chat(x) else x for x in prompts
        ]
        text_batches.check_texts(texts)
        tokenizer = self._tokenizer
        if tokenizer.templates is None:
            rows = text_batches.encode_visible(tokenizer, texts)
        else:
            rows = tokenizer.encode(texts) if texts else []
        return [
            self._complete(row, chat_template.is_chat(prompt))
            for row, prompt in zip(rows, prompts, strict=True)
        ]

    def render(self, messages, **variables):
        """Writes a chat as text; see `ChatTemplate.render`.

        Raises:
            ValueError: also if there is no template.
        """
        if self._template is None:
            raise ValueError(
                "This model has no chat template, so it takes texts alone; or "
                "give the task a chat_template. Received: messages"
            )
        return self._template.render(messages, **variables)

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
        new = arguments.get("max_new_tokens")
        if new is None:
            name, limit, new = "max_length", arguments["max_length"], 1
        else:
            name, limit = self._position, self._limit
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
        if limit is None or self._limit is not None:
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
        tokenizer = self._tokenizer
        if is_chat:
            row = ids
        elif tokenizer.templates is None:
            row = [x for x in (tokenizer.start_id,) if x >= 0] + ids
        else:
            row, _ = tokenizer.with_special_tokens(ids)
        if not row and tokenizer.start_id >= 0:
            row = [tokenizer.start_id]
        if not row:
            raise ValueError(
                "A prompt is empty, and the tokenizer has no start token to "
                "begin with. Received: ''"
            )
        return row
