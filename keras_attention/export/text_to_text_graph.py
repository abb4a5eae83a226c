"""The TensorFlow graph of a `TextToText`. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.export.graph_parts import (
    Hidden,
    encode,
    marked,
    warn_of_cut,
)
from keras_attention.export.tokenizers.in_graph import tokenizer_in_graph
from keras_attention.generation.beam import beam_search

_TEXTS = tf.TensorSpec([None], tf.string, name="text")
_ROWS = tf.RaggedTensorSpec([None, None], tf.int32)


def _function(function, *specs):
    return tf.function(function, input_signature=specs, autograph=False)


class TextToTextGraph(tf.Module):
    """Tokenizes, searches and puts together again, all in a graph.

    Args:
        task: a `TextToText`.
    """

    def __init__(self, task):
        super().__init__()
        self._task = Hidden(task)
        # SavedModel refuses what a graph uses and its root does not hold. The
        # model itself would bring its optimizer and a trace of every layer.
        self.weights = [variable.value for variable in task.model.weights]
        self.served = self._signatures()

    def _signatures(self):
        task = self._task.value
        self.source_tokenizer = tokenizer_in_graph(task.source_tokenizer)
        self.target_tokenizer = tokenizer_in_graph(task.target_tokenizer)
        return {
            "serving_default": _function(self._serve_text, _TEXTS),
            "token_ids": _function(self._serve_token_ids, _TEXTS),
        }

    def _serve_text(self, text):
        """Gives one string for each: `{"text": (batch,)}`."""
        token_ids, _ = self._generate(self._tokenize(text))
        return {"text": self._detokenize(token_ids)}

    def _serve_token_ids(self, text):
        """Gives `{"token_ids": (batch, max_length), "scores": (batch,)}`."""
        token_ids, scores = self._generate(self._tokenize(text))
        return {"token_ids": token_ids, "scores": scores}

    @tf.function(input_signature=[_ROWS], autograph=False)
    def _generate(self, rows):
        task = self._task.value
        settings = task.settings
        order = tf.argsort(rows.row_lengths(), stable=True)
        count = tf.size(order)
        padding_id = task.limits()["padding_id"]

        def advance(first, token_ids, scores):
            # Rows of like length together, as in the task.
            chosen = order[first : first + settings["batch_size"]]
            batch = tf.gather(rows, chosen)
            result = self._search(batch.to_tensor(task.source_padding_id))
            place = chosen[:, None]
            return (
                first + tf.size(chosen),
                tf.tensor_scatter_nd_update(
                    token_ids, place, result["token_ids"]
                ),
                tf.tensor_scatter_nd_update(scores, place, result["scores"]),
            )

        _, token_ids, scores = tf.while_loop(
            lambda first, *_: first < count,
            advance,
            (
                0,
                tf.fill([count, settings["max_length"]], padding_id),
                tf.zeros([count], tf.float32),
            ),
            parallel_iterations=1,
        )
        # What has no tokens but its marks stays empty, as in the task.
        is_empty = (
            rows.row_lengths() == task.source_tokenizer.num_special_tokens()
        )
        tokenizer = task.target_tokenizer
        empty = tf.concat(
            [
                [task.start_id, tokenizer.end_id],
                tf.fill([settings["max_length"] - 2], padding_id),
            ],
            axis=0,
        )
        return (
            tf.where(is_empty[:, None], empty, token_ids),
            tf.where(is_empty, 0.0, scores),
        )

    def _tokenize(self, text):
        task = self._task.value
        max_length = task.settings["max_source_length"]
        rows = encode(self.source_tokenizer, text)
        limit = max_length - task.source_tokenizer.num_special_tokens()
        warn_of_cut(rows, limit, f"max_source_length={max_length}")
        return marked(task.source_tokenizer, rows[:, :limit])

    def _search(self, source_ids):
        task = self._task.value
        model, settings = task.model, task.settings
        batch_size = tf.shape(source_ids)[0]
        return beam_search(
            model.step,
            model.init_cache(batch_size, settings["max_length"]),
            tf.fill([batch_size, 1], task.start_id),
            **task.beams(),
            **task.limits(),
            memory=model.init_memory(source_ids),
        )

    def _detokenize(self, token_ids):
        tokenizer = self._task.value.target_tokenizer
        known = token_ids < tokenizer.vocabulary_size
        replaced = tokenizer.unknown_id
        if replaced < 0:
            replaced = tokenizer.end_id
        # The start may be the end id.
        token_ids = tf.where(known, token_ids, replaced)[:, 1:]
        is_end = tf.cast(token_ids == tokenizer.end_id, tf.int32)
        is_text = (
            (tf.cumsum(is_end, axis=1) == 0)
            & (token_ids != tokenizer.padding_id)
            & (token_ids != tokenizer.start_id)
        )
        return self.target_tokenizer.detokenize(
            tf.ragged.boolean_mask(token_ids, is_text)
        )
