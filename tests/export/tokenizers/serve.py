"""Serves exported tokenizers with TensorFlow alone.

Usage: python serve.py FOLDER, texts as JSON on standard input.
"""

import json
import sys


class Blocker:
    """Makes packages unimportable."""

    names = {"keras_attention", "keras_hub", "sentencepiece", "tokenizers"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{name} is blocked")


def main(folder, texts):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    served = tf.saved_model.load(folder)
    ids = served.tokenize(tf.constant(texts))
    shown = served.detokenize(ids.flat_values, ids.row_splits)
    return ids.to_list(), [text.decode() for text in shown.numpy()]


if __name__ == "__main__":
    sys.meta_path.insert(0, Blocker())
    print(json.dumps(main(sys.argv[1], json.load(sys.stdin))))
