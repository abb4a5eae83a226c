"""Serves an exported task that writes with TensorFlow alone, by 4 threads.

Usage: python serve_sources.py FOLDER, batches as JSON on standard input: each
a dictionary of the signature's inputs.
"""

import importlib.util
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main(folder, batches):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    signatures = tf.saved_model.load(folder).signatures
    served = signatures["serving_default"]
    specs = served.structured_input_signature[1]

    def answer(batch):
        inputs = {
            name: tf.constant(x, specs[name].dtype) for name, x in batch.items()
        }
        numbers = signatures["token_ids"](**inputs)
        return {
            "text": [s.decode() for s in served(**inputs)["text"].numpy()],
            "token_ids": numbers["token_ids"].numpy().tolist(),
            "scores": numbers["scores"].numpy().tolist(),
        }

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(answer, batches))


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location(
        "serve", Path(__file__).with_name("serve.py")
    )
    serve = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(serve)
    sys.meta_path.insert(0, serve.Blocker())
    print(json.dumps(main(sys.argv[1], json.load(sys.stdin))))
