"""The TensorFlow graphs of classifiers. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.export.graph_parts import (
    Hidden,
    encode,
    in_batches,
    marked,
    warn_of_cut,
)
from keras_attention.export.tokenizers.in_graph import tokenizer_in_graph


class ClassifierGraph(tf.Module):
    """Base of the graphs of both classifiers.

    Args:
        task: a `TextClassifier` or an `ImageClassifier`.
        spec: `tf.TensorSpec` of its input.
    """

    def __init__(self, task, spec):
        super().__init__()
        self._task = Hidden(task)
        # SavedModel refuses what a graph uses and its root does not hold. The
        # model itself would bring its optimizer and a trace of every layer.
        self.weights = [variable.value for variable in task.model.weights]
        self.served = {
            "serving_default": tf.function(
                self._serve, input_signature=[spec], autograph=False
            ),
            "labels": tf.function(
                self._labels, input_signature=[], autograph=False
            ),
        }

    def _labels(self):
        return {"labels": tf.constant(self._task.value.labels)}

    def _serve(self, inputs):
        rows, count, batch = self._prepare(inputs)
        task = self._task.value

        def run(first, behind):
            logits = task.model(batch(rows, first, behind), training=False)
            return tf.nn.softmax(tf.cast(logits, tf.float32))

        found = in_batches(
            count, task.settings["batch_size"], run, len(task.labels)
        )
        best = tf.argmax(found, axis=-1)
        return {
            "label": tf.gather(tf.constant(task.labels), best),
            "probabilities": found,
        }


class TextClassifierGraph(ClassifierGraph):
    """Tokenizes and classifies, all in a graph."""

    def __init__(self, task):
        self.tokenizer = tokenizer_in_graph(task.tokenizer)
        super().__init__(task, tf.TensorSpec([None], tf.string, name="text"))

    def _prepare(self, text):
        task = self._task.value
        max_length = task.settings["max_length"]
        rows = encode(self.tokenizer, text)
        limit = max_length - task.tokenizer.num_special_tokens()
        warn_of_cut(rows, limit, f"max_length={max_length}")
        rows = marked(task.tokenizer, rows[:, :limit], mark="start")
        return rows, tf.size(text), self._batch

    def _batch(self, rows, first, behind):
        rows = rows[first:behind]
        padding_id = self._task.value.tokenizer.padding_id
        batch = rows.to_tensor(padding_id)
        # Keras warns of a softmax over a single key.
        more = tf.maximum(2 - tf.shape(batch)[1], 0)
        return tf.pad(batch, [[0, 0], [0, more]], constant_values=padding_id)


class ImageClassifierGraph(ClassifierGraph):
    """Scales and classifies, all in a graph."""

    def __init__(self, task):
        shape = [None, *task.settings["image_shape"]]
        super().__init__(task, tf.TensorSpec(shape, tf.float32, name="images"))

    def _prepare(self, images):
        settings = self._task.value.settings
        images = images * settings["scale"] + settings["offset"]
        return images, tf.shape(images)[0], lambda x, a, b: x[a:b]
