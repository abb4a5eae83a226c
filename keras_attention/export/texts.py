"""Tasks over texts as one TensorFlow SavedModel."""

from keras_attention.export.saved_model import write_saved_model


def export_text_embedder(task, folder):
    """Writes a SavedModel that takes strings and gives their vectors.

    The tokenizer is inside. To serve it, `tensorflow` and `tensorflow_text`
    suffice:

    ```python
    import tensorflow as tf
    import tensorflow_text  # registers the tokenizer's operations

    signatures = tf.saved_model.load("exported").signatures
    texts = tf.constant(["A man rides a horse."])
    signatures["serving_default"](text=texts)["embeddings"]
    ```

    The signature `serving_default` takes `text`, strings `(batch,)`, where
    the batch may be of any size, and gives `embeddings`, float32
    `(batch, dim)`, with the task's default prompt. For each of its prompts
    there is a signature `prompt_` with the prompt's name behind. Texts longer
    than `max_length` are cut, with a line on standard error that counts them.

    Where the tokenizer has no operations of TensorFlow, a warning says why,
    and `serving_default` takes `token_ids`, int32
    `(batch, length)` with their special tokens and with padding behind.

    Args:
        task: a `TextEmbedder`.
        folder: path. It is complete or not there at all; an earlier export in
            its place is kept until then.

    Raises:
        ImportError: if `tensorflow` or `tensorflow_text` is missing.
        ValueError: if the folder holds something else, or the tokenizer has
            no operations of TensorFlow.
    """
    write_saved_model(
        task, folder, _embedder_graph, make_ids_graph=_embedder_graph_of_ids
    )


def export_masked_text(task, folder):
    """Writes a SavedModel that takes strings with masks and fills them in.

    To serve it, `tensorflow` and `tensorflow_text` suffice. The signature
    `serving_default` takes `text`, strings `(batch,)`, in which masks are
    written as for the task, and gives an entry for each mask: `text_index`,
    int32 `(masks,)`, the text that it stands in; `token`, strings
    `(masks, top_k)`; `token_id`, int32, and `score`, float32, the
    probability, of the same shape. A text without a mask has no entry.

    Args:
        task: a `MaskedText`.
        folder: path, as of `export_text_embedder`.

    Raises:
        ImportError, ValueError: as `export_text_embedder`.
    """
    write_saved_model(task, folder, _masked_graph)


def _embedder_graph(task):
    from keras_attention.export.text_graphs import TextEmbedderGraph

    return TextEmbedderGraph(task)


def _masked_graph(task):
    from keras_attention.export.text_graphs import MaskedTextGraph

    return MaskedTextGraph(task)


def _embedder_graph_of_ids(task):
    from keras_attention.export.id_graphs import TextEmbedderIds

    return TextEmbedderIds(task)
