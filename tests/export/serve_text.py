"""Serves strings by several threads, with TensorFlow and its text alone.

It reads `{"texts": [...], "threads": 4}` from standard input.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf
import tensorflow_text  # noqa: F401

for name in ("keras_attention", "keras_hub", "sentencepiece", "tokenizers"):
    # An import of it fails.
    sys.modules[name] = None

given = json.load(sys.stdin)
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
texts = tf.constant(given["texts"])
count = given["threads"]
with ThreadPoolExecutor(count) as pool:
    results = list(pool.map(lambda _: serve(text=texts), range(count)))
try:
    serve(text=tf.constant(["a " * 999]))
    refused = ""
except tf.errors.InvalidArgumentError as error:
    refused = str(error)
print(
    json.dumps(
        {
            "texts": [
                [text.decode() for text in result["text"].numpy()]
                for result in results
            ],
            "scores": results[0]["score"].numpy().tolist(),
            "refused": refused,
        }
    )
)
