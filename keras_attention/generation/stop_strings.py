"""Strings that end a search, found token by token within a graph."""

import numpy as np
from keras import ops


class StopStrings:
    """Says which rows of a search have written one of some strings.

    The strings become an automaton over bytes (Aho and Corasick), and every
    token one step of it. A row carries its state, an integer, so that beams
    that swap places take it along.

    Args:
        texts: list of bytes for each id of the model, what the token adds to
            a text.
        strings: the strings, none of them empty.
        first_texts: the same as `texts` for the first new token of a row, of
            which some tokenizers leave out the space; by default `texts`.

    Reference:
        Aho, Corasick 1975, https://doi.org/10.1145/360825.360855
    """

    def __init__(self, texts, strings, first_texts=None):
        automaton = _automaton([x.encode("utf-8") for x in strings])
        self._found = len(automaton) - 1
        every = np.arange(len(automaton))
        table = _read(automaton, every, texts)
        first = table[:1]
        if first_texts is not None:
            first = _read(automaton, every[:1], first_texts)
        self._begin = len(automaton)
        table = np.concatenate([table, first])
        # Most tokens have nothing of the strings, and lead to the same states.
        columns, kinds = np.unique(table, axis=1, return_inverse=True)
        self._num_kinds = columns.shape[1]
        self._next = columns.ravel().astype("int32")
        self._kinds = kinds.ravel().astype("int32")

    def begin(self, rows):
        """Gives the states before the first new token.

        Args:
            rows: a tensor of the shape of the states.

        Returns:
            An int32 tensor.
        """
        return ops.cast(ops.zeros_like(rows), "int32") + self._begin

    def advance(self, states, token_ids):
        """Gives the states after one more token.

        Args:
            states, token_ids: int32 tensors of one shape.

        Returns:
            An int32 tensor of this shape.
        """
        kinds = ops.take(self._kinds, token_ids)
        return ops.take(self._next, states * self._num_kinds + kinds)

    def is_found(self, states):
        """Says where one of the strings has come: a boolean tensor."""
        return ops.equal(states, self._found)


def _automaton(strings):
    """Makes the transitions of an automaton.

    Returns:
        Integers `(states, 256)`: the state after each byte. The first state
        is that of nothing read, the last that of a string found, which stays.
    """
    trie, ends = [{}], set()
    for string in strings:
        state = 0
        for byte in string:
            if byte not in trie[state]:
                trie[state][byte] = len(trie)
                trie.append({})
            state = trie[state][byte]
        ends.add(state)
    found = len(trie)
    table = np.zeros((found + 1, 256), "int32")
    fallback, queue = {0: 0}, [0]
    for state in queue:
        # What is read so far may end with the beginning of another string.
        shorter = fallback[state]
        if shorter in ends:
            ends.add(state)
        table[state] = table[shorter]
        for byte, following in trie[state].items():
            fallback[following] = table[shorter, byte] if state else 0
            table[state, byte] = following
            queue.append(following)
    table[np.isin(table, list(ends))] = found
    table[found] = found
    return table


def _read(automaton, states, texts):
    """Follows the bytes of every token from some states.

    Returns:
        Integers `(states, tokens)`.
    """
    found = np.repeat(states[:, None], len(texts), axis=1)
    lengths = np.array([len(text) for text in texts])
    longest_first = np.argsort(-lengths, kind="stable")
    for place in range(lengths.max(initial=0)):
        chosen = longest_first[: np.count_nonzero(lengths > place)]
        byte = np.array([texts[number][place] for number in chosen])
        found[:, chosen] = automaton[found[:, chosen], byte]
    return found
