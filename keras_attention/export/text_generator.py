"""A `TextGenerator` as one TensorFlow SavedModel."""

from keras_attention.export.saved_model import write_saved_model


def export_text_generator(task, folder):
    """Writes a SavedModel that continues strings.

    Tokenizer, search and caches are inside, with the options of the task. To
    serve it, `tensorflow` and `tensorflow_text` suffice:

    ```python
    import tensorflow as tf
    import tensorflow_text  # registers the tokenizer's operations

    signatures = tf.saved_model.load("exported").signatures
    signatures["serving_default"](text=tf.constant(["Once upon a"]))["text"]
    ```

    The signature `serving_default` takes `text`, strings `(batch,)`, where
    the batch may be of any size, and gives `text`, strings `(batch,)`, the new
    text alone, and `score`, float32 `(batch,)`, both as of the task. Of a task
    that samples, the signature `seeded` also takes `seed`, int32, and gives
    what the task gives with it.

    Chats are to be written as prompts before: `task.prompts.render(messages)`.

    Where the tokenizer has no operations of TensorFlow, a warning says why,
    and `serving_default` takes `token_ids`, int32
    `(batch, length)`, prompts with padding behind, and their `lengths`, and
    gives `token_ids`, prompts included, and `score`.

    Args:
        task: a `TextGenerator`.
        folder: path. It is complete or not there at all; an earlier export in
            its place is kept until then.

    Raises:
        ImportError: if `tensorflow` or `tensorflow_text` is missing.
        ValueError: if the folder holds something else, or the tokenizer has
            no operations of TensorFlow.
    """
    write_saved_model(task, folder, _graph, make_ids_graph=_graph_of_ids)


def _graph(task):
    from keras_attention.export.text_generator_graph import TextGeneratorGraph

    return TextGeneratorGraph(task)


def _graph_of_ids(task):
    from keras_attention.export.id_graphs import TextGeneratorIds

    return TextGeneratorIds(task)
