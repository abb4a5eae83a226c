"""Which options go with a preset, and what they are by default."""

import json

import pytest

from keras_attention.runs.checks import UsageError
from keras_attention.runs.presets import find_preset
from keras_attention.runs.tuning import check_tuning
from tests.recipes import in_process


def options(recipe="classification", **given):
    """What a command line makes of some flags."""
    module, found = in_process.load(recipe), []
    flags = [x for n, x in given.items() for x in (f"--{n}", x)]
    with pytest.MonkeyPatch.context() as patch:
        commands = {**module.COMMANDS, "train": (module.Train, found.append)}
        patch.setattr(module, "COMMANDS", commands)
        done = in_process.run(recipe, "train", *flags)
    assert done.returncode == 0, done.stderr
    return found[0]


def test_a_preset_has_other_defaults_and_what_was_given_stays():
    plain = options()
    assert (plain.learning_rate, plain.schedule) == (0.001, "inverse_sqrt")
    tuned = options(preset="x", epochs=8)
    assert (tuned.learning_rate, tuned.schedule) == (5e-5, "linear")
    # As by default without a preset, and given.
    assert tuned.epochs == plain.epochs == 8
    assert options(preset="x", lora=4).learning_rate == 5e-4
    given = {"preset": "x", "lora": 4, "learning-rate": 0.001}
    assert options(**given).learning_rate == 0.001
    assert options("summarization", preset="x").copy is False


@pytest.mark.parametrize(
    "given, expected",
    [
        ({"lora": 4}, "--lora needs --preset."),
        ({"freeze": "head"}, "--freeze needs --preset."),
        ({"layer_decay": 0.9}, "--layer-decay needs --preset."),
        ({"preset": "x", "lora_alpha": 2.0}, "--lora-alpha needs --lora."),
        ({"preset": "x", "lora": -1}, "--lora must be at least 0"),
        ({"preset": "x", "layer_decay": 0.0}, "--layer-decay must be above"),
        ({"preset": "x", "lora": 1, "freeze": ("a",)}, "--freeze says nothing"),
        ({"preset": "x", "hidden_dim": 8}, "--hidden-dim is of a model from"),
        ({"preset": "x", "vocabulary_size": 8}, "--vocabulary-size is of a"),
        ({"preset": "x", "inputs": "images"}, "not of --inputs images"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given, expected):
    config = in_process.load("classification").Train(**given)
    with pytest.raises(UsageError, match=expected):
        check_tuning(config)


def test_languages_need_a_preset():
    config = in_process.load("translation").Train(source_language="fr_XX")
    with pytest.raises(UsageError, match="--source-language needs --preset"):
        check_tuning(config)


def test_a_preset_is_a_folder_or_the_task_of_a_run(tmp_path):
    run = tmp_path / "reviews"
    (run / "task").mkdir(parents=True)
    (run / "task" / "task.json").write_text(json.dumps({}))
    assert find_preset(str(run)) == run / "task"
    assert find_preset(str(run / "task")) == run / "task"
    with pytest.raises(UsageError, match="Did you mean 'reviews'"):
        find_preset(str(tmp_path / "review"))
    unfinished = tmp_path / "other"
    unfinished.mkdir()
    (unfinished / "checkpoint.npz").touch()
    with pytest.raises(UsageError, match="a run that is not finished"):
        find_preset(str(unfinished))
