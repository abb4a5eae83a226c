"""The TensorFlow graphs of classifiers. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.export.graph_parts import (
    Hidden,
    in_batches,
)
from keras_attention.export.text_rows import TextRows


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

    def _serve(self, *inputs):
        rows, count, batch = self._prepare(*inputs)
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
        self.rows = TextRows(task.inputs)
        super().__init__(task, tf.TensorSpec([None], tf.string, name="text"))
        if "pair" in (task.tokenizer.templates or ()):
            names = "first", "second"
            self.served["pairs"] = tf.function(
                self._serve,
                input_signature=[
                    tf.TensorSpec([None], tf.string, name=name)
                    for name in names
                ],
                autograph=False,
            )

    def _prepare(self, *texts):
        rows = self.rows.encode(*texts)
        return rows, rows["token_ids"].nrows(tf.int32), self.rows.batch


class ImageClassifierGraph(ClassifierGraph):
    """Scales and classifies, all in a graph."""

    def __init__(self, task):
        shape = [None, *task.settings["image_shape"]]
        super().__init__(task, tf.TensorSpec(shape, tf.float32, name="images"))

    def _prepare(self, images):
        settings = self._task.value.settings
        images = images * settings["scale"] + settings["offset"]
        return images, tf.shape(images)[0], lambda x, a, b: x[a:b]
