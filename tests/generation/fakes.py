"""A tiny language model, on keras.ops with a cache and in NumPy without."""

import numpy as np
from keras import ops


class FakeModel:
    """Its logits depend on every token, on its place and on the memory.

    The cache holds the embedded tokens, so a cache that was not reordered with
    its beam, or was fed the wrong token, changes what follows.
    """

    def __init__(self, vocabulary_size, max_length, dim=5, seed=0, scale=3.0):
        rng = np.random.default_rng(seed)
        draw = lambda *shape: rng.normal(size=shape).astype("float32")
        self.max_length = max_length
        self.embedding = draw(vocabulary_size, dim)
        self.places = draw(max_length, dim)
        self.output = scale * draw(dim, vocabulary_size)
        self.calls = []

    def init_cache(self, batch_size):
        shape = (batch_size, self.max_length, self.embedding.shape[1])
        return {"layer": {"tokens": ops.zeros(shape, "float32")}}

    def step(self, token_ids, cache, memory, start):
        self.calls.append(tuple(token_ids.shape))
        embedded = ops.take(ops.convert_to_tensor(self.embedding), token_ids, 0)
        old = cache["layer"]["tokens"]
        tokens = ops.slice_update(old, (0, start, 0), embedded)
        state = ops.sum(tokens * ops.convert_to_tensor(self.places), axis=1)
        if memory is not None:
            state = state + memory["source"]["state"]
        logits = ops.matmul(ops.tanh(state), ops.convert_to_tensor(self.output))
        return logits, {"layer": {"tokens": tokens}}

    def log_probabilities(self, token_ids, memory=None):
        """float64 `(vocabulary_size,)` after a list of tokens."""
        places = self.places[: len(token_ids)].astype("float64")
        state = (self.embedding[np.array(token_ids)] * places).sum(axis=0)
        if memory is not None:
            state = state + memory
        logits = np.tanh(state) @ self.output.astype("float64")
        shifted = logits - logits.max()
        return shifted - np.log(np.exp(shifted).sum())


def numpy_greedy(log_probabilities, prompt, max_length, end_id):
    """A list of tokens and their score, for one prompt (a list)."""
    token_ids, score = list(prompt), 0.0
    while len(token_ids) < max_length:
        following = log_probabilities(token_ids)
        token_ids.append(int(np.argmax(following)))
        score += following[token_ids[-1]]
        if token_ids[-1] == end_id:
            break
    return token_ids, score


def numpy_beams(model, prompt, num_beams, max_length, end_id, penalty=1.0):
    """Beam search to the very end, on lists: [(score, tokens)], best first."""
    running, finished = [(0.0, list(prompt))], []
    for length in range(len(prompt) + 1, max_length + 1):
        continued = [
            (total + log_probability, [*tokens, token])
            for total, tokens in running
            for token, log_probability in enumerate(
                model.log_probabilities(tokens)
            )
            if log_probability > -np.inf
        ]
        continued.sort(key=lambda pair: -pair[0])
        ends = lambda pair: pair[1][-1] == end_id or len(pair[1]) == max_length
        finished += [
            (total / (length - len(prompt)) ** penalty, tokens)
            for total, tokens in filter(ends, continued[:num_beams])
        ]
        running = [pair for pair in continued if not ends(pair)][:num_beams]
    return sorted(finished, key=lambda pair: -pair[0])[:num_beams]


class Restrained:
    """A model that cannot end too early nor repeat itself, in NumPy."""

    def __init__(self, model, end_id, min_length=0, no_repeat_ngram_size=0):
        self.model = model
        self.end_id = end_id
        self.min_length = min_length
        self.size = no_repeat_ngram_size

    def log_probabilities(self, token_ids):
        found = self.model.log_probabilities(token_ids)
        if len(token_ids) < self.min_length:
            found[self.end_id] = -np.inf
        for token in range(len(found)):
            *seen, last = ngrams([*token_ids, token], self.size) or [None]
            if self.size and last in seen:
                found[token] = -np.inf
        return found


def ngrams(tokens, size):
    """All that stand in a list of tokens, in their order."""
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def padded(rows, width, padding_id=0):
    return np.array(
        [[*row, *[padding_id] * (width - len(row))] for row in rows]
    )
