"""Runs what a model was exported to, without the model."""

import pytest

from tests.tools import to_numpy

SUFFIXES = {
    "tf_saved_model": "",
    "onnx": ".onnx",
    "openvino": ".xml",
    "litert": ".tflite",
}


def exported(model, folder, format, **options):
    """Exports a model.

    Returns:
        A function of an array, or a dictionary of arrays by name, that gives
        the first output as an array.
    """
    load = {
        "tf_saved_model": _saved_model,
        "onnx": _onnx,
        "openvino": _openvino,
        "litert": _litert,
    }[format]
    for package in {"onnx": ("onnxruntime",), "openvino": ("openvino",)}.get(
        format, ()
    ):
        pytest.importorskip(package, reason="runs the exported model")
    path = str(folder / f"exported{SUFFIXES[format]}")
    model.export(path, format=format, verbose=False, **options)
    return load(path)


def _saved_model(path):
    import keras
    import tensorflow as tf

    # What holds the variables has to live as long as the function.
    loaded = tf.saved_model.load(path)

    def run(inputs):
        given = keras.tree.map_structure(tf.constant, inputs)
        return keras.tree.map_structure(to_numpy, loaded.serve(given))

    return run


def _onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [x.name for x in session.get_inputs()]

    def run(inputs):
        if not isinstance(inputs, dict):
            inputs = {names[0]: inputs}
        return session.run(None, {name: inputs[name] for name in names})[0]

    return run


def _openvino(path):
    import openvino

    # OpenVINO makes outputs of dead ends of the graph too, behind the first.
    compiled = openvino.compile_model(
        openvino.Core().read_model(path),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )

    def run(inputs):
        if isinstance(inputs, dict):
            inputs = [inputs[name] for name in sorted(inputs)]
        return compiled(inputs)[0]

    return run


def _litert(path):
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(path)
    runner = interpreter.get_signature_runner("serving_default")
    (name,) = interpreter.get_signature_list()["serving_default"]["inputs"][:1]

    def run(inputs):
        if not isinstance(inputs, dict):
            inputs = {name: inputs}
        (output,) = runner(**inputs).values()
        return output

    return run
