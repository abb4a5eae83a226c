"""The card of a saved task says what Hugging Face calls its use."""

import pytest

from keras_attention import (
    CausalLM,
    MaskedLM,
    SequenceTagger,
    SpanPredictor,
    TransformerDecoder,
    TransformerEncoder,
    tasks,
)
from keras_attention.data import load_tokenizer
from tests.data.tokenizers import folders
from tests.tasks import tiny
from tests.tasks.classification import classifiers
from tests.tasks.sequence_to_sequence import seeing


def encoder(size=43):
    return TransformerEncoder(size, 1, 12, 3)


def published(folder):
    return load_tokenizer(folders.word_piece(folder / "published"))


def generator(folder):
    model = CausalLM(TransformerDecoder(43, 1, 12, 3))
    return tasks.TextGenerator(model, tiny.tokenizer())


def masked_text(folder):
    tokenizer = published(folder)
    size = tokenizer.vocabulary_size
    return tasks.MaskedText(MaskedLM(encoder(size)), tokenizer)


def question_answerer(folder):
    tokenizer = published(folder)
    model = SpanPredictor(encoder(tokenizer.vocabulary_size))
    return tasks.QuestionAnswerer(model, tokenizer)


def token_classifier(folder):
    model = SequenceTagger(encoder(), 3)
    return tasks.TokenClassifier(model, tiny.tokenizer(), ["O", "B-X", "I-X"])


MAKERS = {
    "text-generation": generator,
    "fill-mask": masked_text,
    "question-answering": question_answerer,
    "token-classification": token_classifier,
    "sentence-similarity": lambda folder: tasks.TextEmbedder(
        encoder(), tiny.tokenizer()
    ),
    "text-classification": lambda folder: classifiers.text_classifier(),
    "image-classification": lambda folder: classifiers.image_classifier(),
    "text2text-generation": lambda folder: tiny.task(),
    "image-to-text": lambda folder: seeing.image_task(),
    "automatic-speech-recognition": lambda folder: seeing.speech_task(),
}


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param(tag, marks=() if tag == "fill-mask" else pytest.mark.full)
        for tag in MAKERS
    ],
)
def test_the_card_names_the_pipeline(tag, tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="which reads cards")
    task = MAKERS[tag](tmp_path)
    task.save(tmp_path / "task", scores={"f1": 0.5})
    card = hub.ModelCard.load(tmp_path / "task" / "README.md")
    assert card.data.to_dict() == {
        "library_name": "keras",
        "pipeline_tag": tag,
        "tags": ["keras", "keras_attention"],
        "metrics": ["f1"],
    }
    assert f"{type(task).__name__}.load(" in card.content
    if task.model.pipeline_tag is not None:
        task.model.save_to_preset(tmp_path / "model")
        card = hub.ModelCard.load(tmp_path / "model" / "README.md")
        assert card.data.pipeline_tag == tag
