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


def export_token_classifier(task, folder):
    """Writes a SavedModel that takes strings and gives the entities in them.

    To serve it, `tensorflow` and `tensorflow_text` suffice. The signature
    `serving_default` takes `text`, strings `(batch,)`, and gives an entry for
    each entity, in the order of the texts: `text_index`, int32
    `(entities,)`, the text that it stands in; `label`, a string, the type of
    the entity; `score`, float32, its probability; `start` and `end`, int32,
    the characters where it begins and ends; `text`, a string, what stands
    there. `count`, int32 `(batch,)`, says how many entities are of each text.
    Long texts are read in windows, or cut with a line on standard error that
    counts them, as the task does.

    Where the tokenizer has no operations of TensorFlow, or these do not tell
    which characters a token stands for, a warning says why, and
    `serving_default` takes `token_ids`, int32 `(batch, length)` with their
    special tokens and with padding behind. It gives for each token `label`,
    a string, the best class, and `probabilities`, float32
    `(batch, length, classes)`, as long as the longest text; what it says of
    padding is empty.

    Args:
        task: a `TokenClassifier`.
        folder: path, as of `export_text_embedder`.

    Raises:
        ImportError, ValueError: as `export_text_embedder`.
    """
    write_saved_model(
        task,
        folder,
        _token_classifier_graph,
        make_ids_graph=_token_classifier_graph_of_ids,
    )


def export_question_answerer(task, folder):
    """Writes a SavedModel that takes questions and finds their answers.

    To serve it, `tensorflow` and `tensorflow_text` suffice. The signature
    `serving_default` takes `question` and `context`, strings `(batch,)`, and
    gives the best answers, `(batch, top_k)`: `answer`, strings; `score`,
    float32; `start` and `end`, int32, the characters of the context where
    the answer begins and ends. No answer is `""`, from 0 to 0. `count`, int32
    `(batch,)`, says how many answers there are; behind them stand empty ones
    with a score of 0. There is none where question or context holds no word,
    which the task refuses. Long contexts are read in windows and long
    questions cut, with a line on standard error that counts them, as the
    task does.

    Where the tokenizer has no operations of TensorFlow, or these do not tell
    which characters a token stands for, a warning says why, and
    `serving_default` takes pairs as `token_ids`, int32 `(batch, length)` with
    their special tokens and with padding behind, and, for a model that has
    segments, `segment_ids`. For Longformer, whose questions are seen by all,
    it takes `question_ends`, int32 `(batch,)`, the tokens before the end of
    the question. It gives `start` and `end`, float32 `(batch, length)`, the
    logits of an answer's first and last token, as long as the longest pair.

    Args:
        task: a `QuestionAnswerer`.
        folder: path, as of `export_text_embedder`.

    Raises:
        ImportError, ValueError: as `export_text_embedder`.
    """
    write_saved_model(
        task,
        folder,
        _question_answerer_graph,
        make_ids_graph=_question_answerer_graph_of_ids,
    )


def _embedder_graph(task):
    from keras_attention.export.text_graphs import TextEmbedderGraph

    return TextEmbedderGraph(task)


def _masked_graph(task):
    from keras_attention.export.text_graphs import MaskedTextGraph

    return MaskedTextGraph(task)


def _embedder_graph_of_ids(task):
    from keras_attention.export.id_graphs import TextEmbedderIds

    return TextEmbedderIds(task)


def _token_classifier_graph(task):
    from keras_attention.export.tokens.token_classifier import (
        TokenClassifierGraph,
    )

    return TokenClassifierGraph(task)


def _token_classifier_graph_of_ids(task):
    from keras_attention.export.id_graphs import TokenClassifierIds

    return TokenClassifierIds(task)


def _question_answerer_graph(task):
    from keras_attention.export.tokens.question_answerer import (
        QuestionAnswererGraph,
    )

    return QuestionAnswererGraph(task)


def _question_answerer_graph_of_ids(task):
    from keras_attention.export.id_graphs import QuestionAnswererIds

    return QuestionAnswererIds(task)
