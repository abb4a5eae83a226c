"""The TensorFlow graph of a `TextGenerator`. It imports TensorFlow."""

import re

import tensorflow as tf

from keras_attention.data.tokenizers.base import FIRST
from keras_attention.export.graph_parts import Hidden, encode
from keras_attention.export.tokenizers.in_graph import tokenizer_in_graph
from keras_attention.generation.constraints import read_ids
from keras_attention.generation.strategies import STRATEGIES

_TEXTS = tf.TensorSpec([None], tf.string, name="text")
_SEED = tf.TensorSpec([], tf.int32, name="seed")


class TextGeneratorGraph(tf.Module):
    """Tokenizes, searches and puts together again, all in a graph.

    Args:
        task: a `TextGenerator`.
    """

    def __init__(self, task):
        super().__init__()
        self._task = Hidden(task)
        self._arguments = Hidden({**task.arguments, "stops": task.stops})
        # SavedModel refuses what a graph uses and its root does not hold. The
        # model itself would bring its optimizer and a trace of every layer.
        self.weights = [variable.value for variable in task.model.weights]
        self.served = self._signatures()

    def _signatures(self):
        self.tokenizer = tokenizer_in_graph(self._task.value.tokenizer)
        return self._seeded(self._serve, self._generate, [_TEXTS])

    def _seeded(self, serve, generate, specs):
        """Makes the signatures of two functions, the second with a seed."""

        def function(of, *signature):
            return tf.function(of, input_signature=signature, autograph=False)

        served = {"serving_default": function(serve, *specs)}
        if self._arguments.value["strategy"] == "sampling":
            served["seeded"] = function(generate, *specs, _SEED)
        return served

    def _serve(self, text):
        return self._generate(text, self._seed())

    def _seed(self):
        seed = self._task.value.settings["generation"].get("seed")
        if seed is None:
            seed = tf.random.uniform([], maxval=2**31 - 1, dtype=tf.int32)
        return tf.constant(0) + seed

    def _generate(self, text, seed):
        batch_size = self._task.value.settings["batch_size"]
        rows = self._prompts(text)
        # Rows of like length together, as in the task.
        order = tf.argsort(rows.row_lengths(), stable=True)
        count = tf.size(order)

        def advance(first, texts, scores):
            chosen = order[first : first + batch_size]
            seeds = tf.stack([tf.zeros_like(chosen) + seed, chosen], axis=1)
            found, score = self._search(tf.gather(rows, chosen), seeds)
            return (
                first + tf.size(chosen),
                tf.concat([texts, found], axis=0),
                tf.concat([scores, score], axis=0),
            )

        any_length = tf.TensorShape([None])
        _, texts, scores = tf.while_loop(
            lambda first, *_: first < count,
            advance,
            (0, tf.zeros([0], tf.string), tf.zeros([0])),
            shape_invariants=(tf.TensorShape([]), any_length, any_length),
            parallel_iterations=1,
        )
        places = tf.argsort(order)
        return {
            "text": self._cut(tf.gather(texts, places)),
            "score": tf.gather(scores, places),
        }

    def _prompts(self, text):
        """Makes ragged ids `(batch, None)` of prompts, and checks them."""
        task, count = self._task.value, tf.size(text)
        if task.tokenizer.templates is None:
            ids = encode(self.tokenizer, text)
        else:
            ids = self.tokenizer.tokenize(text)
        parts = [
            ids if item == FIRST else tf.fill([count, 1], item)
            for item in task.prompts.template
        ]
        rows = tf.concat(parts, axis=1) if parts[1:] else parts[0]
        is_empty = rows.row_lengths() == 0
        if task.tokenizer.start_id < 0:
            message = task.prompts.EMPTY
            checks = [tf.debugging.Assert(~tf.reduce_any(is_empty), [message])]
        else:
            start = tf.fill([count, 1], task.tokenizer.start_id)
            start = tf.ragged.boolean_mask(start, is_empty[:, None])
            rows, checks = tf.concat([start, rows], axis=1), []
        limit, name, new = task.prompts.limit(self._arguments.value)
        if limit is not None:
            message = (
                f"Prompts are too long: with {new} new tokens a text may have "
                f"{limit} ({name})."
            )
            fits = tf.reduce_all(rows.row_lengths() <= limit - new)
            checks.append(tf.debugging.Assert(fits, [message]))
        with tf.control_dependencies(checks):
            return rows.with_flat_values(tf.identity(rows.flat_values))

    def _search(self, rows, seeds):
        """Gives the text and the score of each row of a batch."""
        found, limits = self._run(rows, seeds)
        lengths = tf.cast(rows.row_lengths(), tf.int32)
        return self._text(found["token_ids"], lengths, limits), found["scores"]

    def _run(self, rows, seeds):
        """Gives the result of the search, and where its rows may end."""
        task, arguments = self._task.value, dict(self._arguments.value)
        strategy = arguments.pop("strategy")
        settings = arguments.pop("settings")
        arguments.pop("start_id", None)
        if strategy == "sampling":
            settings = {**settings, "seed": seeds}
        prompt = rows.to_tensor(0)
        lengths = tf.cast(rows.row_lengths(), tf.int32)
        max_length = arguments.pop("max_length", None)
        new = arguments.get("max_new_tokens")
        if max_length is None:
            max_length = tf.shape(prompt)[1] + new
        found = STRATEGIES[strategy](
            task.model.step,
            task.model.init_cache(tf.shape(prompt)[0], max_length),
            prompt,
            max_length=max_length,
            prompt_lengths=lengths,
            **settings,
            **arguments,
        )
        limits = max_length if new is None else lengths[:, None] + new
        return found, limits

    def _text(self, token_ids, lengths, limits):
        """Decodes what follows each prompt, up to its end."""
        tokenizer = self._task.value.tokenizer
        places = tf.range(tf.shape(token_ids)[1])
        is_new = (places >= lengths[:, None]) & (places < limits)
        is_end = tf.zeros_like(is_new)
        for number in read_ids("end_id", self._arguments.value["end_id"]):
            is_end |= is_new & (token_ids == number)
        ends_before = tf.cumsum(
            tf.cast(is_end, tf.int32), axis=1, exclusive=True
        )
        kept = is_new & (ends_before == 0)
        # A model may know more ids than its tokenizer has pieces.
        known = token_ids < tokenizer.vocabulary_size
        token_ids = tf.where(known, token_ids, tokenizer.unknown_id)
        kept &= token_ids >= 0
        if tokenizer.templates is None:
            # SentencePiece would show some of them.
            for role in ("pad", "bos", "eos"):
                kept &= token_ids != tokenizer.special_ids.get(role, -1)
        return self.tokenizer.detokenize(
            tf.ragged.boolean_mask(token_ids, kept)
        )

    def _cut(self, text):
        stop = self._task.value.settings["stop"]
        if not stop:
            return text
        pattern = "|".join(map(re.escape, stop))
        return tf.strings.regex_replace(text, f"(?s)(?:{pattern}).*", "")
