"""Flags whose sizes cannot be: one line with the numbers, nothing written."""

import pytest

from keras_attention import memory
from keras_attention.runs import text_to_text
from tests.recipes import in_process

HUGE = 10**10


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder that every recipe can read."""
    folder = tmp_path_factory.mktemp("data")
    words = "one two three four five six seven eight nine ten".split()
    rows = [(word, f"{word} {other}") for word in words for other in words]
    for split in ("train", "val"):
        for side, suffix in enumerate(("en", "de")):
            lines = "".join(f"{row[side]}\n" for row in rows)
            (folder / f"{split}.{suffix}").write_text(lines)
        lines = "".join(f"{row[1]}\t{row[0]}\n" for row in rows)
        (folder / f"{split}.tsv").write_text(f"text\tsummary\n{lines}")
    return folder


TEXT = {"vocabulary-size": 26, "num-layers": 1, "hidden-dim": 8}
RECIPES = {
    "translation": {**TEXT, "num-heads": 2, "intermediate-dim": 8},
    "summarization": {**TEXT, "num-heads": 2, "intermediate-dim": 8},
    "classification": {**TEXT, "label": "summary"},
    "images": {"inputs": "images"},
}
RECURRENT = {"model": "recurrent"}
CONVOLUTIONAL = {"model": "convolutional"}
MEMORY, LAYERS = "GiB of memory. This machine has", "must be at most"
SIZES = [
    ("translation", {"hidden-dim": 10**8}, MEMORY),
    ("translation", {"num-layers": 10**6}, LAYERS),
    ("translation", {"intermediate-dim": HUGE}, MEMORY),
    ("translation", {"num-beams": HUGE}, "an integer from 1 to 10000"),
    ("translation", {"max-length": HUGE, "position": "learned"}, MEMORY),
    (
        "translation",
        {**RECURRENT, "attention": "additive", "hidden-dim": 10**8},
        MEMORY,
    ),
    (
        "translation",
        {**RECURRENT, "attention": "additive", "num-layers": 10**6},
        LAYERS,
    ),
    ("summarization", {"max-length": HUGE, "min-length": HUGE}, MEMORY),
    (
        "summarization",
        {"max-source-length": HUGE, "position": "learned"},
        MEMORY,
    ),
    ("classification", {"hidden-dim": 10**8}, MEMORY),
    ("classification", {"num-layers": 10**6}, LAYERS),
    ("classification", {"max-length": HUGE, "position": "learned"}, MEMORY),
    ("classification", {**RECURRENT, "hidden-dim": 10**8}, MEMORY),
    ("classification", {**RECURRENT, "num-layers": 10**6}, LAYERS),
    ("classification", {**CONVOLUTIONAL, "hidden-dim": HUGE}, MEMORY),
    ("classification", {**CONVOLUTIONAL, "filters": HUGE}, MEMORY),
    ("classification", {**CONVOLUTIONAL, "kernel-sizes": HUGE}, MEMORY),
    ("images", {"hidden-dim": HUGE}, MEMORY),
    ("images", {"patch-size": 10**6}, MEMORY),
    ("images", {"num-layers": 10**6}, LAYERS),
    ("images", {**CONVOLUTIONAL, "filters": HUGE}, MEMORY),
    ("images", {**CONVOLUTIONAL, "num-layers": 10**6}, LAYERS),
]


def arguments(name, data, run, **changes):
    options = {**RECIPES[name], **changes, "run": run, "show": 0}
    if name != "images":
        options.update(
            {
                "dataset": f"files:{data}",
                "validation-split": "val",
            }
        )
    if changes.get("model"):
        for other in ("num-heads", "intermediate-dim"):
            options.pop(other, None)
    if changes.get("model") == "recurrent" and name != "classification":
        options["num-heads"] = 2
    return [x for key, value in options.items() for x in (f"--{key}", value)]


@pytest.mark.parametrize(
    "name, changes, expected",
    SIZES,
    ids=[
        "-".join([name, *map(str, changes)])
        for name, changes, expected in SIZES
    ],
)
def test_sizes_that_cannot_be_are_one_line(
    name, changes, expected, data, tmp_path
):
    recipe = "classification" if name == "images" else name
    done = in_process.run(
        recipe, "train", *arguments(name, data, tmp_path / "run", **changes)
    )
    errors = [x for x in done.stderr.splitlines() if "warning:" not in x]
    assert done.returncode == 2 and len(errors) == 1, done.stderr
    assert errors[0].startswith("error: ") and expected in errors[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_what_training_takes_is_told_before_the_run_begins(
    data, tmp_path, monkeypatch
):
    def make_task(*args, made=text_to_text.make_task, **kwargs):
        task = made(*args, **kwargs)
        limit = 4 * 3 * task.model.count_params()
        monkeypatch.setattr(memory, "machine_memory", lambda: limit)
        return task

    translation = in_process.load("translation")
    monkeypatch.setattr(translation, "make_task", make_task)
    given = arguments("translation", data, tmp_path / "run")
    done = in_process.run("translation", "train", *given)
    assert done.returncode == 2 and "Adam's two moments" in done.stderr
    assert not (tmp_path / "run").exists()
