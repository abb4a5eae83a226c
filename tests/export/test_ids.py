"""Tasks whose tokenizer has no operations are exported over ids."""

import keras
import numpy as np
import pytest

from keras_attention import (
    CausalLM,
    SequenceTagger,
    SpanPredictor,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.data import load_tokenizer
from keras_attention.tasks import (
    QuestionAnswerer,
    TextEmbedder,
    TextGenerator,
    TokenClassifier,
)
from keras_attention.tasks.core import text_batches
from tests.data.tokenizers import folders
from tests.tasks.classification.classifiers import text_classifier
from tests.tasks.sequence_to_sequence.test_published_tokenizers import task_of
from tests.tools import near

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text", reason="the export needs it")
pytestmark = pytest.mark.full
TEXTS = ["the cat größer", "ka to mi 안녕", "sen lo", "x" * 30]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tokenizer like Llama's: BPE beside Metaspace."""
    return folders.MAKERS["bpe"](tmp_path_factory.mktemp("bpe") / "made")


def export(task, folder):
    with pytest.warns(UserWarning, match="takes ids instead .*Metaspace"):
        task.export(folder)
    return tf.saved_model.load(str(folder)).signatures


def rows_of(tokenizer):
    rows = tokenizer.encode(TEXTS)
    return [tokenizer.with_special_tokens(row)[0] for row in rows]


def test_outputs_of_ids_are_those_of_texts(folder, tmp_path):
    task = task_of(folder, decoder_start_id=3, max_source_length=60)
    served = export(task, tmp_path / "exported")
    ids = text_batches.pad(rows_of(task.source_tokenizer), 3)
    found = served["serving_default"](source_ids=tf.constant(ids))
    token_ids, scores = task.generate(TEXTS)
    assert found["token_ids"].numpy().tolist() == token_ids.tolist()
    near(found["scores"].numpy(), scores)


@pytest.mark.parametrize("options", [{"num_beams": 2}, {"temperature": 2.0}])
def test_ids_are_continued_as_text_is(folder, options, tmp_path):
    tokenizer = load_tokenizer(folder)
    keras.utils.set_random_seed(3)
    decoder = TransformerDecoder(tokenizer.vocabulary_size, 1, 16, 2)
    generation = {"max_new_tokens": 6, **options}
    task = TextGenerator(CausalLM(decoder), tokenizer, generation=generation)
    served = export(task, tmp_path / "exported")
    rows = rows_of(tokenizer)
    lengths = np.array([len(row) for row in rows], "int32")
    inputs = {
        "token_ids": tf.constant(text_batches.pad(rows, 3)),
        "lengths": tf.constant(lengths),
    }
    name = "serving_default"
    if "temperature" in options:
        name, inputs["seed"] = "seeded", tf.constant(5)
    found = served[name](**inputs)["token_ids"].numpy()
    seed = {"seed": 5} if "temperature" in options else {}
    texts = task(TEXTS, **seed)
    for row, length, text in zip(found, lengths, texts, strict=True):
        new = row[length : length + 6].tolist()
        if tokenizer.end_id in new:
            new = new[: new.index(tokenizer.end_id)]
        assert tokenizer.decode([new]) == [text.strip()]


def test_ids_are_classified_as_text_is(folder, tmp_path):
    tokenizer = load_tokenizer(folder)
    size = tokenizer.vocabulary_size
    embedding = TokenEmbedding(
        size, 12, padding_id=tokenizer.padding_id, num_segments=2
    )
    encoder = TransformerEncoder(size, 1, 12, 3, embedding=embedding)
    task = text_classifier(encoder, tokenizer, max_length=60)
    served = export(task, tmp_path / "exported")
    assert set(served) == {"serving_default", "labels"}
    ids = tf.constant(text_batches.pad(rows_of(tokenizer), 3))
    found = served["serving_default"](token_ids=ids)
    probabilities = task.probabilities(TEXTS)
    near(found["probabilities"].numpy(), probabilities)
    labels = [x.decode() for x in found["label"].numpy()]
    assert labels == task(TEXTS) and len(set(labels)) > 1
    names = [x.decode() for x in served["labels"]()["labels"].numpy()]
    assert names == task.labels


@pytest.mark.parametrize("has_padding", [True, False])
def test_ids_are_embedded_as_text_is(folder, has_padding, tmp_path):
    tokenizer = load_tokenizer(folder)
    size = tokenizer.vocabulary_size
    embedding = TokenEmbedding(size, 16, padding_id=tokenizer.padding_id)
    if not has_padding:  # of the tokenizer's own
        del tokenizer.special_ids["pad"]
    model = TransformerEncoder(size, 1, 16, 2, embedding=embedding)
    task = TextEmbedder(model, tokenizer)
    served = export(task, tmp_path / "exported")
    ids = tf.constant(text_batches.pad(rows_of(tokenizer), 3))
    found = served["serving_default"](token_ids=ids)["embeddings"]
    near(found.numpy(), task(TEXTS))


def test_ids_of_tokens_are_classified_as_text_is(folder, tmp_path):
    task = task_of_tokens(TokenClassifier, folder, labels=["O", "B-X", "I-X"])
    task.model.run_eagerly = True
    served = export(task, tmp_path / "exported")
    rows = rows_of(task.tokenizer)
    ids = tf.constant(text_batches.pad(rows, 3))
    found = served["serving_default"](token_ids=ids)
    task.settings["ignore_labels"] = []
    task.scheme = None
    for row, text in enumerate(TEXTS):
        # Each token by itself, between the special ones.
        expected = task(text)
        labels = found["label"][row, 1 : 1 + len(expected)].numpy()
        best = found["probabilities"][row, 1 : 1 + len(expected)].numpy()
        assert len(expected) == len(rows[row]) - 2
        assert [x.decode() for x in labels] == [x["label"] for x in expected]
        near(best.max(axis=-1), [x["score"] for x in expected])


def test_logits_of_pairs_of_ids_are_those_of_the_model(folder, tmp_path):
    task = task_of_tokens(QuestionAnswerer, folder)
    served = export(task, tmp_path / "exported")
    firsts, seconds = task.tokenizer.encode(TEXTS[:2]), rows_of(task.tokenizer)
    rows = [
        task.inputs.with_special_tokens(*pair)
        for pair in zip(firsts, seconds[:2], strict=True)
    ]
    inputs = task.inputs.arrays(rows)
    given = {"token_ids": tf.constant(inputs["token_ids"])}
    found = served["serving_default"](**given)
    expected = task.model(inputs).numpy()
    for row, (ids, _) in enumerate(rows):
        for place, name in enumerate(("start", "end")):
            own = expected[row, : len(ids), place]
            near(found[name][row, : len(ids)].numpy(), own)


def task_of_tokens(cls, folder, **settings):
    tokenizer = load_tokenizer(folder)
    size = tokenizer.vocabulary_size
    keras.utils.set_random_seed(5)
    embedding = TokenEmbedding(size, 16, padding_id=tokenizer.padding_id)
    encoder = TransformerEncoder(size, 1, 16, 2, embedding=embedding)
    model = SpanPredictor(encoder)
    if cls is TokenClassifier:
        model = SequenceTagger(encoder, 3)
    return cls(model, tokenizer, **settings)
