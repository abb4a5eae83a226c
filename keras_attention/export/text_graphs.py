"""The graphs of tasks over texts. It imports TensorFlow."""

import re

import tensorflow as tf

from keras_attention.export.graph_parts import Hidden, in_batches
from keras_attention.export.text_rows import TextRows
from keras_attention.export.tokenizers.characters import PYTHON_SPACE


class TextGraph(tf.Module):
    """Base of the graphs over a model and one tokenizer.

    Args:
        task: a task with `inputs`.
    """

    rows_class = TextRows

    def __init__(self, task):
        super().__init__()
        self._task = Hidden(task)
        self.rows = self.rows_class(task.inputs)
        # SavedModel refuses what a graph uses and its root does not hold. The
        # model itself would bring its optimizer and a trace of every layer.
        self.weights = [variable.value for variable in task.model.weights]

    def _signature(self, function):
        return tf.function(
            function,
            input_signature=[tf.TensorSpec([None], tf.string, name="text")],
            autograph=False,
        )


class TextEmbedderGraph(TextGraph):
    """Tokenizes and embeds, all in a graph."""

    def __init__(self, task):
        super().__init__(task)
        for layer in task.projections:
            self.weights += [variable.value for variable in layer.weights]
        self.served = self._signatures()

    def _signatures(self):
        task = self._task.value
        prompts = {"serving_default": task.prompt(None)}
        for name, prompt in task.settings["prompts"].items():
            prompts[f"prompt_{name}"] = prompt
        return {
            name: self._signature(
                lambda text, prompt=prompt: self._embed(text, prompt)
            )
            for name, prompt in prompts.items()
        }

    def _embed(self, text, prompt):
        task = self._task.value
        text = tf.strings.join([prompt, text])
        ends = f"^[{PYTHON_SPACE}]+|[{PYTHON_SPACE}]+$"
        text = tf.strings.regex_replace(text, ends, "")
        if task.settings["lowercase"]:
            text = tf.strings.lower(text, "utf-8")
        return self._vectors(self.rows.encode(text))

    def _vectors(self, rows):
        task = self._task.value

        def run(first, behind):
            batch = self.rows.batch(rows, first, behind)
            hidden = task.model(batch, training=False)
            return task.pool(hidden, batch["padding_mask"])

        size = task.settings["batch_size"]
        count = rows["token_ids"].nrows(tf.int32)
        return {"embeddings": in_batches(count, size, run, task.dim)}


class MaskedTextGraph(TextGraph):
    """Tokenizes and fills in masks, all in a graph."""

    def __init__(self, task):
        super().__init__(task)
        self._mask = "|".join(map(re.escape, task.masks))
        known = range(task.tokenizer.vocabulary_size)
        self._tokens = [task.shown(number) for number in known]
        self.served = {"serving_default": self._signature(self._fill)}

    def _fill(self, text):
        task = self._task.value
        own = task.mask.replace("\\", "\\\\")
        rows = self.rows.encode(tf.strings.regex_replace(text, self._mask, own))
        ids = rows["token_ids"]
        found = tf.where(ids.flat_values == task.tokenizer.mask_id)[:, 0]
        index = tf.gather(ids.value_rowids(), found)
        places = found - tf.gather(ids.row_starts(), index)
        places = tf.cast(places, tf.int32)[:, None]
        rows = {name: tf.gather(x, index) for name, x in rows.items()}
        top_k = task.settings["top_k"]

        def run(first, behind):
            batch = self.rows.batch(rows, first, behind)
            batch["mask_positions"] = places[first:behind]
            logits = task.model(batch, training=False)[:, 0]
            scores = tf.nn.softmax(tf.cast(logits, tf.float32))
            # A model may know more ids than its tokenizer.
            known = scores[:, : task.tokenizer.vocabulary_size]
            best, numbers = tf.math.top_k(known, top_k)
            return tf.concat([best, tf.cast(numbers, tf.float32)], axis=-1)

        size = task.settings["batch_size"]
        both = in_batches(tf.size(index), size, run, 2 * top_k)
        numbers = tf.cast(both[:, top_k:], tf.int32)
        return {
            "text_index": tf.cast(index, tf.int32),
            "token": tf.gather(tf.constant(self._tokens), numbers),
            "token_id": numbers,
            "score": both[:, :top_k],
        }
