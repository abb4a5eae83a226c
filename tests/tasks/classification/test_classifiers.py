"""Classifiers of texts and images, from inputs to labels."""

import json
import warnings

import keras
import numpy as np
import pytest

from keras_attention import (
    AxialAttention,
    Classifier,
    LearnedEncoding,
    PatchEmbedding,
    RecurrentEncoder,
    RotaryEmbedding,
    ShiftedWindowAttention,
    TransformerEncoder,
    WindowRelativeBias,
    attention_maps,
    tasks,
)
from keras_attention.tasks import ImageClassifier, TextClassifier
from tests.tasks import tiny
from tests.tasks.classification.classifiers import (
    IMAGE,
    LABELS,
    image_classifier,
    images,
    text_classifier,
)
from tests.tools import near, to_numpy


@pytest.mark.filterwarnings("ignore:Cut")
def test_a_text_is_classified_whatever_stands_beside_it():
    task = text_classifier()
    texts = [*tiny.sentences(11, longest=9), *tiny.AWKWARD]
    found = task.probabilities(texts)
    assert found.shape == (len(texts), 3) and found.dtype == "float32"
    near(found.sum(axis=-1), np.ones(len(texts)))
    near(found[::-1], task.probabilities(texts[::-1]))
    for index in (0, 3, 11):
        near(task.probabilities(texts[index : index + 1])[0], found[index])
    named = task(texts)
    assert named == [LABELS[i] for i in found.argmax(axis=-1)]
    assert len(set(named)) > 1 and task(texts[4]) == named[4]
    assert task([]) == []


@pytest.mark.full
def test_a_text_of_nul_alone_is_an_empty_one():
    task = text_classifier()
    assert task.encode(["\0\0", " \0", ""]) == [[2], [2], [2]]
    found = task.probabilities(["\0\0", ""])
    near(found[0], found[1])


def test_probabilities_are_those_of_the_model():
    task = text_classifier(max_length=5)
    text = "two women ride a red horse"
    with pytest.warns(UserWarning, match="Cut 1 of 1 texts to max_length=5"):
        found = task.probabilities([text])
    ids = [2, *task.tokenizer.encode([text])[0]][:5]
    logits = to_numpy(task.model(np.array([ids])))[0]
    near(found[0], keras.ops.softmax(logits))


@pytest.mark.full
def test_images_are_classified_one_or_many():
    task = image_classifier()
    given = images(13)
    found = task.probabilities(given)
    near(found.sum(axis=-1), np.ones(13))
    logits = to_numpy(task.model(given / 7 - 0.5))
    near(found, keras.ops.softmax(logits))
    named = task(given)
    assert len(set(named)) > 1 and task(given[3]) == named[3]
    assert task(given.astype("uint8")) == named
    gray = image_classifier((4, 6, 1))
    given = images(3, (4, 6, 1))
    assert gray(given[..., 0]) == gray(given)
    assert gray(given[1, :, :, 0]) == gray(given)[1]
    assert gray([]) == []


@pytest.mark.full
@pytest.mark.parametrize("make", [text_classifier, image_classifier])
def test_a_saved_task_is_the_same(make, tmp_path):
    task = make()
    given = images(3) if make is image_classifier else ["a man", "dog"]
    task.save(tmp_path / "task")
    for load in (type(task).load, tasks.load):
        again = load(tmp_path / "task", batch_size=2)
        assert type(again) is type(task) and again.labels == LABELS
        assert again.settings == {**task.settings, "batch_size": 2}
        near(again.probabilities(given), task.probabilities(given))
    other = TextClassifier if make is image_classifier else ImageClassifier
    with pytest.raises(ValueError, match="of the kind"):
        other.load(tmp_path / "task")


def test_damaged_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="No saved task"):
        tasks.load(tmp_path)
    text_classifier().save(tmp_path / "task")
    path = tmp_path / "task" / "task.json"
    settings = json.loads(path.read_text())
    for change, message in (
        ({"labels": None}, "labels must be a list"),
        ({"labels": ["a", "b"]}, "num_classes=3"),
        ({"more": 1}, "'more'"),
        ({"task": "other"}, "'other'"),
    ):
        path.write_text(json.dumps({**settings, **change}))
        with pytest.raises(ValueError, match=message):
            tasks.load(tmp_path / "task")
    path.write_text(json.dumps({"task": settings["task"]}))
    with pytest.raises(ValueError, match="labels must be"):
        tasks.load(tmp_path / "task")
    assert tasks.load(tmp_path / "task", labels=LABELS).labels == LABELS
    path.write_text(json.dumps({"task": ["a"]}))
    with pytest.raises(ValueError, match="does not describe a task"):
        tasks.load(tmp_path / "task")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("kept")
    with pytest.raises(ValueError, match="holds something else"):
        text_classifier().save(tmp_path / "other")
    assert (tmp_path / "other" / "file").read_text() == "kept"


@pytest.mark.few
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": 0}, "max_length must be a positive integer"),
        ({"max_length": 1}, "max_length must be at least 2"),
        ({"batch_size": True}, "batch_size must be a positive integer"),
        ({"labels": LABELS[:2]}, "num_classes=3.*2 labels"),
        ({"labels": ["a", "b", "a"]}, "different strings"),
        ({"labels": "abc"}, "list of different strings"),
        ({"model": "a model"}, "model must be a Classifier"),
    ],
)
def test_text_settings_that_do_not_fit(settings, message):
    task = text_classifier()
    arguments = {
        "model": task.model,
        "tokenizer": task.tokenizer,
        "labels": LABELS,
    }
    with pytest.raises(ValueError, match=message):
        TextClassifier(**{**arguments, **settings})


@pytest.mark.full
def test_a_model_of_other_inputs_is_refused():
    with pytest.raises(ValueError, match="does not read"):
        TextClassifier(image_classifier().model, tiny.tokenizer(), LABELS)
    with pytest.raises(ValueError, match="takes no images"):
        ImageClassifier(text_classifier().model, LABELS, image_shape=IMAGE)


def test_one_number_is_no_class():
    model = Classifier(RecurrentEncoder(29, 1, 6), 1)
    with pytest.raises(ValueError, match="two classes at least.*classes=1"):
        TextClassifier(model, tiny.tokenizer(), ["score"])


def test_a_tokenizer_with_too_many_pieces_is_refused():
    model = Classifier(RecurrentEncoder(29, 1, 6), 3)
    with pytest.raises(ValueError, match="more than the model"):
        TextClassifier(model, tiny.tokenizer(), LABELS)


@pytest.mark.parametrize("texts", ["one", 3, None, ("a", "pair"), {"a": 1}])
def test_probabilities_are_those_of_a_list(texts):
    with pytest.raises(ValueError, match="texts must be a list of strings"):
        text_classifier().probabilities(texts)


@pytest.mark.few
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (4, 6)}, "image_shape must be"),
        ({"image_shape": (4, 0, 1)}, "image_shape must be a positive"),
        ({"scale": float("nan")}, "scale must be a number"),
        ({"scale": 10**400}, "scale must be a number"),
        ({"offset": "0"}, "offset must be a number"),
        ({"scale": True}, "scale must be a number"),
        ({"image_shape": (4, 6, 3)}, "takes 2 channels"),
    ],
)
def test_image_settings_that_do_not_fit(settings, message):
    model = image_classifier().model
    with pytest.raises(ValueError, match=message):
        ImageClassifier(model, LABELS, **{"image_shape": IMAGE, **settings})


@pytest.mark.few
@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"position": RotaryEmbedding(axes=2, grid=(2, 3))}, None),
        (
            {"position": RotaryEmbedding(axes=2, grid=(3, 2))},
            "2 rows of 3.*Rot",
        ),
        (
            {"attention": AxialAttention(3, grid=(3, 2))},
            r"Axial.*grid=\(2, 3\)",
        ),
        ({"position": "window_relative"}, r"WindowRel.*grid=\(2, 3\).*None"),
        ({"position": LearnedEncoding(max_length=5)}, "6 pos.*max_length=5"),
        ({"position": LearnedEncoding(max_length=6)}, None),
    ],
)
def test_a_grid_is_that_of_the_patches(parts, message):
    options = {"intermediate_dim": 17, **parts}
    embedding = PatchEmbedding(2, 24, channels=2)
    encoder = TransformerEncoder(None, 1, 24, 3, embedding=embedding, **options)
    given = Classifier(encoder, 3), LABELS
    if message is None:
        ImageClassifier(*given, image_shape=(4, 6, 2))(images(2))
        return
    with pytest.raises(ValueError, match=message):
        ImageClassifier(*given, image_shape=(4, 6, 2))


def test_the_nearest_to_a_square_is_not_every_grid():
    attention = ShiftedWindowAttention(3, position=WindowRelativeBias())
    embedding = PatchEmbedding(2, 24)
    encoder = TransformerEncoder(
        None, 1, 24, 3, embedding=embedding, attention=attention
    )
    model = Classifier(encoder, 3)
    ImageClassifier(model, LABELS, image_shape=(4, 4, 1))
    with pytest.raises(ValueError, match="2 rows of 8 patches; give Shifted"):
        ImageClassifier(model, LABELS, image_shape=(4, 16, 1))


@pytest.mark.few
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 4, 5, 2)), r"\(batch, 4, 6, 2\)"),
        (np.zeros((4, 6)), r"\(batch, 4, 6, 2\)"),
        (np.full((1, *IMAGE), "x"), "images must be numbers"),
        ([np.zeros((4, 6, 2)), np.zeros((4, 5, 2))], "one shape"),
        (np.full((1, *IMAGE), np.nan), "finite"),
        (np.full((1, *IMAGE), 1j), "images must be numbers"),
    ],
)
def test_other_images_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        image_classifier().probabilities(given)


@pytest.mark.full
def test_what_a_classifier_looks_at_is_labelled():
    maps = attention_maps(text_classifier(pooling="attention"), "a man")
    tokens = maps.key_tokens["encoder/block_0/attention"][0]
    assert "".join(tokens[1:]) == " a man"
    (pooling,) = (name for name in maps if "pooling" in name)
    assert maps[pooling].shape[2] == 1
    near(maps[pooling].sum(axis=-1), np.ones(maps[pooling].shape[:-1]))
    maps = attention_maps(image_classifier(), images(2))
    first = next(iter(maps))
    assert maps[first].shape == (2, 3, 6, 6)
    assert maps.key_tokens[first][1] == [
        "0,0",
        "0,1",
        "0,2",
        "1,0",
        "1,1",
        "1,2",
    ]


@pytest.mark.full
def test_nothing_is_said_of_texts_that_fit():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        text_classifier()(["a man", ""])
