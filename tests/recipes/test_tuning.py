"""Recipes that start from a preset, on tiny models."""

import json
import shutil

import keras
import numpy as np
import pytest

from keras_attention import Classifier, TransformerEncoder, load_lora, tasks
from keras_attention.printing import visible
from keras_attention.zoo.core.safetensors import list_tensors
from tests.recipes import in_process
from tests.recipes.test_classification import sentences
from tests.tasks import tiny
from tests.tools import near

SMALL = {
    "text": 2,
    "label": 1,
    "tokens": 256,
    "epochs": 2,
    "average": 2,
    "checkpoint-steps": 2,
    "learning-rate": 0.01,
    "show": 0,
}


def full(*values):
    return pytest.param(*values, marks=pytest.mark.full)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A folder of TSV files without a header: label, text."""
    folder = tmp_path_factory.mktemp("text")
    for seed, (split, count) in enumerate(
        {"train": 90, "dev": 30, "test": 30}.items()
    ):
        rows = [
            f"{label}\t{words}\n" for label, words in sentences(count, seed)
        ]
        (folder / f"{split}.tsv").write_text("".join(rows))
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A saved classifier of this package, of two other classes."""
    pieces = tiny.tokenizer()
    encoder = TransformerEncoder(pieces.vocabulary_size, 2, 12, 3)
    task = tasks.TextClassifier(Classifier(encoder, 2), pieces, ["no", "yes"])
    folder = tmp_path_factory.mktemp("own") / "task"
    task.save(folder)
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A BERT without a head, as its publisher saves it."""
    from tests.tasks import published_texts

    pytest.importorskip("transformers", reason="the oracle")
    folder = tmp_path_factory.mktemp("published") / "bert"
    published_texts.make(folder, "Model")
    return folder


def train(text, run, preset, *flags, **changes):
    given = {"dataset": f"files:{text}", "run": run, "preset": preset}
    given = {**given, **SMALL, **changes}
    arguments = [
        x for name, value in given.items() for x in (f"--{name}", value)
    ]
    return in_process.run("classification", "train", *arguments, *flags)


def weights(folder):
    stored = list_tensors(folder / "model.safetensors")
    return {name: entry.load() for name, entry in stored.items()}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"lora": 13}, "--lora 13: rank must be no larger than a side"),
        full({"freeze": "embeding"}, "Did you mean 'embedding'?"),
        full({"freeze": "all"}, "leaves nothing to train"),
        full({"lora": 2, "lora-targets": "querry"}, "Did you mean 'query'?"),
        full({"attention": "sliding_windw"}, "Did you mean 'sliding_window'?"),
    ],
)
def test_what_a_preset_cannot_be_is_one_line(
    changes, expected, text, own, tmp_path
):
    done = train(text, tmp_path / "run", own, **changes)
    errors = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1, done.stderr
    assert expected in errors[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_presets_of_other_kinds_are_one_line(text, own, published, tmp_path):
    seq2seq = tmp_path / "pairs"
    tiny.task().save(seq2seq)
    for recipe, preset, expected in (
        ("classification", seq2seq, "holds a TextToText, from which no"),
        ("translation", own, "a task of the kind 'text_classifier'"),
        ("translation", published, "A BERT model is no EncoderDecoder"),
        ("summarization", tmp_path, "It has only pairs."),
    ):
        given = {"preset": preset, "run": tmp_path / "run"}
        if recipe == "classification":
            given.update({"dataset": f"files:{text}", "text": 2, "label": 1})
        flags = [x for name in given for x in (f"--{name}", given[name])]
        done = in_process.run(recipe, "train", *flags)
        errors = done.stderr.splitlines()
        assert done.returncode == 2, done.stderr
        assert expected in errors[-1], done.stderr
        assert not (tmp_path / "run").exists()


@pytest.mark.full
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lora": 2, "lora-targets": "all"},
        {"freeze": "blocks.0", "layer-decay": 0.8},
        {"attention": "sliding_window", "pooling": "mean"},
    ],
)
def test_a_published_encoder_is_tuned_and_used_as_any_run(
    changes, text, published, tmp_path
):
    run = tmp_path / "run"
    done = train(text, run, published, **changes)
    assert done.returncode == 0, done.stderr
    assert "note: --max-length is 66" in done.stderr
    config = json.loads((run / "config.json").read_text())
    assert (config["schedule"], config["weight_decay"]) == ("linear", 0.01)
    task = tasks.load(run / "task")
    assert task.labels == ["animal", "plant", "tool"]
    before, after = weights(run / "start"), weights(run / "task")
    still = [x for x in after if np.array_equal(before[x], after[x])]
    if "freeze" in changes:
        assert still and all(".blocks.0." in name for name in still)
    elif "lora" in changes:
        assert {"encoder.embedding.embedding.embeddings"} <= {*still}
        assert "encoder.blocks.0.attention.query_dense.kernel" not in still
        kept = tasks.load(run / "start").model
        load_lora(kept, run / "adapter")
        batch = next(task.batches(["dog cat", "rose"]))[1]
        near(kept(batch), task.model(batch), atol=1e-4)
    else:
        assert len(still) < 3  # positions that no text reaches, for example
    for command in (("evaluate", "--show", 0), ("predict", "dog")):
        done = in_process.run("classification", *command, "--run", run)
        assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in task.labels


@pytest.mark.full
@pytest.mark.parametrize("changes", [{}, {"lora": 2}])
def test_a_run_goes_on_exactly_and_without_its_preset(
    changes, text, own, tmp_path
):
    preset = tmp_path / "preset"
    shutil.copytree(own, preset)
    changes = {**changes, "schedule": "inverse_sqrt", "warmup-steps": 3}
    whole = tmp_path / "whole"
    done = train(text, whole, preset, **changes)
    assert done.returncode == 0, done.stderr
    parts = tmp_path / "parts"
    done = train(text, parts, preset, **{**changes, "epochs": 1})
    assert done.returncode == 0, done.stderr
    shutil.rmtree(preset)
    done = train(text, parts, preset, **changes)
    assert done.returncode == 0, done.stderr
    # One that was stopped before its first checkpoint.
    again = tmp_path / "again"
    shutil.copytree(whole / "start", again / "start")
    content = json.loads((whole / "config.json").read_text())
    content["run"] = str(again)
    (again / "config.json").write_text(json.dumps(content))
    done = train(text, again, preset, **changes)
    assert done.returncode == 0, done.stderr
    expected = weights(whole / "task")
    for run in (parts, again):
        found = weights(run / "task")
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.full
def test_a_published_translator_is_tuned_and_exported(tmp_path):
    pytest.importorskip("transformers", reason="the oracle")
    from tests.tasks.sequence_to_sequence import published_pairs

    published_pairs.make(tmp_path / "marian", "marian")
    run = tmp_path / "run"
    for split, count in {"train": 40, "validation": 9}.items():
        for seed, language in enumerate(("en", "de")):
            lines = "\n".join(tiny.sentences(count, seed, longest=4))
            (tmp_path / f"{split}.{language}").write_text(f"{lines}\n")
    given = {
        "preset": tmp_path / "marian",
        "dataset": f"files:{tmp_path}",
        "run": run,
        "lora": 3,
        "steps": 2,
        "max-length": 60,
        "tokens": 512,
        "num-beams": 2,
        "bleu-sentences": 0,
        "show": 1,
    }
    arguments = [x for name in given for x in (f"--{name}", given[name])]
    done = in_process.run("translation", "train", *arguments)
    assert done.returncode == 0, done.stderr
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    text = "a man rides a horse"
    done = in_process.run("translation", "translate", text, "--run", run)
    assert done.returncode == 0, done.stderr
    task = tasks.TextToText.load(run / "task")
    assert done.stdout == f"{visible(task(text))}\n"
    assert task.settings["num_beams"] == 2
    # As the published folder says.
    assert task.settings["constraints"]["bad_words"] == [[5], [7, 9]]
    if keras.backend.backend() == "tensorflow":
        done = in_process.run("translation", "export", "--run", run)
        assert done.returncode == 0, done.stderr
        served = pytest.importorskip("tensorflow").saved_model.load(
            str(run / "saved_model")
        )
        found = served.signatures["serving_default"](text=[text])
        (given,) = found.values()
        assert given.numpy()[0].decode() == task(text)
