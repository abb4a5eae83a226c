"""Tasks that write as one TensorFlow SavedModel."""

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
    write_saved_model(task, folder, _text_graph, make_ids_graph=_graph_of_ids)


def export_image_to_text(task, folder):
    """Writes a SavedModel that takes images and gives strings.

    Beam search and caches are inside, and to serve it `tensorflow` and
    `tensorflow_text` suffice. The signatures are those of
    `export_text_to_text`, both for `images`, float32
    `(batch, height, width, channels)`, as the task takes them.

    Args:
        task: an `ImageToText`.
        folder: path, as of `export_text_to_text`.

    Raises:
        ImportError: if `tensorflow` or `tensorflow_text` is missing.
        ValueError: if the folder holds something else.
    """
    write_saved_model(task, folder, _image_graph)


def export_speech_to_text(task, folder):
    """Writes a SavedModel that takes sound and gives strings.

    Log-mel frames, beam search and caches are inside, and to serve it
    `tensorflow` and `tensorflow_text` suffice. The signatures are those of
    `export_text_to_text`, both for `samples`, float32 `(batch, samples)` from
    -1 to 1, of the task's `sampling_rate`, and `lengths`, int32 `(batch,)`,
    how many samples of each row are sound. A sound of no sample gives an
    empty text; longer ones than `max_seconds` are cut, with a line on
    standard error that counts them.

    Args:
        task: a `SpeechToText`.
        folder: path, as of `export_text_to_text`.

    Raises:
        ImportError: if `tensorflow` or `tensorflow_text` is missing.
        ValueError: if the folder holds something else.
    """
    write_saved_model(task, folder, _speech_graph)


def _text_graph(task):
    from keras_attention.export.source_to_text_graph import TextToTextGraph

    return TextToTextGraph(task)


def _graph_of_ids(task):
    from keras_attention.export.id_graphs import TextToTextIds

    return TextToTextIds(task)


def _speech_graph(task):
    from keras_attention.export.sound_graph import SpeechToTextGraph

    return SpeechToTextGraph(task)


def _image_graph(task):
    from keras_attention.export.source_to_text_graph import ImageToTextGraph

    return ImageToTextGraph(task)
