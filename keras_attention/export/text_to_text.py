"""A `TextToText` as one TensorFlow SavedModel."""

from keras_attention.export.saved_model import write_saved_model


def export_text_to_text(task, folder):
    """Writes a SavedModel that takes strings and gives strings.

    Tokenizers, beam search and caches are inside, with the settings of the
    task. To serve it, `tensorflow` and `tensorflow_text` suffice:

    ```python
    import tensorflow as tf
    import tensorflow_text  # registers the tokenizer's operations

    signatures = tf.saved_model.load("exported").signatures
    signatures["serving_default"](text=tf.constant(["a man ."]))["text"]
    signatures["token_ids"](text=tf.constant(["a man ."]))["scores"]
    ```

    The signatures, both for `text`, strings of the shape `(batch,)`, where
    the batch may be of any size:

    - `serving_default` gives `text`, strings `(batch,)`.
    - `token_ids` gives `token_ids`, int32 `(batch, max_length)`, with start,
      end and padding, and `scores`, float32 `(batch,)`.

    Texts longer than `max_source_length` are cut, with a line on standard
    error that counts them.

    Where the tokenizer has no operations of TensorFlow, a warning says why,
    and `serving_default` takes `source_ids`, int32
    `(batch, length)` with their special tokens and with padding behind, and
    gives `token_ids` and `scores`.

    From another backend than TensorFlow the export runs in a process of its
    own, which has to find the classes of the model in this package or in
    Keras.

    Args:
        task: a `TextToText`.
        folder: path. It is complete or not there at all; an earlier export in
            its place is kept until then.

    Raises:
        ImportError: if `tensorflow` or `tensorflow_text` is missing.
        ValueError: if the folder holds something else.
    """
    write_saved_model(task, folder, _graph, make_ids_graph=_graph_of_ids)


def _graph(task):
    from keras_attention.export.text_to_text_graph import TextToTextGraph

    return TextToTextGraph(task)


def _graph_of_ids(task):
    from keras_attention.export.id_graphs import TextToTextIds

    return TextToTextIds(task)
