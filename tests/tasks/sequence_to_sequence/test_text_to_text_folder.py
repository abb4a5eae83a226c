"""A saved `TextToText`: complete and the same, or an error that tells."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_attention.data.tokenizers.sentencepiece import SentencePieceTokenizer
from keras_attention.tasks import TextToText
from tests.tasks import tiny

ROOT = Path(__file__).parents[3]
FILES = [
    "task.json",
    "config.json",
    "model.safetensors",
    "source_tokenizer.model",
    "target_tokenizer.model",
]
GENERATE = """
import json, sys
import numpy as np
from keras_attention.tasks import TextToText
folder, texts, result = sys.argv[1:]
token_ids, scores = TextToText.load(folder).generate(json.loads(texts))
np.savez(result, token_ids=token_ids, scores=scores)
"""
SAVE_AND_DIE = """
import os, signal, sys
from keras_attention.tasks import TextToText
task = TextToText.load(sys.argv[1], num_beams=1)
task.target_tokenizer.save = lambda path: os.kill(os.getpid(), signal.SIGKILL)
task.save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def task():
    pieces = SentencePieceTokenizer.train(
        [text.upper() for text in tiny.sentences(211)], 41
    )
    model = tiny.model(43, target_size=41)
    return TextToText(
        model,
        tiny.tokenizer(),
        pieces,
        max_source_length=37,
        max_length=17,
        num_beams=3,
        length_penalty=0.6,
        batch_size=5,
    )


@pytest.fixture(scope="module")
def saved(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "in" / "task"
    task.save(folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "task")


def run(program, *arguments, backend=None):
    backend = backend or keras.backend.backend()
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
    )


def check_same_in_new_process(task, folder, tmp_path, backend=None):
    texts = tiny.sentences(5, seed=2)
    result = tmp_path / "result.npz"
    process = run(GENERATE, folder, json.dumps(texts), result, backend=backend)
    assert process.returncode == 0, process.stderr
    token_ids, scores = task.generate(texts)
    actual = np.load(result)
    np.testing.assert_array_equal(actual["token_ids"], token_ids)
    np.testing.assert_allclose(actual["scores"], scores, atol=1e-5)


@pytest.mark.full
def test_a_new_process_gives_the_same_outputs(task, saved, tmp_path):
    assert sorted(os.listdir(saved)) == sorted([*FILES, "README.md"])
    assert os.listdir(saved.parent) == ["task"]
    check_same_in_new_process(task, saved, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_every_backend_gives_the_same_outputs(task, saved, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    check_same_in_new_process(task, saved, tmp_path, backend)


def test_settings_are_kept_and_can_be_changed(task, saved):
    assert TextToText.load(saved).settings == task.settings
    changed = TextToText.load(str(saved), num_beams=1, batch_size=2)
    expected = {**task.settings, "num_beams": 1, "batch_size": 2}
    assert changed.settings == expected


@pytest.mark.full
def test_a_task_from_before_a_setting_has_its_default(task, copy):
    path = copy / "task.json"
    settings = json.loads(path.read_text())
    for name in ("min_length", "no_repeat_ngram_size"):
        assert settings.pop(name) == 0
    path.write_text(json.dumps(settings))
    again = TextToText.load(copy)
    assert again.settings == task.settings
    limits = {"min_length": 11, "no_repeat_ngram_size": 2}
    TextToText.load(copy, **limits).save(copy)
    assert TextToText.load(copy).settings == {**task.settings, **limits}


@pytest.mark.full
def test_saving_again_replaces(task, saved, copy):
    TextToText.load(saved, max_length=11).save(copy)
    assert TextToText.load(copy).settings["max_length"] == 11
    assert os.listdir(copy.parent) == ["task"]


@pytest.mark.full
def test_a_killed_save_leaves_the_old_task(task, copy, tmp_path):
    process = run(SAVE_AND_DIE, copy)
    assert process.returncode == -9, process.stderr
    assert TextToText.load(copy).settings == task.settings
    assert sorted(os.listdir(copy)) == sorted([*FILES, "README.md"])


@pytest.mark.full
def test_a_save_killed_between_two_renames_is_undone(task, copy):
    # As it is where folders cannot be exchanged at once.
    partial = copy.with_name(f"partial-0123abcd-{copy.name}")
    partial.mkdir()
    (partial / ".keras_attention-partial").touch()
    copy.rename(partial / ".old")
    assert TextToText.load(copy).settings == task.settings


def test_a_failed_save_leaves_nothing(task, tmp_path, monkeypatch):
    def fail(self, path):
        raise OSError("No space left on device")

    monkeypatch.setattr(SentencePieceTokenizer, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        task.save(tmp_path / "task")
    assert os.listdir(tmp_path) == []


def test_a_folder_of_something_else_is_not_replaced(task, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="something else"):
        task.save(tmp_path)
    with pytest.raises(ValueError, match="thesis.txt is a file, not a folder"):
        task.save(tmp_path / "thesis.txt")
    assert os.listdir(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "foreign"])
def test_a_damaged_file_is_named(copy, name, damage):
    path = copy / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(
            {
                "empty": b"",
                "half": content[: len(content) // 2],
                "foreign": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
            }[damage]
        )
    with pytest.raises(ValueError, match=name):
        TextToText.load(copy)


@pytest.mark.few
@pytest.mark.parametrize(
    "content, message",
    [
        ("[]", "does not describe a task"),
        ("{}", "does not describe a task"),
        ('{"task": "classifier"}', "kind 'classifier'"),
        ('{"task": "text_to_text", "beams": 3}', "setting 'beams'"),
        ('{"task": "text_to_text", "num_beams": 0}', "num_beams"),
        ('{"task": ["text_to_text"]}', "does not describe a task"),
        ('{"task": "text_to_text", "task": "text"}', "key 'task' twice"),
        ('{"task": "text_to_text", "length_penalty": NaN}', "has NaN"),
        ('{"task": "text_to_text", "max_length": "9"}', "task.*max_length"),
        ('{"task": "text_to_text", "min_length": null}', "task.*min_length"),
        ('{"task": "text_to_text", "jit_compile": 1}', "task.*jit_compile"),
        ('{"task": "text_to_text", "length_penalty": true}', "length_penalty"),
        ('{"task":' * 300 + "1" + "}" * 300, "nested more than"),
        ("[" * 100_000, "task.json is damaged: it is nested"),
    ],
    ids=lambda text: text[:40],
)
def test_a_foreign_description_is_refused(copy, content, message):
    (copy / "task.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        TextToText.load(copy)


@pytest.mark.parametrize("name", FILES[3:])
def test_a_foreign_tokenizer_is_refused(task, copy, name):
    lowercase = tiny.tokenizer(lowercase=True)  # of the same pieces
    size = {FILES[3]: 43, FILES[4]: 41}[name]
    other = tiny.tokenizer(size, model_type="bpe")
    for foreign in (lowercase, other):
        foreign.save(copy / name)
        with pytest.raises(ValueError, match=f"{name} is not the tokenizer"):
            TextToText.load(copy)


@pytest.mark.full
def test_a_task_from_before_tokenizers_were_named_loads(task, copy):
    path = copy / "task.json"
    settings = json.loads(path.read_text())
    names = settings.pop("tokenizer_sha256")
    assert sorted(names) == sorted(FILES[3:])
    path.write_text(json.dumps(settings))
    assert TextToText.load(copy).settings == task.settings
    for wrong in ("all", 3, [names], None):
        path.write_text(json.dumps({**settings, "tokenizer_sha256": wrong}))
        with pytest.raises(ValueError, match="tokenizer_sha256 must be an obj"):
            TextToText.load(copy)


def test_a_model_of_another_kind_is_refused(task, copy):
    task.model.encoder.save_to_preset(copy)
    with pytest.raises(ValueError, match="TransformerEncoder"):
        TextToText.load(copy)


def test_a_model_of_unknown_classes_is_refused(copy):
    content = (copy / "config.json").read_text()
    content = content.replace("TransformerDecoder", "TransformerComposer")
    (copy / "config.json").write_text(content)
    with pytest.raises(ValueError, match="usable model at .*Composer"):
        TextToText.load(copy)


@pytest.mark.full
def test_weights_of_another_model_are_refused(copy, tmp_path):
    tiny.model(47).save_to_preset(tmp_path / "other")
    (tmp_path / "other/model.safetensors").replace(copy / "model.safetensors")
    with pytest.raises(ValueError, match="usable model at .*has the shape"):
        TextToText.load(copy)


@pytest.mark.full
def test_the_card_tells_of_the_task_and_how_to_load_it(saved):
    card = (saved / "README.md").read_text()
    assert card.splitlines()[8:10] == ["# TextToText", ""]
    for row in (
        "| source_tokenizer.model | 43 tokens |",
        "| target_tokenizer.model | 41 tokens |",
        "| num_beams | 3 |",
    ):
        assert row in card.splitlines()
    code = card.split("```python\n")[1].split("```")[0]
    process = run(f"import os; os.chdir({str(saved.parent)!r})\n{code}")
    assert process.returncode == 0, process.stderr


@pytest.mark.full
def test_an_edited_card_outlives_saving_again(task, copy, capsys):
    path = copy / "README.md"
    TextToText.load(copy).save(copy, scores={"BLEU": 12.5})
    assert "| BLEU | 12.5 |" in path.read_text()
    edited = path.read_text() + "\nTrained with care.\n"
    path.write_text(edited)
    TextToText.load(copy, num_beams=2).save(copy)
    assert path.read_text() == edited
    assert "README.md has been edited and is kept" in capsys.readouterr().err
    assert TextToText.load(copy).settings["num_beams"] == 2


def test_no_folder_at_all_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        TextToText.load(tmp_path / "nowhere")
