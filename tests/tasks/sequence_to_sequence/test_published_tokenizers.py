"""A `TextToText` with the tokenizers of published models."""

import keras
import pytest

from keras_attention import (
    EncoderDecoder,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.data import load_tokenizer
from keras_attention.tasks import TextToText
from tests.data.tokenizers import folders

TEXTS = ["the cat größer", "", "  ka to mi </s> 안녕", "x" * 99]


def task_of(folder, size=None, padding_id=None, **settings):
    source = load_tokenizer(folder)
    target = load_tokenizer(folder, target=True)
    size = size or source.vocabulary_size + 3
    keras.utils.set_random_seed(7)
    padding_id = source.padding_id if padding_id is None else padding_id
    embedding = TokenEmbedding(size, 8, padding_id=padding_id)
    encoder = TransformerEncoder(size, 1, 8, 2, embedding=embedding)
    decoder = TransformerDecoder(
        size,
        1,
        8,
        2,
        cross_attention="multi_head",
        embedding=encoder.embedding,
    )
    model = EncoderDecoder(encoder, decoder)
    settings = {"max_source_length": 13, "max_length": 9, **settings}
    return TextToText(model, source, target, **settings)


@pytest.fixture(scope="module")
def marian(tmp_path_factory):
    pytest.importorskip("sentencepiece", reason="what makes the folder")
    folder = tmp_path_factory.mktemp("marian") / "made"
    return folders.MAKERS["marian"](folder)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Cut")
def test_a_decoder_starts_as_its_model_says(marian, tmp_path):
    padding_id = load_tokenizer(marian).padding_id
    task = task_of(marian, decoder_start_id=padding_id, forced_start_id=5)
    token_ids, _ = task.generate(TEXTS)
    assert (token_ids[:, 0] == padding_id).all()
    assert (token_ids[[0, 2, 3], 1] == 5).all()
    assert task.decode(token_ids)[1] == ""
    task.save(tmp_path / "task")
    assert (tmp_path / "task" / "source_tokenizer" / "source.spm").is_file()
    again = TextToText.load(tmp_path / "task")
    assert again.settings == task.settings
    for ours, theirs in zip(again.tokenizers(), task.tokenizers(), strict=True):
        assert ours.digest == theirs.digest
        assert ours.encode(TEXTS) == theirs.encode(TEXTS)


def test_what_a_model_cannot_start_with_is_refused(marian):
    with pytest.raises(ValueError, match="target_tokenizer needs an start_id"):
        task_of(marian)
    with pytest.raises(ValueError, match="decoder_start_id must be an id"):
        task_of(marian, decoder_start_id=10_000)
    with pytest.raises(ValueError, match="more than the model's vocabulary"):
        task_of(marian, size=17, padding_id=0, decoder_start_id=0)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Cut")
@pytest.mark.parametrize("kind", ["marian", "t5", "roberta", "bert"])
def test_the_export_answers_as_the_task(kind, tmp_path):
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorflow_text", reason="the export needs it")
    folder = folders.MAKERS[kind](tmp_path / "made")
    start = load_tokenizer(folder).padding_id
    task = task_of(folder, decoder_start_id=start, max_source_length=40)
    task.export(tmp_path / "exported")
    served = tf.saved_model.load(str(tmp_path / "exported")).signatures
    texts = [*TEXTS, *folders.AWKWARD]
    numbers = served["token_ids"](text=tf.constant(texts))["token_ids"]
    assert numbers.numpy().tolist() == task.generate(texts)[0].tolist()
    found = served["serving_default"](text=tf.constant(texts))["text"]
    assert [text.decode() for text in found.numpy()] == task(texts)
