"""Classifiers as one TensorFlow SavedModel."""

from keras_attention.export.saved_model import write_saved_model


def export_text_classifier(task, folder):
    """Writes a SavedModel that takes strings and gives labels.

    The tokenizer is inside. To serve it, `tensorflow` and `tensorflow_text`
    suffice:

    ```python
    import tensorflow as tf
    import tensorflow_text  # registers the tokenizer's operations

    signatures = tf.saved_model.load("exported").signatures
    signatures["serving_default"](text=tf.constant(["a gripping film ."]))
    signatures["labels"]()["labels"]
    ```

    The signature `serving_default` takes `text`, strings `(batch,)`, where
    the batch may be of any size, and gives `label`, strings `(batch,)`, and
    `probabilities`, float32 `(batch, classes)`; `labels` gives the names of
    the classes in their order. Where the tokenizer has a template for two
    texts, the signature `pairs` takes `first` and `second` and gives the
    same. Texts longer than `max_length` are cut, with a
    line on standard error that counts them.

    Where the tokenizer has no operations of TensorFlow, a warning says why,
    and `serving_default` takes `token_ids`, int32
    `(batch, length)` with their special tokens and with padding behind.

    From another backend than TensorFlow the export runs in a process of its
    own, which has to find the classes of the model in this package or in
    Keras.

    Args:
        task: a `TextClassifier`.
        folder: path. It is complete or not there at all; an earlier export in
            its place is kept until then.

    Raises:
        ImportError: if `tensorflow` or `tensorflow_text` is missing.
        ValueError: if the folder holds something else.
    """
    write_saved_model(
        task, folder, _text_graph, make_ids_graph=_text_graph_of_ids
    )


def export_image_classifier(task, folder):
    """Writes a SavedModel that takes images and gives labels.

    To serve it, `tensorflow` suffices. The signature `serving_default` takes
    `images`, float32 `(batch, height, width, channels)`, as the task does,
    and gives `label` and `probabilities`; `labels` gives the names of the
    classes in their order.

    Args:
        task: an `ImageClassifier`.
        folder: path, as of `export_text_classifier`.

    Raises:
        ImportError: if `tensorflow` is missing.
        ValueError: if the folder holds something else.
    """
    write_saved_model(task, folder, _image_graph, with_text=False)


def _text_graph(task):
    from keras_attention.export.classifier_graphs import TextClassifierGraph

    return TextClassifierGraph(task)


def _image_graph(task):
    from keras_attention.export.classifier_graphs import ImageClassifierGraph

    return ImageClassifierGraph(task)


def _text_graph_of_ids(task):
    from keras_attention.export.id_graphs import TextClassifierIds

    return TextClassifierIds(task)
