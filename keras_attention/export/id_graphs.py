"""The graphs of tasks whose tokenizer has no operations: ids in, ids out.

It imports TensorFlow.
"""

import tensorflow as tf

from keras_attention.export.classifier_graphs import (
    ClassifierGraph,
    TextClassifierGraph,
)
from keras_attention.export.graph_parts import Hidden
from keras_attention.export.source_to_text_graph import (
    SourceToTextGraph,
    TextToTextGraph,
)
from keras_attention.export.text_generator_graph import TextGeneratorGraph
from keras_attention.export.text_graphs import TextEmbedderGraph
from keras_attention.export.text_rows import TextRows
from keras_attention.export.tokens.question_answerer import (
    QuestionAnswererGraph,
)
from keras_attention.export.tokens.token_classifier import TokenClassifierGraph


def _ids(name):
    return tf.TensorSpec([None, None], tf.int32, name=name)


def _rows(token_ids, padding_id):
    """Makes ragged rows of ids with padding behind them."""
    return tf.RaggedTensor.from_tensor(token_ids, padding=padding_id)


class TextToTextIds(TextToTextGraph):
    """Searches, all in a graph."""

    def __init__(self, task):
        SourceToTextGraph.__init__(self, task, [_ids("source_ids")])

    def _signatures(self, specs):
        return {"serving_default": self._function(self._serve_token_ids, specs)}

    def _tokenize(self, source_ids):
        return _rows(source_ids, self._task.value.source_padding_id)


class TextGeneratorIds(TextGeneratorGraph):
    """Continues ids, all in a graph."""

    def _signatures(self):
        prompts = [
            _ids("token_ids"),
            tf.TensorSpec([None], tf.int32, name="lengths"),
        ]
        return self._seeded(self._serve_ids, self._continue, prompts)

    def _serve_ids(self, token_ids, lengths):
        return self._continue(token_ids, lengths, self._seed())

    def _continue(self, token_ids, lengths, seed):
        rows = tf.RaggedTensor.from_tensor(token_ids, lengths=lengths)
        places = tf.range(tf.size(lengths))
        seeds = tf.stack([tf.zeros_like(places) + seed, places], axis=1)
        found, _ = self._run(rows, seeds)
        return {"token_ids": found["token_ids"], "score": found["scores"]}


class IdRows(TextRows):
    """Rows of an encoder that are given as ids, special ones included.

    Args:
        inputs: the `TextInputs` of a task.
    """

    def __init__(self, inputs):
        tf.Module.__init__(self)
        self._inputs = Hidden(inputs)

    def encode(self, token_ids):
        """Gives rows as `TextRows.encode`, all in the first segment."""
        inputs = self._inputs.value
        rows = {"token_ids": _rows(token_ids, inputs.padding_id)}
        if inputs.has_segments:
            rows["segment_ids"] = rows["token_ids"] * 0
        return rows


class TextEmbedderIds(TextEmbedderGraph):
    """Embeds ids, all in a graph."""

    rows_class = IdRows

    def _signatures(self):
        serve = tf.function(
            lambda token_ids: self._vectors(self.rows.encode(token_ids)),
            input_signature=[_ids("token_ids")],
            autograph=False,
        )
        return {"serving_default": serve}


class TextClassifierIds(TextClassifierGraph):
    """Classifies ids, all in a graph."""

    def __init__(self, task):
        self.rows = IdRows(task.inputs)
        ClassifierGraph.__init__(self, task, _ids("token_ids"))


class TokenClassifierIds(TokenClassifierGraph):
    """Classifies each of some ids, all in a graph."""

    rows_class = IdRows

    def _signatures(self):
        serve = tf.function(
            self._classify, input_signature=[_ids("token_ids")], autograph=False
        )
        return {"serving_default": serve}

    def _classify(self, token_ids):
        rows = self.rows.encode(token_ids)
        ids = rows["token_ids"]
        scores = self.scores(rows, 0, ids.row_lengths())
        best = tf.argmax(scores, axis=-1)
        labels = tf.gather(tf.constant(self._task.value.labels), best)
        return {
            "label": ids.with_flat_values(labels).to_tensor(),
            "probabilities": ids.with_flat_values(scores).to_tensor(),
        }


class QuestionAnswererIds(QuestionAnswererGraph):
    """Gives the logits of pairs that are ids, all in a graph."""

    rows_class = IdRows

    def _signatures(self):
        task = self._task.value
        specs = [_ids("token_ids")]
        if task.inputs.has_segments:
            specs.append(_ids("segment_ids"))
        if task.takes_global_mask:
            specs.append(tf.TensorSpec([None], tf.int32, name="question_ends"))
        serve = tf.function(
            self._logits_of_ids, input_signature=specs, autograph=False
        )
        return {"serving_default": serve}

    def _logits_of_ids(self, token_ids, segment_ids=None, question_ends=None):
        rows = self.rows.encode(token_ids)
        lengths = rows["token_ids"].row_lengths()
        if segment_ids is not None:
            rows["segment_ids"] = tf.RaggedTensor.from_tensor(
                segment_ids, lengths
            )
        places = tf.ragged.range(lengths)
        logits = self.logits(rows, places, question_ends)
        logits = places.with_flat_values(logits).to_tensor()
        return {"start": logits[..., 0], "end": logits[..., 1]}
