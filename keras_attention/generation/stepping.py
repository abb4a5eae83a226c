"""A search that goes one token at a time."""

import functools

import keras
import numpy as np
from keras import ops

from keras_attention.generation.compiling import compile_function
from keras_attention.generation.loop import make_rows, repeat_until_ended

# Blocks of a prompt are fed in these sizes, so that few functions are compiled
# for prompts of all lengths. What is left goes token by token.
_SMALLEST_BLOCK = 16


class Stepping:
    """The compiled functions of a search that goes one token at a time.

    Args:
        model: as of `Generator`.
        make_choose: as of `make_rows`.
        arguments: dictionary of keyword arguments of `make_rows`.
        jit_compile: as of `Generator`.
    """

    def __init__(self, model, make_choose, arguments, jit_compile):
        self._model, self._make_choose = model, make_choose
        self._arguments = arguments
        self.feed = compile_function(self._feed, model, jit_compile)
        self.advance = compile_function(self._advance, model, jit_compile)
        self.finish = compile_function(self._finish, model, jit_compile)

    def initial_state(self, inputs, max_length):
        """Gives the state before the first token."""
        batch_size = inputs["prompt"].shape[0]
        cache = self._model.init_cache(batch_size, max_length)
        return self._rows(inputs, max_length).initial_state(cache)

    def _feed(self, inputs):
        """Reads a block of the prompts into the cache."""
        return self._model.step(**inputs)[1]

    def _advance(self, inputs, max_length):
        """Chooses a token for every row."""
        inputs = dict(inputs)
        state, position = inputs.pop("state"), inputs.pop("position")
        return self._rows(inputs, max_length).advance(position, state)

    def _finish(self, inputs, max_length):
        """Chooses tokens until every row has ended."""
        inputs = dict(inputs)
        state, position = inputs.pop("state"), inputs.pop("position")
        rows = self._rows(inputs, max_length)
        return repeat_until_ended(rows.advance, position, max_length, state)

    def _rows(self, inputs, max_length):
        inputs, make_choose = dict(inputs), self._make_choose
        if "seed" in inputs:
            seed = inputs.pop("seed")
            make_choose = functools.partial(make_choose, seed=seed)
        return make_rows(
            self._model.step,
            make_choose,
            max_length=max_length,
            prefill_length=1,
            **inputs,
            **self._arguments,
        )


class Steps:
    """A search that shows every token as soon as it is chosen.

    `Generator.steps` makes it. Each row becomes what a call of the generator
    makes of it.

    Args:
        stepping: `Stepping`.
        inputs: dictionary of `"prompt"`, `"prompt_lengths"` and what the
            choice reads.
        max_length: integer, the length of the result.

    Example:

    ```python
    steps = generator.steps(prompt)
    while not steps.is_done:
        steps.advance()
        print(steps.new_tokens(0)[-1:])
    ```
    """

    def __init__(self, stepping, inputs, max_length):
        self._stepping, self._inputs = stepping, inputs
        self._max_length = max_length
        self._state = stepping.initial_state(inputs, max_length)
        self._lengths = ops.convert_to_numpy(inputs["prompt_lengths"])
        self._position = 1 + self._prefill(int(self._lengths.min()) - 1)
        self._read()

    @property
    def is_done(self):
        """Whether every row has ended."""
        return self._position >= self._max_length or bool(self.ended.all())

    @property
    def ended(self):
        """Which rows have ended, boolean `(batch,)`."""
        return ops.convert_to_numpy(self._state["ended"])

    @property
    def scores(self):
        """The log-probabilities of the new tokens, float32 `(batch,)`."""
        return ops.convert_to_numpy(self._state["scores"])

    def advance(self):
        """Chooses a token for every row whose prompt is read to its end."""
        self._run(self._stepping.advance)
        self._position += 1

    def finish(self):
        """Chooses tokens until every row has ended, without showing them."""
        self._run(self._stepping.finish)
        self._position = self._max_length

    def new_tokens(self, row):
        """Gives the ids that follow a row's prompt so far, its end included.

        Args:
            row: integer.

        Returns:
            A list of integers.
        """
        first = self._lengths[row]
        behind = first + self._generated[row]
        return self._token_ids[row, first:behind].tolist()

    def end(self, rows):
        """Ends rows here.

        Args:
            rows: boolean `(batch,)`.
        """
        rows = ops.convert_to_tensor(np.asarray(rows, "bool"))
        ended = ops.logical_or(self._state["ended"], rows)
        self._state = {**self._state, "ended": ended}

    def _run(self, function):
        inputs = {
            **self._inputs,
            "position": _number(self._position),
            "state": self._state,
        }
        self._state = function(inputs, self._max_length)
        self._read()

    def _prefill(self, count):
        """Feeds up to `count` tokens of every prompt; says how many."""
        first = 0
        while count - first >= _SMALLEST_BLOCK:
            behind = first + (1 << ((count - first).bit_length() - 1))
            inputs = {
                "token_ids": self._inputs["prompt"][:, first:behind],
                "cache": self._state["cache"],
                "start": _number(first),
            }
            cache = self._stepping.feed(inputs)
            self._state = {**self._state, "cache": cache}
            first = behind
        return first

    def _read(self):
        self._token_ids = ops.convert_to_numpy(self._state["token_ids"])
        self._generated = ops.convert_to_numpy(self._state["generated"])


def _number(value):
    """A position as a compiled function takes it, traced once for all."""
    if keras.backend.backend() == "torch":
        return value
    return ops.convert_to_tensor(value, "int32")
