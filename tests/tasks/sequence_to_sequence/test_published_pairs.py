"""A `TextToText` of a published folder, beside `transformers`."""

import json
import shutil

import pytest

from keras_attention.tasks import TextToText

torch = pytest.importorskip("torch", reason="the oracle")

from tests.tasks.sequence_to_sequence import (  # noqa: E402
    published_pairs as pairs,
)

KINDS = [
    pytest.param(kind, marks=() if kind == "mbart50" else pytest.mark.full)
    for kind in pairs.KINDS
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function from a kind to a folder, and what `transformers` gives."""
    pytest.importorskip("sentencepiece", reason="what makes the folders")
    found = {}

    def make(kind):
        if kind not in found:
            folder = tmp_path_factory.mktemp(kind) / "made"
            theirs = pairs.make(folder, kind)
            found[kind] = folder, pairs.outputs(*theirs, kind, pairs.TEXTS)
        return found[kind]

    return make


def task_of(folder, kind, **settings):
    source, target = pairs.LANGUAGES.get(kind, (None, None))
    return TextToText.from_preset(
        folder,
        source_language=source,
        target_language=target,
        batch_size=4,
        **settings,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_those_of_transformers(kind, made, tmp_path):
    folder, (rows, texts) = made(kind)
    task = task_of(folder, kind)
    token_ids, _ = task.generate(pairs.TEXTS)
    for row, expected in zip(token_ids.tolist(), rows, strict=True):
        length = len(expected)
        assert row[:length] == expected
        assert set(row[length:]) <= {task.limits()["padding_id"]}
    assert len(set(texts)) > 3  # they differ
    assert task(pairs.TEXTS) == texts
    task.save(tmp_path / "task")
    again = TextToText.load(tmp_path / "task")
    assert again.settings == task.settings
    assert again(pairs.TEXTS) == texts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.full
def test_an_export_gives_the_same(kind, made, tmp_path):
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorflow_text", reason="the export needs it")
    folder, (_, texts) = made(kind)
    task_of(folder, kind).export(tmp_path / "exported")
    served = tf.saved_model.load(str(tmp_path / "exported")).signatures
    found = served["serving_default"](text=tf.constant(pairs.TEXTS))["text"]
    assert [text.decode() for text in found.numpy()] == texts


def test_folders_and_settings_that_do_not_fit_are_named(made, tmp_path):
    folder, _ = made("mbart50")
    for settings, message in [
        ({"target_language": "en_XY"}, "no language 'en_XY'.*Did you mean"),
        ({"constraints": {"forced_first_id": 3}}, "setting forced_start_id"),
        ({"constraints": {"bad_word": [[3]]}}, "mean 'bad_words'"),
        ({"constraints": [3]}, "must be a dictionary"),
        ({"early_stopping": 1}, "early_stopping"),
    ]:
        with pytest.raises(ValueError, match=message):
            TextToText.from_preset(folder, **settings)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    path = other / "generation_config.json"
    entries = json.loads(path.read_text())
    path.write_text(json.dumps({**entries, "eos_token_id": [2, 5]}))
    with pytest.raises(ValueError, match="eos_token_id=\\[2, 5\\]"):
        TextToText.from_preset(other)
    path.write_text(json.dumps({**entries, "num_beams": 1, "do_sample": True}))
    with pytest.warns(UserWarning, match="asks for samples"):
        TextToText.from_preset(other)


@pytest.mark.full
def test_marian_reads_its_language_in_the_text(made):
    folder, _ = made("marian")
    with pytest.raises(ValueError, match="write >>fr<< before it"):
        TextToText.from_preset(folder, target_language="fr")


@pytest.mark.full
def test_what_is_saved_tells_of_every_constraint(made, tmp_path):
    folder, _ = made("bart")
    constraints = {
        "suppressed_ids": (40, 41),
        "forced_ids": {2: 44},
        "forced_last_id": 2,
        "renormalize": True,
    }
    task = TextToText.from_preset(folder, constraints=constraints)
    token_ids, scores = task.generate(pairs.TEXTS)
    assert (token_ids[:, 2] == 44).all()
    task.save(tmp_path / "task")
    again = TextToText.load(tmp_path / "task")
    assert again.settings == task.settings
    assert again.generate(pairs.TEXTS)[0].tolist() == token_ids.tolist()


@pytest.mark.full
def test_a_folder_of_an_older_version_loads(made, tmp_path):
    folder, (_, texts) = made("mbart50")
    task_of(folder, "mbart50", early_stopping=False).save(tmp_path / "task")
    path = tmp_path / "task" / "task.json"
    settings = json.loads(path.read_text())
    for name in ("early_stopping", "constraints"):
        del settings[name]
    for name in ("source_language", "target_language"):
        del settings[name]
    path.write_text(json.dumps(settings))
    task = TextToText.load(tmp_path / "task")
    assert task.settings["forced_start_id"] is not None
    changed = TextToText.load(tmp_path / "task", early_stopping=True)
    assert changed(pairs.TEXTS) == texts
