"""Serves an exported task over texts with TensorFlow alone, in four threads.

Usage: python serve_texts.py FOLDER, and on standard input JSON: a list of
`[signature, inputs]`, where inputs are lists of strings by name.
"""

import importlib.util
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main(folder, calls):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    signatures = tf.saved_model.load(folder).signatures

    def call(asked):
        name, inputs = asked
        tensors = {
            key: tf.constant(texts, tf.string, [len(texts)])
            for key, texts in inputs.items()
        }
        return {
            key: plain(found.numpy())
            for key, found in signatures[name](**tensors).items()
        }

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(call, calls))


def plain(array):
    if array.dtype != object:
        return array.tolist()
    if array.ndim > 1:
        return [plain(row) for row in array]
    return [text.decode() for text in array]


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location(
        "serve", Path(__file__).with_name("serve.py")
    )
    serve = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(serve)
    serve.Blocker.names |= {"tokenizers", "transformers"}
    sys.meta_path.insert(0, serve.Blocker())
    print(json.dumps(main(sys.argv[1], json.load(sys.stdin))))
