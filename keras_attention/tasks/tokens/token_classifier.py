"""Strings in, the entities in them out."""

from keras import ops

from keras_attention.checks import did_you_mean
from keras_attention.models.sequence_tagger import SequenceTagger
from keras_attention.tasks.classification.base import check_names, softmax
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.task import Task
from keras_attention.tasks.core.text_inputs import TextInputs, check_list
from keras_attention.tasks.tokens import entities
from keras_attention.tasks.tokens.text_windows import (
    check_stride,
    spans_of,
    windows,
)


class TokenClassifier(Task):
    """Finds the entities of texts, or the class of each token.

    Neighbouring tokens of one type are joined to an entity by the scheme of
    the labels: IOB1, IOB2 (BIO), BIOES or BILOU, or the same label again.
    A word is what the tokenizer marks as one, or what white space parts where
    it marks none. A text longer than `max_length` is read in windows that
    overlap by `stride` tokens; of entities that overlap, the longest is kept.
    Without `stride` it is cut, with a warning that counts the texts cut.

    Args:
        model: a `SequenceTagger`.
        tokenizer: a `Tokenizer`, such as `load_tokenizer` reads.
        labels: list of strings, the names of the classes in the order of the
            model's logits; by default the model's own.
        aggregation: how tokens become entities: `"simple"` takes the best
            class of each token; `"first"`, `"average"` and `"max"` take for
            all tokens of a word the scores of its first, their mean, or those
            of its most certain token. None leaves the tokens by themselves.
        ignore_labels: list of strings, the classes that are left out.
        stride: integer, the tokens that windows over a long text share; None
            for no windows.
        max_length: integer, ids of a text, special ones included; None for
            what model and tokenizer allow, or 256 where neither has a limit.
        batch_size: integer, texts that are processed together.

    Call arguments:
        texts: a string or a list of strings.

    Returns:
        For a string a list of dictionaries in the order of the text: `label`,
        the type of the entity, or the class of the token; `score`, its
        probability, the mean over what is joined; `start` and `end`, the
        characters where it begins and ends; `text`, what stands there. For a
        list of strings a list of such lists.

    Raises:
        ValueError: if tokenizer, model, labels and settings do not fit
            together, or if something that is not text is given.

    Example:

    ```python
    from keras_attention import SequenceTagger, TransformerEncoder
    from keras_attention.data import SentencePieceTokenizer
    from keras_attention.tasks import TokenClassifier

    texts = ["Ada met Grace .", "Alan lives in London ."]
    tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=25)
    encoder = TransformerEncoder(tokenizer.vocabulary_size, 2, 32, 4)
    labels = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    model = SequenceTagger(encoder, num_classes=5, labels=labels)
    find = TokenClassifier(model, tokenizer, aggregation="first")
    found = [(x["label"], x["text"]) for x in find(texts[0])]
    ```

    Reference:
        Tjong Kim Sang and De Meulder 2003, https://arxiv.org/abs/cs/0306050
    """

    kind = "token_classifier"
    pipeline_tag = "token-classification"
    model_class = SequenceTagger
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self,
        model,
        tokenizer,
        labels=None,
        *,
        aggregation="simple",
        ignore_labels=("O",),
        stride=None,
        max_length=None,
        batch_size=32,
    ):
        if type(model) is not SequenceTagger:
            raise ValueError(
                "model must be a SequenceTagger. Received: "
                f"{type(model).__name__}"
            )
        labels = model.labels if labels is None else labels
        check_names(labels, model.num_classes)
        self.model, self.tokenizer = model, tokenizer
        self.inputs = TextInputs(
            model.encoder, tokenizer, max_length, batch_size
        )
        _check_aggregation(aggregation, stride)
        if stride is not None:
            check_stride(stride, self.inputs.room())
        self.labels = list(labels)
        self.settings = {
            "aggregation": aggregation,
            "ignore_labels": check_list(ignore_labels, "ignore_labels"),
            "stride": stride,
            "max_length": self.inputs.max_length,
            "batch_size": batch_size,
        }
        self.scheme = entities.Scheme(labels) if aggregation else None

    def __call__(self, texts):
        if isinstance(texts, str):
            return self([texts])[0]
        texts = check_list(texts)
        ids = self.inputs.ids(texts)
        spans = spans_of(self.tokenizer, texts)
        parts = self._parts(ids)
        scores = self._scores(ids, parts)
        found = [[] for _ in texts]
        for (index, first, behind), of_part in zip(parts, scores, strict=True):
            found[index] += self._entities(
                texts[index],
                ids[index][first:behind],
                spans[index][first:behind],
                of_part,
            )
        if self.settings["stride"] is not None:
            found = list(map(entities.without_overlaps, found))
        for text, of_text in zip(texts, found, strict=True):
            for entity in of_text:
                entity["text"] = text[entity["start"] : entity["end"]]
        return found

    def _parts(self, ids):
        """Lists `(text, first, behind)`, the tokens of each window."""
        room, stride = self.inputs.room(), self.settings["stride"]
        if stride is None:
            text_batches.warn_of_cut(
                sum(len(row) > room for row in ids),
                len(ids),
                f"max_length={self.inputs.max_length}",
                stacklevel=4,
            )
            return [(i, 0, min(len(row), room)) for i, row in enumerate(ids)]
        return [
            (index, *window)
            for index, row in enumerate(ids)
            for window in windows(len(row), room, stride)
        ]

    def _scores(self, ids, parts):
        """Gives the probabilities of the classes of each window's tokens."""
        rows = [
            self.inputs.with_special_tokens(ids[index][first:behind])
            for index, first, behind in parts
        ]
        start = self.inputs.place_of_text()
        found = [None] * len(parts)
        for indices, inputs in self.inputs.batches(rows):
            logits = ops.convert_to_numpy(self.model.predict_on_batch(inputs))
            for index, row in zip(indices, logits, strict=False):
                _, first, behind = parts[index]
                row = row[start : start + behind - first]
                found[index] = softmax(row.astype("float32"))
        return found

    def _entities(self, text, ids, spans, scores):
        """Finds the entities of a window."""
        rule = self.settings["aggregation"]
        if rule not in (None, "simple"):
            (pieces,) = self.tokenizer.pieces([ids])
            unknown = self.tokenizer.unknown_id
            inside = entities.words(
                text,
                spans,
                pieces,
                self.tokenizer.continuing_prefix,
                [number == unknown for number in ids],
            )
            scores, spans = entities.join_words(scores, spans, inside, rule)
        found = entities.join_entities(scores, spans, self.labels, self.scheme)
        ignored = self.settings["ignore_labels"]
        return [x for x in found if x["label"] not in ignored]

    def saved_settings(self):
        return {"labels": self.labels, **self.settings}

    def tokenizers(self):
        return [self.tokenizer]


def _check_aggregation(aggregation, stride):
    known = entities.AGGREGATIONS
    if aggregation is not None and aggregation not in known:
        raise ValueError(
            f"aggregation must be one of {', '.join(known)}, or None. "
            f"Received: {aggregation!r}."
            f"{did_you_mean(str(aggregation), known)}"
        )
    if aggregation is None and stride is not None:
        raise ValueError(
            "stride joins the entities of windows, so aggregation must not be "
            f"None. Received: stride={stride!r}"
        )
