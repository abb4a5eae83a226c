"""Base of the tasks that write a text about what they are given."""

import numpy as np

from keras_attention.generation.generator import Generator
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.checks import (
    check_settings,
    check_starts,
    check_tokenizer,
)
from keras_attention.tasks.core.task import Task
from keras_attention.tasks.sequence_to_sequence import search_settings
from keras_attention.tasks.sequence_to_sequence.alignment import (
    attention_inputs_of,
)


class SourceToText(Task):
    """Base of `TextToText`, `ImageToText` and `SpeechToText`.

    A task overrides `source_batches`, which turns its inputs into what the
    encoder reads; all that follows is shared.

    Args:
        model: an `EncoderDecoder`.
        target_tokenizer: the `Tokenizer` of outputs.
        settings: dictionary, with those of the search: `max_length`,
            `min_length`, `no_repeat_ngram_size`, `num_beams`,
            `length_penalty`, `early_stopping`, `batch_size`,
            `decoder_start_id`, `forced_start_id`, `constraints` and
            `jit_compile`.
        side: what messages call the tokenizer, as of `check_tokenizer`.
    """

    model_class = EncoderDecoder

    def __init__(self, model, target_tokenizer, settings, side=""):
        self.check_model(model)
        check_settings(model, settings)
        start = settings["decoder_start_id"]
        needed = ["start_id"] if start is None else []
        check_tokenizer(
            side, target_tokenizer, model.decoder, [*needed, "end_id"]
        )
        check_starts(model.decoder.vocabulary_size, settings)
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
        token_ids[:, :2] = self.start_id, limits["end_id"]
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
        return text_batches.decode_outputs(self.target_tokenizer, token_ids)

    def answers(self, token_ids, scores, return_scores):
        """Gives what a call returns for each of its inputs.

        Args:
            token_ids, scores: from `search`.
            return_scores: whether to give scores too.

        Returns:
            A list of strings, or of dictionaries of `"text"` and `"score"`.
        """
        texts = self.decode(token_ids)
        if not return_scores:
            return texts
        return [
            {"text": text, "score": float(score)}
            for text, score in zip(texts, scores, strict=True)
        ]

    def compiles_shapes(self):
        """Whether every new shape of a batch takes a compilation."""
        compiles = self.settings["jit_compile"]
        return (
            text_batches.compiles_shapes() if compiles == "auto" else compiles
        )

    def limits(self):
        """Says when a search ends and what it may not give.

        Returns:
            A dictionary of keyword arguments of `beam_search`.
        """
        decoder = self.model.decoder
        return search_settings.limits(
            self.settings, self.target_tokenizer, decoder
        )

    def beams(self):
        """Says how a search ranks: keyword arguments of `beam_search`."""
        names = ("num_beams", "length_penalty", "early_stopping")
        return {name: self.settings[name] for name in names}

    def _search(self, source_ids, **masks):
        if self._generator is None:
            self._generator = Generator(
                self.model,
                **self.limits(),
                start_id=self.start_id,
                strategy="beam",
                settings=self.beams(),
                jit_compile=self.compiles_shapes(),
            )
        return self._generator(source_ids=source_ids, **masks)

    @property
    def start_id(self):
        """The id that every output starts with."""
        start = self.settings["decoder_start_id"]
        return self.target_tokenizer.start_id if start is None else start


class InputToText(SourceToText):
    """Base of `ImageToText` and `SpeechToText`, whose source is no text.

    A task sets `inputs`, whose `read` checks what a call is given and says
    whether it is one alone. Its own `__call__` names what it is.
    """

    def _write(self, sources, is_one, return_scores):
        found = self.answers(*self.search(sources), return_scores)
        return found[0] if is_one else found

    def generate(self, given):
        """Generates token ids and their scores.

        Args:
            given: as of the call.

        Returns:
            `(token_ids, scores)`: see `search`.

        Raises:
            ValueError: for images of another shape, or what is no sound.
        """
        return self.search(self.inputs.read(given)[0])

    def attention_inputs(self, given):
        """Generates outputs and gives what shows how they came about.

        `keras_attention.attention_maps(task, images)` calls this.

        Args:
            given: as of the call.

        Returns:
            `(model, inputs, tokens)`: the model's named inputs, and the pieces
            of `target_ids` and of `"outputs"`, what each place of the target
            predicts; of patches of images also those of `source_ids`, as
            "row,column".

        Raises:
            ValueError: as of `generate`, or if nothing is given.
        """
        cells = getattr(self.inputs, "cells", lambda: None)()
        return attention_inputs_of(self, self.inputs.read(given)[0], cells)

    def tokenizers(self):
        return [self.target_tokenizer]
