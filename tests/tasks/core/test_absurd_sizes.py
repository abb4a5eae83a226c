"""A task folder whose sizes cannot be is refused with the numbers."""

import json

import pytest

from keras_attention import TransformerEncoder, tasks
from keras_attention.tasks import TextClassifier, TextToText
from tests.tasks import tiny
from tests.tasks.classification import classifiers


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Makes folders of each kind."""
    root = tmp_path_factory.mktemp("tasks")
    tiny.task().save(root / "transformer")
    tiny.task(make=tiny.recurrent_model).save(root / "recurrent")
    classifiers.text_classifier().save(root / "classifier")
    return root


def change(path, name, value):
    """Sets all entries of a name in a JSON file, for as long as it lasts."""
    before = path.read_text(encoding="utf-8")

    def changed(given):
        return {x: value if x == name else given[x] for x in given}

    path.write_text(json.dumps(json.loads(before, object_hook=changed)))
    return before


@pytest.mark.parametrize(
    "kind, name, value",
    [
        ("transformer", "hidden_dim", 10**8),
        ("transformer", "num_layers", 10**6),
        ("transformer", "vocabulary_size", 10**12),
        ("transformer", "intermediate_dim", 10**12),
        ("recurrent", "hidden_dim", 10**8),
        ("recurrent", "num_layers", 10**6),
        ("recurrent", "vocabulary_size", 10**12),
        ("classifier", "num_layers", 10**6),
        ("classifier", "num_classes", 10**12),
        ("classifier", "intermediate_dim", 10**12),
    ],
)
def test_the_configuration_of_the_model(folders, kind, name, value):
    path = folders / kind / "config.json"
    before = change(path, name, value)
    try:
        with pytest.raises(ValueError, match="config.json") as caught:
            tasks.load(folders / kind)
        message = str(caught.value)
        assert "GiB of memory. This machine" in message or "10,000" in message
        assert "\n" not in message
    finally:
        path.write_text(before, encoding="utf-8")


@pytest.mark.full
@pytest.mark.parametrize(
    "kind, name, value, message",
    [
        ("transformer", "max_length", 10**9, "max_length=10{9}.*GiB of mem"),
        ("transformer", "num_beams", 10**8, "from 1 to 10000.*num_beams=10{8}"),
        ("recurrent", "max_length", 10**12, "max_length=10{12}.*GiB of mem"),
        ("recurrent", "num_beams", 10**9, "from 1 to 10000.*num_beams=10{9}"),
    ],
)
def test_the_settings_of_a_search(folders, kind, name, value, message):
    path = folders / kind / "task.json"
    before = change(path, name, value)
    try:
        with pytest.raises(ValueError, match=message):
            TextToText.load(folders / kind)
    finally:
        path.write_text(before, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        TextToText.load(folders / kind, **{name: value})


def test_what_only_bounds_a_text_may_be_as_large_as_it_likes(folders):
    task = TextClassifier.load(
        folders / "classifier", max_length=10**12, batch_size=10**12
    )
    assert task("a man") == TextClassifier.load(folders / "classifier")("a man")
    TextToText.load(
        folders / "transformer", max_source_length=10**12, batch_size=10**12
    )


def test_a_preset(tmp_path):
    TransformerEncoder(7, 1, 4, 2).save_to_preset(tmp_path)
    change(tmp_path / "config.json", "hidden_dim", 10**8)
    with pytest.raises(ValueError, match=r"config.json describes no model.*G"):
        TransformerEncoder.from_preset(tmp_path)
