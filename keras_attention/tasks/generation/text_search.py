"""A search for texts: prompts as ids in, strings out."""

import keras
import numpy as np

from keras_attention.generation.constraints import read_ids
from keras_attention.generation.generator import Generator
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.generation.new_text import NewText, stop_strings

_NO_LIMIT = 10**9


class TextSearch:
    """Continues prompts in one manner, by functions that stay compiled.

    Args:
        model: a `CausalLM`.
        tokenizer: a `Tokenizer`.
        arguments: dictionary of arguments of `Generator`.
        batch_size: integer, prompts that are processed together.
        jit_compile: whether to use XLA.
    """

    def __init__(self, model, tokenizer, arguments, batch_size, jit_compile):
        self._tokenizer, self._batch_size = tokenizer, batch_size
        self._jit_compile = jit_compile
        self._generator = Generator(model, **arguments, jit_compile=jit_compile)
        self._model, self.arguments = model, arguments
        self._stopping = None, self._generator

    def texts(self, rows, stop, seed, longest, is_full=False):
        """Gives the text that follows each prompt, and its score.

        Args:
            rows: list of lists of ids.
            stop: strings, from `read_stops`.
            seed: integer, for sampling.
            longest: integer, the most ids that a prompt may be filled up to,
                or None.
            is_full: whether the texts are to be put behind their prompts.

        Returns:
            A list of `(text, score)`.
        """
        found = [None] * len(rows)
        search = self._by_tokens
        if self.arguments["strategy"] == "beam":
            search = self._by_beams
        for chosen in text_batches.in_batches(rows, self._batch_size):
            batch = [rows[index] for index in chosen]
            inputs = self._inputs(batch, chosen, seed, longest)
            texts = [
                NewText(self._tokenizer, stop, row if is_full else ())
                for row in batch
            ]
            results = search(batch, inputs, texts, stop, is_full)
            for index, result in zip(chosen, results, strict=True):
                found[index] = result
        return found

    def pieces(self, row, stop, seed, longest):
        """Gives the text that follows a prompt, piece by piece.

        Args:
            row: list of ids.
            stop, seed, longest: as of `texts`.

        Returns:
            An iterator of strings.
        """
        inputs = self._inputs([row], [0], seed, longest)
        steps = self._generator.steps(**inputs)
        return _pieces(steps, NewText(self._tokenizer, stop))

    def _by_tokens(self, batch, inputs, texts, stop, is_full):
        steps = self._generator.steps(**inputs)
        ended = np.zeros(len(inputs["prompt"]), "bool")
        ended[len(batch) :] = True  # of rows that fill up the batch
        steps.end(ended)
        while stop and not steps.is_done:
            steps.advance()
            for row, text in enumerate(texts):
                ended[row] = text.read(steps.new_tokens(row))[1]
            steps.end(ended)
        if not steps.is_done:
            steps.finish()
        scores = steps.scores
        for row, text in enumerate(texts):
            shown, _ = text.read(steps.new_tokens(row), is_complete=True)
            yield shown, float(scores[row])

    def _by_beams(self, batch, inputs, texts, stop, is_full):
        result = self._ending_at(stop, is_full)(**inputs)
        ends = read_ids("end_id", self.arguments["end_id"])
        new = self.arguments.get("max_new_tokens", _NO_LIMIT)
        for row, (ids, text) in enumerate(zip(batch, texts, strict=True)):
            found = result["token_ids"][row, len(ids) :][:new]
            behind = np.flatnonzero(np.isin(found, ends))[:1] + 1
            found = found[: behind[0]] if len(behind) else found
            shown, _ = text.read(found.tolist(), is_complete=True)
            yield shown, float(result["scores"][row])

    def _ending_at(self, stop, is_full):
        """Makes the generator that ends at strings; keeps the last one."""
        if not stop:
            return self._generator
        if self._stopping[0] != (stop, is_full):
            stops = stop_strings(
                self._tokenizer,
                self._model.decoder.vocabulary_size,
                stop,
                is_full,
            )
            generator = Generator(
                self._model,
                **self.arguments,
                stops=stops,
                jit_compile=self._jit_compile,
            )
            self._stopping = (stop, is_full), generator
        return self._stopping[1]

    def _inputs(self, batch, indices, seed, longest):
        """Gives the arguments of a call of the generator."""
        shape = len(batch), max(map(len, batch))
        if keras.backend.backend() != "torch":
            # What is compiled is compiled for a shape.
            limit = longest or _NO_LIMIT
            rounded = text_batches.rounded_shape(batch, self._batch_size, limit)
            shape = shape[0], rounded[1]
            if self._jit_compile:
                shape = rounded
        lengths = [len(row) for row in batch]
        lengths += lengths[:1] * (shape[0] - len(batch))
        inputs = {
            "prompt": text_batches.pad(batch, 0, shape),
            "prompt_lengths": np.array(lengths, "int32"),
        }
        if self.arguments["strategy"] == "sampling":
            places = np.zeros(shape[0], "int32")
            places[: len(batch)] = indices
            seeds = np.stack([np.full_like(places, seed), places], axis=1)
            inputs["seeds"] = seeds
        return inputs


def _pieces(steps, text):
    shown, stops = "", False
    while not (steps.is_done or stops):
        steps.advance()
        found, stops = text.read(steps.new_tokens(0))
        if len(found) > len(shown):
            yield found[len(shown) :]
            shown = found
    found, _ = text.read(steps.new_tokens(0), is_complete=True)
    if len(found) > len(shown):
        yield found[len(shown) :]
