"""The TensorFlow graphs of tasks that write. They import TensorFlow."""

import tensorflow as tf

from keras_attention.export.graph_parts import (
    Hidden,
    encode,
    marked,
    warn_of_cut,
)
from keras_attention.export.tokenizers.in_graph import tokenizer_in_graph
from keras_attention.generation.beam import beam_search


class SourceToTextGraph(tf.Module):
    """Base of the graphs: searches and puts texts together again.

    A graph overrides `_read` and `_batch`.

    Args:
        task: a `SourceToText`.
        specs: list of `tf.TensorSpec` of its inputs.
    """

    def __init__(self, task, specs):
        super().__init__()
        self._task = Hidden(task)
        # SavedModel refuses what a graph uses and its root does not hold. The
        # model itself would bring its optimizer and a trace of every layer.
        self.weights = [variable.value for variable in task.model.weights]
        # One graph for all signatures.
        self._generate = self._function(self._generate_all, specs)
        self.served = self._signatures(specs)

    def _signatures(self, specs):
        tokenizer = self._task.value.target_tokenizer
        self.target_tokenizer = tokenizer_in_graph(tokenizer)
        return {
            "serving_default": self._function(self._serve_text, specs),
            "token_ids": self._function(self._serve_token_ids, specs),
        }

    @staticmethod
    def _function(function, specs):
        return tf.function(function, input_signature=specs, autograph=False)

    def _read(self, *inputs):
        """Prepares all inputs.

        Returns:
            `(rows, order, is_empty)`: what `_batch` takes, int32 `(count,)`,
            in which order it takes them, and boolean `(count,)`, what has an
            empty output.
        """
        raise NotImplementedError(f"{type(self).__name__} must override _read.")

    def _batch(self, rows, chosen):
        """Gives the arguments of `init_memory` for the rows of a batch."""
        raise NotImplementedError(
            f"{type(self).__name__} must override _batch."
        )

    def _serve_text(self, *inputs):
        token_ids, _ = self._generate(*inputs)
        return {"text": self._detokenize(token_ids)}

    def _serve_token_ids(self, *inputs):
        token_ids, scores = self._generate(*inputs)
        return {"token_ids": token_ids, "scores": scores}

    def _generate_all(self, *inputs):
        task = self._task.value
        settings = task.settings
        rows, order, is_empty = self._read(*inputs)
        count = tf.size(order)
        padding_id = task.limits()["padding_id"]

        def advance(first, token_ids, scores):
            chosen = order[first : first + settings["batch_size"]]
            result = self._search(tf.size(chosen), self._batch(rows, chosen))
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
        empty = tf.concat(
            [
                [task.start_id, task.target_tokenizer.end_id],
                tf.fill([settings["max_length"] - 2], padding_id),
            ],
            axis=0,
        )
        return (
            tf.where(is_empty[:, None], empty, token_ids),
            tf.where(is_empty, 0.0, scores),
        )

    def _search(self, batch_size, source):
        task = self._task.value
        model, settings = task.model, task.settings
        return beam_search(
            model.step,
            model.init_cache(batch_size, settings["max_length"]),
            tf.fill([batch_size, 1], task.start_id),
            **task.beams(),
            **task.limits(),
            memory=model.init_memory(*source),
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


class TextToTextGraph(SourceToTextGraph):
    """Tokenizes, searches and puts together again, all in a graph."""

    def __init__(self, task):
        self.source_tokenizer = tokenizer_in_graph(task.source_tokenizer)
        super().__init__(task, [tf.TensorSpec([None], tf.string, name="text")])

    def _read(self, text):
        rows = self._tokenize(text)
        lengths = rows.row_lengths()
        # Rows of like length together, as in the task. What has no tokens
        # but its marks stays empty.
        num_marks = self._task.value.source_tokenizer.num_special_tokens()
        return rows, tf.argsort(lengths, stable=True), lengths == num_marks

    def _batch(self, rows, chosen):
        padding_id = self._task.value.source_padding_id
        return [tf.gather(rows, chosen).to_tensor(padding_id)]

    def _tokenize(self, text):
        task = self._task.value
        max_length = task.settings["max_source_length"]
        rows = encode(self.source_tokenizer, text)
        limit = max_length - task.source_tokenizer.num_special_tokens()
        warn_of_cut(rows, limit, f"max_source_length={max_length}")
        return marked(task.source_tokenizer, rows[:, :limit])


class ImageToTextGraph(SourceToTextGraph):
    """Scales images and describes them, all in a graph."""

    def __init__(self, task):
        shape = [None, *task.settings["image_shape"]]
        super().__init__(
            task, [tf.TensorSpec(shape, tf.float32, name="images")]
        )

    def _read(self, images):
        settings = self._task.value.settings
        images = images * settings["scale"] + settings["offset"]
        order = tf.range(tf.shape(images)[0])
        return images, order, tf.zeros_like(order, tf.bool)

    def _batch(self, images, chosen):
        return [tf.gather(images, chosen)]
