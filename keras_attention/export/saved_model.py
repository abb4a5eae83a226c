"""A task as one TensorFlow SavedModel."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras

from keras_attention import optional
from keras_attention.files import replacing_folder

SAVED_MODEL = "saved_model.pb"
_PURPOSE = "The export"


def write_saved_model(task, folder, make_graph, with_text=True):
    """Writes a SavedModel of a task, on any backend.

    From another backend than TensorFlow the export runs in a process of its
    own, which has to find the classes of the model in this package or in
    Keras.

    Args:
        task: a task that can be saved.
        folder: path. It is complete or not there at all; an earlier export in
            its place is kept until then.
        make_graph: function that imports TensorFlow and turns the task into a
            `tf.Module` whose attribute `served` is a dictionary of signatures.
        with_text: whether the graph needs TensorFlow's text operations.

    Raises:
        ImportError: if `tensorflow` or `tensorflow_text` is missing.
        ValueError: if the folder holds something else.
    """
    needed = ["tensorflow", *["tensorflow_text"] * with_text]
    extra = "export" if with_text else "tensorflow"
    if keras.backend.backend() != "tensorflow":
        for name in needed:
            optional.check(name, _PURPOSE, extra)
        _export_in_new_process(task, folder)
        return
    tf, *_ = [optional.load(name, _PURPOSE, extra) for name in needed]
    with replacing_folder(folder, SAVED_MODEL) as partial:
        graph = make_graph(task)
        tf.saved_model.save(graph, str(partial), signatures=graph.served)


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
                sys.executable,
                "-m",
                "keras_attention.tasks",
                saved,
                os.path.abspath(folder),
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
