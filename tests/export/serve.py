"""Serves an exported `TextToText` with TensorFlow alone.

Usage: python serve.py FOLDER, batches of texts as JSON on standard input.
"""

import json
import sys


class Blocker:
    """Makes packages unimportable."""

    names = {"keras_attention", "keras_hub", "keras_nlp", "sentencepiece"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{name} is blocked")


def main(folder, batches):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    signatures = tf.saved_model.load(folder).signatures
    results = []
    for texts in batches:
        text = tf.constant(texts, tf.string, [len(texts)])
        strings = signatures["serving_default"](text=text)
        numbers = signatures["token_ids"](text=text)
        results.append(
            {
                "text": [s.decode() for s in strings["text"].numpy()],
                "token_ids": numbers["token_ids"].numpy().tolist(),
                "scores": numbers["scores"].numpy().tolist(),
                "outputs": sorted([*strings, *numbers]),
                "shape": numbers["token_ids"].shape.as_list(),
            }
        )
    return results


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocker())
    print(json.dumps(main(sys.argv[1], json.load(sys.stdin))))
