"""Base of the tasks that write a text about what they are given."""

import keras
import numpy as np

from keras_attention.generation.generator import Generator
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.tasks.checks import (
    check_settings,
    check_start,
    check_tokenizer,
    padding_of,
)
from keras_attention.tasks.task import Task


class SourceToText(Task):
    """Base of `TextToText`, `ImageToText` and `SpeechToText`.

    A task overrides `source_batches`, which turns its inputs into what the
    encoder reads; all that follows is shared.

    Args:
        model: an `EncoderDecoder`.
        target_tokenizer: the `Tokenizer` of outputs.
        settings: dictionary, with those of the search: `max_length`,
            `min_length`, `no_repeat_ngram_size`, `num_beams`,
            `length_penalty`, `batch_size`, `decoder_start_id`,
            `forced_start_id` and `jit_compile`.
        side: what messages call the tokenizer, as of `check_tokenizer`.
    """

    model_class = EncoderDecoder

    def __init__(self, model, target_tokenizer, settings, side=""):
        check_settings(model, settings)
        start = settings["decoder_start_id"]
        needed = ["start_id"] if start is None else []
        check_tokenizer(
            side, target_tokenizer, model.decoder, [*needed, "end_id"]
        )
        for name in ("decoder_start_id", "forced_start_id"):
            if settings[name] is not None:
                size = model.decoder.vocabulary_size
                check_start(name, settings[name], size)
        max_length = settings["max_length"]
        if settings["forced_start_id"] is not None and max_length < 3:
            raise ValueError(
                "max_length must be at least 3 with a forced_start_id. "
                f"Received: max_length={max_length}"
            )
        self.model = model
        self.target_tokenizer = target_tokenizer
        self.settings = settings
        self._generator = None

    def source_batches(self, sources):
        """Makes what the model reads.

        Args:
            sources: list or array of inputs.

        Yields:
            `(indices, inputs)`: which of the sources, and arguments of
            `Generator` by name: `source_ids` and perhaps
            `source_padding_mask`, with as many rows, or more. A source that
            comes in no batch has an empty output.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must override source_batches."
        )

    def search(self, sources):
        """Generates token ids and their scores.

        Args:
            sources: list or array of inputs that were checked.

        Returns:
            `(token_ids, scores)`: NumPy arrays `(len(sources), max_length)`
            of int32, with start, end and padding, and `(len(sources),)` of
            float32, each the best beam's log-probability over
            `length ** length_penalty`.
        """
        limits, count = self.limits(), len(sources)
        shape = count, limits["max_length"]
        token_ids = np.full(shape, limits["padding_id"], "int32")
        token_ids[:, :2] = self.prompt()[0], limits["end_id"]
        scores = np.zeros(count, "float32")
        for chosen, inputs in self.source_batches(sources):
            result = self._search(**inputs)
            token_ids[chosen] = result["token_ids"][: len(chosen)]
            scores[chosen] = result["scores"][: len(chosen)]
        return token_ids, scores

    def decode(self, token_ids):
        """Turns generated ids into text.

        Args:
            token_ids: integers `(batch, length)`.

        Returns:
            A list of strings.
        """
        tokenizer = self.target_tokenizer
        # A model may know more ids than its tokenizer has pieces.
        known = token_ids < tokenizer.vocabulary_size
        replaced = tokenizer.unknown_id
        if replaced < 0:
            replaced = tokenizer.end_id
        token_ids = np.where(known, token_ids, replaced)
        # The start may be the end id.
        rows = [_text(row, tokenizer) for row in token_ids]
        return tokenizer.decode(rows) if rows else []

    def compiles_shapes(self):
        """Whether every new shape of a batch takes a compilation."""
        if self.settings["jit_compile"] == "auto":
            return keras.backend.backend() == "jax"
        return self.settings["jit_compile"]

    def limits(self):
        """Says when a search ends and what it may not give.

        Returns:
            A dictionary of keyword arguments of `beam_search`.
        """
        tokenizer, settings = self.target_tokenizer, self.settings
        return {
            "max_length": settings["max_length"],
            "end_id": tokenizer.end_id,
            "padding_id": padding_of(tokenizer, self.model.decoder),
            # There it counts what stands before the end.
            "min_length": max(settings["min_length"] - 1, 0),
            "no_repeat_ngram_size": settings["no_repeat_ngram_size"],
        }

    def _search(self, source_ids, **masks):
        settings = self.settings
        if self._generator is None:
            self._generator = Generator(
                self.model,
                **self.limits(),
                strategy="beam",
                settings={
                    "num_beams": settings["num_beams"],
                    "length_penalty": settings["length_penalty"],
                },
                jit_compile=self.compiles_shapes(),
            )
        prompt = np.array([self.prompt()] * len(source_ids), "int32")
        lengths = np.full(len(source_ids), prompt.shape[1], "int32")
        return self._generator(prompt, source_ids, lengths, **masks)

    def prompt(self):
        """Lists the ids that every output starts with."""
        start = self.settings["decoder_start_id"]
        if start is None:
            start = self.target_tokenizer.start_id
        forced = self.settings["forced_start_id"]
        return [start] if forced is None else [start, forced]


def named(texts, scores):
    """Puts texts and scores together, a list of dictionaries.

    Args:
        texts: list of strings.
        scores: `(len(texts),)`.
    """
    return [
        {"text": text, "score": float(score)}
        for text, score in zip(texts, scores, strict=True)
    ]


def _text(row, tokenizer):
    """The ids of a generated row between its start and its end."""
    ends = np.flatnonzero(row[1:] == tokenizer.end_id)
    return row[1 : ends[0] + 1] if len(ends) else row[1:]
