"""A `TextToText` as one TensorFlow SavedModel."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras

from keras_attention.files import replacing_folder

SAVED_MODEL = "saved_model.pb"


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
    if keras.backend.backend() != "tensorflow":
        _export_in_new_process(task, folder)
        return
    tf = _tensorflow()
    from keras_attention.export.text_to_text_graph import TextToTextGraph

    with replacing_folder(folder, SAVED_MODEL) as partial:
        graph = TextToTextGraph(task)
        tf.saved_model.save(
            graph,
            str(partial),
            signatures={
                "serving_default": graph.serve_text,
                "token_ids": graph.serve_token_ids,
            },
        )


def _tensorflow():
    try:
        import tensorflow as tf
        import tensorflow_text
    except ImportError as error:
        raise ImportError(
            "The export needs TensorFlow and its text operations: "
            "pip install tensorflow tensorflow-text"
        ) from error
    del tensorflow_text
    return tf


def _export_in_new_process(task, folder):
    package = str(Path(__file__).parents[2])
    search_path = [package, os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(filter(None, search_path)),
        # Tracing needs no accelerator, and this process may hold all of it.
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    with tempfile.TemporaryDirectory() as temporary:
        saved = os.path.join(temporary, "task")
        task.save(saved)
        result = subprocess.run(
            [
                *(sys.executable, "-m", "keras_attention.export"),
                *(saved, os.path.abspath(folder)),
            ],
            env=environment,
            capture_output=True,
            text=True,
        )
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise ValueError(
            f"The export to {folder} failed on TensorFlow: {lines[-1]}"
        )
