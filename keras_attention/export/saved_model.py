"""A task as one TensorFlow SavedModel."""

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import keras

from keras_attention import optional
from keras_attention.files import replacing_folder
from keras_attention.models.adapting.lora import can_merge

SAVED_MODEL = "saved_model.pb"
_PURPOSE = "The export"
_INSTEAD = "The SavedModel takes ids instead"


class NoOperations(ValueError):
    """A tokenizer has no operations of TensorFlow, and why."""


def write_saved_model(
    task, folder, make_graph, with_text=True, make_ids_graph=None
):
    """Writes a SavedModel of a task, on any backend.

    From another backend than TensorFlow the export runs in a process of its
    own, which has to find the classes of the model in this package or in
    Keras. Adapters of LoRA are folded into the weights.

    Args:
        task: a task that can be saved.
        folder: path. It is complete or not there at all; an earlier export in
            its place is kept until then.
        make_graph: function that imports TensorFlow and turns the task into a
            `tf.Module` whose attribute `served` is a dictionary of signatures.
        with_text: whether the graph needs TensorFlow's text operations.
        make_ids_graph: the same function for a graph over ids. It is used,
            and a warning says why, where the tokenizer has no operations.

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
    if can_merge(task.model):
        task = _with_adapters_merged(task)
    with replacing_folder(folder, SAVED_MODEL) as partial:
        try:
            graph = make_graph(task)
        except NoOperations as error:
            if make_ids_graph is None:
                raise
            graph = make_ids_graph(task)
            names = ", ".join(graph.served)
            warnings.warn(
                f"{_INSTEAD} of text, with the signatures {names}, since it "
                f"cannot hold the tokenizer. {error}",
                stacklevel=4,
            )
        tf.saved_model.save(graph, str(partial), signatures=graph.served)


def _with_adapters_merged(task):
    """Makes the task that comes out of its folder, which has no adapters."""
    with tempfile.TemporaryDirectory() as temporary:
        task.save(os.path.join(temporary, "task"))
        return type(task).load(os.path.join(temporary, "task"))


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
    for line in result.stderr.splitlines():
        _, found, reason = line.partition(_INSTEAD)
        if found:
            warnings.warn(found + reason, stacklevel=5)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise ValueError(
            f"The export to {folder} failed on TensorFlow: {lines[-1]}"
        )
