"""The summarization recipe on tiny text, most of it in this process."""

import csv
import json
import re

import numpy as np
import pytest
from num2words import num2words

from keras_attention import tasks
from keras_attention.runs import samples
from tests.recipes import in_process

TINY = {
    "text": "dialogue",
    "vocabulary-size": 90,
    "num-layers": 1,
    "hidden-dim": 16,
    "num-heads": 2,
    "intermediate-dim": 32,
    "tokens": 1024,
    "epochs": 2,
    "average": 2,
    "rouge-texts": 3,
    "max-length": 24,
    "num-beams": 2,
    "show": 1,
}
RECURRENT = {
    **{name: TINY[name] for name in TINY if name != "intermediate-dim"},
    "model": "recurrent",
    "steps": 2,
    "rouge-texts": 0,
}


def example(number):
    thing = num2words(number)
    return {
        "id": number,
        "dialogue": f"Ann: I have {thing} cats. Really!\nBob: Oh? What?\nEnd.",
        "summary": f"Ann has {thing} cats.",
    }


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A folder of dialogues: train, val and test, as JSON lines."""
    folder = tmp_path_factory.mktemp("text")
    splits = {"train": range(90, 180), "val": range(9), "test": range(9, 19)}
    for split, numbers in splits.items():
        lines = [json.dumps(example(number)) + "\n" for number in numbers]
        (folder / f"{split}.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def module():
    """The recipe as a module."""
    return in_process.load("summarization")


@pytest.fixture(scope="module")
def recipe():
    """Gives code, output and errors of a command."""

    def run(*arguments, stdin=b""):
        done = in_process.run("summarization", *arguments, stdin=stdin)
        return done.returncode, done.stdout, done.stderr

    return run


def options(folder, run, tiny=TINY, /, **changes):
    changes = {x.replace("_", "-"): value for x, value in changes.items()}
    given = {"dataset": f"files:{folder}", "run": run, **tiny, **changes}
    arguments = []
    for name, value in given.items():
        if isinstance(value, bool):
            arguments.append(f"--{name}" if value else f"--no-{name}")
        else:
            arguments += [f"--{name}", value]
    return arguments


@pytest.fixture(scope="module")
def trained(recipe, text, tmp_path_factory):
    """A finished run of a model that copies, which once went on."""
    run = tmp_path_factory.mktemp("runs") / "run"
    for epochs in (1, 2):
        arguments = options(text, run, epochs=epochs, copy=True)
        code, output, errors = recipe("train", *arguments)
        assert code == 0, errors
    return run, output


@pytest.mark.full
def test_a_run_folder_holds_what_the_run_was_and_gave(trained):
    run, output = trained
    config = json.loads((run / "config.json").read_text())
    assert config["text"] == "dialogue" and config["copy"] is True
    for name in ("metrics.json", "curves.png", "task/task.json"):
        assert (run / name).is_file(), name
    model = json.loads((run / "task" / "config.json").read_text())
    assert "copy_generator" in json.dumps(model)
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"val_rouge_1", "val_rouge_2", "val_rouge_l"} <= set(rows[0])
    assert "summarization.py evaluate" in output and "reference" in output


@pytest.mark.full
def test_evaluate_prints_what_rouge_score_says(trained, recipe, text):
    from rouge_score.rouge_scorer import RougeScorer

    run, _ = trained
    code, output, errors = recipe("evaluate", "--run", run, "--num-beams", 1)
    assert code == 0, errors
    examples = [example(number) for number in range(9, 19)]
    texts = [row["dialogue"].replace("\n", " ") for row in examples]
    _, summaries, _ = recipe(
        "summarize", *texts, "--run", run, "--num-beams", 1
    )
    leads = [
        " ".join(row["dialogue"].split("\n")[:2]).replace(" What?", "")
        for row in examples
    ]
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for name, outputs in (
        ("model", summaries.split("\n")[:-1]),
        ("lead-3", leads),
    ):
        scores = [
            scorer.score(row["summary"], output)
            for row, output in zip(examples, outputs, strict=True)
        ]
        expected = [
            f"{100 * np.mean([score[kind].fmeasure for score in scores]):.2f}"
            for kind in ("rouge1", "rouge2", "rougeL")
        ]
        (line,) = re.findall(rf"^{name} .*", output, re.MULTILINE)
        assert line.split()[1:4] == expected, name
    assert "10 texts" in output and "per second" in output


@pytest.mark.full
def test_summarize_reads_arguments_a_file_and_standard_input(
    trained, recipe, tmp_path
):
    run, _ = trained
    texts = ["Ann: I have nine cats.", "Bob: Oh?"]
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(texts) + "\n")
    _, given, _ = recipe("summarize", *texts, "--run", run)
    _, read, _ = recipe("summarize", "--run", run, "--file", file)
    piped = "\r\n".join([*texts, ""]).encode() + b"\xff\n"
    code, answered, errors = recipe("summarize", "--run", run, stdin=piped)
    assert given == read == answered and given.count("\n") == 2
    assert code == 2 and "line 3 holds the byte 0xff" in errors
    code, _, errors = recipe("summarize", "x", "--run", run, "--file", file)
    assert code == 2 and "--file, not both" in errors


@pytest.mark.full
def test_a_summary_may_be_made_shorter(trained, recipe):
    run, _ = trained
    text = "Ann: I have nine cats. Bob: Oh?"
    least = "--min-length", 3, "--max-length", 3  # a piece and the ends
    code, output, errors = recipe("summarize", text, "--run", run, *least)
    assert code == 0, errors
    assert 0 < len(output.split()) <= 1
    least = "--min-length", 9, "--max-length", 3
    code, _, errors = recipe("summarize", text, "--run", run, *least)
    assert code == 2 and "min_length" in errors


@pytest.mark.full
@pytest.mark.parametrize(
    ("flag", "value"),
    [("max-length", 1), ("max-length", -5), ("length-penalty", "nan")],
)
def test_settings_that_cannot_be_are_refused(flag, value, recipe, trained):
    for command in ("evaluate", "summarize"):
        code, output, error = recipe(
            command, "--run", trained[0], f"--{flag}", value
        )
        assert code == 2 and f"--{flag} must be" in error and not output


@pytest.mark.full
def test_long_texts_are_cut_for_the_page(trained, capsys):
    task = tasks.TextToText.load(trained[0] / "task")
    for text in ("I have nine cats. " * 99, "Ihaveninecats" * 99):
        cut = samples._shortened(text, task)
        tokenizer = task.source_tokenizer
        assert text.startswith(cut)
        count = len(tokenizer.encode([cut])[0])
        assert 100 < count <= 200
        assert f"the first {count} is shown" in capsys.readouterr().out
    assert samples._shortened("I have", task) == "I have"
    assert not capsys.readouterr().out


@pytest.mark.full
def test_a_model_that_copies_is_exported(trained, recipe, tmp_path):
    folder = tmp_path / "served"
    code, output, errors = recipe(
        "export", "--run", trained[0], "--folder", folder
    )
    assert code == 0, errors
    assert (folder / "saved_model.pb").is_file() and "served" in output


@pytest.mark.full
@pytest.mark.parametrize(
    "given",
    [
        {"attention": "none", "cell": "lstm", "copy": False},
        pytest.param(
            {"attention": "luong", "input-feeding": True, "copy": True},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda given: given["attention"],
)
def test_recurrent_models_train_and_summarize(recipe, text, tmp_path, given):
    arguments = options(text, tmp_path / "run", RECURRENT, **given)
    code, _, errors = recipe("train", *arguments)
    assert code == 0, errors
    code, output, errors = recipe("summarize", "x", "--run", tmp_path / "run")
    assert code == 0 and output.count("\n") == 1, errors


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Cut")
def test_the_demo_trains_and_is_scored(recipe, tmp_path):
    tiny = {x: TINY[x] for x in TINY if x not in ("text", "summary")}
    tiny["vocabulary-size"] = 500  # many letters and signs
    given = options("", tmp_path / "run", tiny, steps=3, dataset="demo")
    code, _, errors = recipe("train", *given)
    assert code == 0, errors
    code, output, errors = recipe("evaluate", "--run", tmp_path / "run")
    assert code == 0, errors
    assert "lead-3" in output and "compression" in output


def test_columns_of_tab_separated_values_go_by_number(module, tmp_path):
    (tmp_path / "train.tsv").write_text("Cats.\tI have cats.\n")
    config = module.Train(f"files:{tmp_path}", text="2", summary="1")
    assert module.load_pairs(config, config.dataset, "train") == (
        ["I have cats."],
        ["Cats."],
    )


def replaced(folder, text, change):
    """Copies the text with other lines for training."""
    folder.mkdir()
    for path in text.iterdir():
        lines = path.read_text().splitlines(keepends=True)
        if path.name == "train.jsonl":
            lines = change(lines)
        (folder / path.name).write_text("".join(lines))
    return folder


def blank(lines):
    return [re.sub(r'"summary": ".*"', '"summary": " "', x) for x in lines]


def same(lines):
    return lines


BAD = {
    "column": (same, {"text": "x"}, "'x'; it has: id, dialogue, summary"),
    "number": (same, {"text": "2"}, "'2'; it has: id, dialogue, summary"),
    "one column": (same, {"text": "summary"}, "must be two columns"),
    "broken line": (
        lambda lines: [*lines[:4], lines[4][:30] + "\n", *lines[5:]],
        {},
        "Line 5",
    ),
    "blank": (blank, {}, "all are blank"),
    "no folder": (same, {"dataset": "files:/no/where"}, "/no/where"),
    "split": (same, {"train_split": "long"}, "It holds: test.jsonl"),
    "data set": (same, {"dataset": "file:x"}, "files:FOLDER"),
    "demo": (same, {"dataset": "demo"}, "not for the demo"),
    "vocabulary": (same, {"vocabulary_size": 5}, "(--vocabulary-size)"),
    "two vocabularies": (same, {"joint_vocabulary": False}, "needs --no-copy"),
    "copying": (same, {"attention": "none"}, "needs --no-copy"),
    "min length": (same, {"min_length": 99}, "at most --max-length=24"),
    "source length": (same, {"max_source_length": 1}, "--max-source-length"),
    "n-gram": (same, {"no_repeat_ngram": -1}, "--no-repeat-ngram"),
    "attention": (same, {"attention": "mult_head"}, "Known names: additive"),
    "option": (same, {"cell": "lstm"}, "--cell is an option of --model"),
    "flag": (same, {"hiden_dim": 3}, "hiden-dim"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_message_and_leaves_no_run(
    case, text, tmp_path, recipe
):
    change, changes, message = BAD[case]
    folder = replaced(tmp_path / "text", text, change)
    code, _, errors = recipe(
        "train", *options(folder, tmp_path / "run", **changes)
    )
    assert code == 2
    assert message in errors and "Traceback" not in errors, errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text"]


def test_texts_that_are_odd_are_counted(module, text, tmp_path):
    def change(lines):
        rows = [json.loads(line) for line in lines]
        rows[0]["dialogue"] = "Ann."
        rows[1]["dialogue"] *= 5
        rows[2]["summary"] = ""
        rows[3]["dialogue"] = "\n"
        return [json.dumps(row) + "\n" for row in rows]

    folder = replaced(tmp_path / "text", text, change)
    config = module.Train(
        f"files:{folder}",
        text="dialogue",
        run=str(tmp_path / "run"),
        vocabulary_size=90,
        max_source_length=99,
    )
    with pytest.warns(UserWarning) as caught:
        pairs = module.load_pairs(config, config.dataset, "train")
        tokenizers = module.make_tokenizers(config, {"train": pairs})
        module.make_batches(config, tokenizers, {"train": pairs})
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 3
    assert "Dropped 2 of 90 rows in files:" in messages[0]
    assert "1 of 88 summaries in files:" in messages[1]
    assert (
        "Cut 1 sources and 0 targets of 88 pairs to max_source" in messages[2]
    )


@pytest.mark.full
def test_other_options_and_no_run_are_refused(trained, recipe, text, tmp_path):
    code, _, errors = recipe("train", *options(text, trained[0], copy=False))
    assert code == 2 and "copy True there, False here" in errors
    for name in ("evaluate", "summarize", "export"):
        code, _, errors = recipe(name, "--run", tmp_path)
        assert code == 2 and "is not a run folder" in errors
