"""Serves an exported classifier with TensorFlow alone.

Usage: python serve_classifier.py FOLDER text|images, batches as JSON on
standard input.
"""

import importlib.util
import json
import sys
from pathlib import Path


def main(folder, kind, batches):
    import tensorflow as tf

    if kind == "text":
        import tensorflow_text  # noqa: F401
    signatures = tf.saved_model.load(folder).signatures
    labels = signatures["labels"]()["labels"].numpy()
    results = []
    for batch in batches:
        if kind == "text":
            batch = {"text": tf.constant(batch, tf.string, [len(batch)])}
        else:
            batch = {"images": tf.constant(batch, tf.float32)}
        found = signatures["serving_default"](**batch)
        results.append(
            {
                "label": [s.decode() for s in found["label"].numpy()],
                "probabilities": found["probabilities"].numpy().tolist(),
            }
        )
    return {"labels": [x.decode() for x in labels], "results": results}


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location(
        "serve", Path(__file__).with_name("serve.py")
    )
    serve = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(serve)
    sys.meta_path.insert(0, serve.Blocker())
    print(json.dumps(main(*sys.argv[1:], json.load(sys.stdin))))
