"""The translation recipe, from the command line, on tiny text."""

import csv
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from num2words import num2words

from keras_attention import training
from keras_attention.locks import one_process
from keras_attention.zoo.core.safetensors import list_tensors
from tests.recipes import in_process
from tests.recipes.in_process import run as run_recipe
from tests.tools import ROOT

RECIPE = in_process.copied("translation")
TINY = {
    "vocabulary-size": 60,
    "num-layers": 1,
    "hidden-dim": 16,
    "num-heads": 2,
    "intermediate-dim": 32,
    "tokens": 512,
    "epochs": 2,
    "average": 2,
    "bleu-sentences": 4,
    "checkpoint-steps": 2,
    "show": 2,
}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A folder of parallel number words: train, val and test."""
    folder = tmp_path_factory.mktemp("text")
    splits = {"train": range(200, 500), "val": range(60, 90), "test": range(9)}
    for split, numbers in splits.items():
        for language in ("en", "de"):
            lines = [num2words(n, lang=language) for n in numbers]
            data = ("\n".join(lines) + "\n").encode()
            with gzip.open(folder / f"{split}.{language}.gz", "wb") as file:
                file.write(data)
    return folder


RECURRENT = {
    **{name: TINY[name] for name in TINY if name != "intermediate-dim"},
    "model": "recurrent",
    "attention": "additive",
    "attention-order": "before",
    "attention-dropout": 0.1,
}


@pytest.fixture(scope="module")
def trained(text, tmp_path_factory):
    """A finished run, in a folder that was there, as one that is mounted."""
    run = tmp_path_factory.mktemp("runs") / "run"
    run.mkdir(mode=0o750)
    place = run.stat()
    result = train(text, run)
    assert result.returncode == 0, result.stderr
    assert os.path.samestat(run.stat(), place)
    return run, result.stdout


def command(*arguments, stdin=""):
    return run_recipe("translation", *arguments, stdin=stdin)


def options(text, run, tiny=TINY, **changes):
    given = {"dataset": f"files:{text}", "run": run, **tiny, **changes}
    return [x for name, value in given.items() for x in (f"--{name}", value)]


def train(text, run, **changes):
    return command("train", *options(text, run, **changes))


def weights(run):
    stored = list_tensors(run / "task" / "model.safetensors")
    return {name: entry.load() for name, entry in stored.items()}


@pytest.mark.full
def test_a_run_folder_holds_what_the_run_was_and_gave(trained):
    run, output = trained
    config = json.loads((run / "config.json").read_text())
    assert config["hidden_dim"] == 16 and config["source"] == "en"
    for name in (
        "source_tokenizer.model",
        "target_tokenizer.model",
        "best.weights.h5",
        "averaged.weights.h5",
        "last/epoch-0002.weights.h5",
        "metrics.json",
        "task/task.json",
    ):
        assert (run / name).is_file(), name
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss", "val_loss", "val_bleu", "tokens_per_second"} <= set(rows[0])
    for picture in ("curves.png", "attention.png"):
        assert (run / picture).read_bytes().startswith(b"\x89PNG")
    assert "decoder/block_0/cross_attention" in (
        run / "attention.html"
    ).read_text(encoding="utf-8")
    assert list((run / "tensorboard").rglob("events*"))
    assert "translation" in output and str(run) in output


@pytest.mark.full
def test_a_finished_run_translates_evaluates_and_exports(trained, tmp_path):
    run, _ = trained
    scores = command(
        "evaluate",
        "--run",
        run,
        "--tokenized",
        "--show",
        1,
        "--by-length",
        2,
    )
    assert scores.returncode == 0, scores.stderr
    for expected in (
        *("BLEU", "chrF", "version:", "tok:none", "per second"),
        "  1 to 2 words: ",
    ):
        assert expected in scores.stdout, expected
    card = (run / "task/README.md").read_text()
    assert "| chrF (test, tokenized=True) | " in card
    assert "| perplexity (validation) | " in card
    sentences = ["twenty-one", "four hundred and two"]
    given = command("translate", *sentences, "--run", run)
    piped = command("translate", "--run", run, stdin="\n".join(sentences))
    file = tmp_path / "sentences.txt"
    file.write_text("\n".join(sentences) + "\n")
    read = command("translate", "--run", run, "--file", file)
    assert len(given.stdout.splitlines()) == 2
    assert given.stdout == piped.stdout == read.stdout
    exported = command("export", "--run", run, "--folder", tmp_path / "served")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "served" / "saved_model.pb").is_file()


@pytest.mark.full
def test_a_recurrent_model_trains_goes_on_and_exports(text, tmp_path):
    for epochs in (1, 2):
        result = train(text, tmp_path / "run", tiny=RECURRENT, epochs=epochs)
        assert result.returncode == 0, result.stderr
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]
    scores = command("evaluate", "--run", tmp_path / "run")
    assert scores.returncode == 0, scores.stderr
    assert "exact match" in scores.stdout
    exported = command("export", "--run", tmp_path / "run")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "run/saved_model/saved_model.pb").is_file()


@pytest.mark.full
def test_a_finished_run_is_left_as_it_is_when_run_again(trained, text):
    run, _ = trained
    before = weights(run)
    again = train(text, run)
    assert again.returncode == 0, again.stderr
    after = weights(run)
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])


@pytest.mark.full
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(
    trained, text, tmp_path
):
    run = tmp_path / "killed"
    arguments = ["train", *options(text, run)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, RECIPE, *map(str, arguments)],
            stdout=log,
            stderr=log,
            env=environment,
        )
        while not (run / "checkpoint.npz").exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (run / "task").exists()
    finished = train(text, run)
    assert finished.returncode == 0, finished.stderr
    expected, got = weights(trained[0]), weights(run)
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], value, rtol=0, atol=1e-6)
    with open(run / "metrics.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1"]


@pytest.mark.full
def test_a_terminated_run_loses_nothing(trained, text, tmp_path, monkeypatch):
    run, sent = tmp_path / "terminated", []

    class Terminate(training.TokensPerSecond):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)
            if not sent:
                sent.append(batch)
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(training, "TokensPerSecond", Terminate)
    ended = train(text, run)
    assert ended.returncode == 143
    assert ended.stderr.startswith("terminated: training goes on from epoch 1")
    assert ended.stderr.count("\n") == 1
    assert not (run / ".lock").exists()

    finished = train(text, run)
    assert finished.returncode == 0, finished.stderr
    expected = weights(trained[0])
    for name, value in weights(run).items():
        np.testing.assert_allclose(value, expected[name], rtol=0, atol=1e-6)


# Whoever started the tests may have had them ignore Ctrl-C.
START = """
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_while_it_starts_is_one_line(number, code, word):
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", START, RECIPE, "train"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if "numpy" in line:  # Keras is being imported
                break
        process.send_signal(number)
        lines = process.stderr.read().splitlines()
    assert process.returncode == code
    told = [line for line in lines if not line.startswith("import time:")]
    assert told == [word]


@pytest.mark.full
def test_a_second_process_in_a_run_folder_is_refused(trained, text):
    run, _ = trained
    with one_process(run, "training"):
        run.with_name("link").symlink_to(run.name)
        for name in ("run", "link"):
            refused = train(text, run.with_name(name))
            assert refused.returncode == 2
            assert f"{run} is in use: process {os.getpid()}" in refused.stderr
            assert refused.stderr.count("\n") == 1


@pytest.mark.full
def test_a_run_folder_may_be_of_somebody_else(trained, text, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    (tmp_path / "victim").write_text("old")
    (run / "curves.png").unlink()
    (run / "curves.png").symlink_to("../victim")
    for refused in (
        train(text, run),
        command("evaluate", "--run", run, "--dataset", f"files:{text}"),
    ):
        assert refused.returncode == 2
        assert "curves.png is a link to ../victim" in refused.stderr
    assert (tmp_path / "victim").read_text() == "old"


def test_a_seed_out_of_range_is_named(text, tmp_path, recipe, capsys):
    arguments = options(text, tmp_path / "run", seed=10**23)
    code, errors = recipe(capsys, "train", *arguments)
    assert code == 2 and "--seed must be at least 0 and below" in errors


@pytest.mark.full
def test_a_damaged_log_is_set_aside(trained, text, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained[0], run)
    spoiled = (run / "metrics.csv").read_text() * 2  # with a second header
    (run / "metrics.csv").write_text(spoiled)
    with np.load(run / "checkpoint.npz") as file:
        arrays = dict(file)
    description = json.loads(arrays["description.json"].tobytes())
    description["callbacks"]["CSVLog-1"]["size"] = len(spoiled)
    text_of = json.dumps(description).encode()
    arrays["description.json"] = np.frombuffer(text_of, "uint8")
    np.savez(run / "checkpoint.npz", **arrays)

    message = "metrics.csv is damaged in line 4"
    with pytest.warns(UserWarning, match=message):
        again = train(text, run)
    assert again.returncode == 0, again.stderr
    assert (run / "metrics.csv.damaged").read_text() == spoiled


@pytest.mark.full
@pytest.mark.parametrize("command", ["train", "export"])
def test_a_pipe_is_not_replaced_by_a_folder(trained, text, tmp_path, command):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if command == "train":
        done = train(text, pipe)
    else:
        arguments = ("--run", trained[0], "--folder", pipe)
        done = run_recipe("translation", "export", *arguments)
    assert done.returncode == 2
    assert "is a pipe, not a folder" in done.stderr
    assert pipe.is_fifo() and os.listdir(tmp_path) == ["pipe"]


@pytest.fixture
def recipe():
    """Gives exit code and errors of a command."""

    def run(capsys, *arguments):
        done = command(*arguments)
        return done.returncode, done.stderr

    return run


def broken(folder, text, **contents):
    """Copies the text with some files replaced by other bytes."""
    folder.mkdir()
    for path in text.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for name, data in contents.items():
        name = name.replace("_", ".")
        (folder / f"{name}.gz").unlink()
        if data is not None:
            (folder / name).write_bytes(data)
    return folder


BAD_TEXT = {
    "missing file": ({"train_de": None}, {}, "train has en"),
    "unequal": ({"train_de": b"eins\nzwei\n"}, {}, "line 3 of train.en.gz"),
    "not UTF-8": ({"train_de": b"eins\n\xff\n"}, {}, "line 2"),
    "empty": ({"train_en": b""}, {}, "train.en' is empty"),
    "suffix": ({}, {"target": "fr"}, "train has de, en"),
    "vocabulary": ({}, {"vocabulary-size": 5}, "(--vocabulary-size)"),
    "attention": ({}, {"attention": "mult_head"}, "Known names: additive"),
    "position": ({}, {"position": "rotory"}, "rotary"),
    "heads": ({}, {"num-heads": 3}, "hidden_dim=16"),
    "data set": ({}, {"dataset": "file:x"}, "files:FOLDER"),
    "no folder": ({}, {"dataset": "files:/no/where"}, "/no/where"),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_input_is_one_message_and_leaves_no_run(
    case, text, tmp_path, recipe, capsys
):
    contents, changes, message = BAD_TEXT[case]
    folder = broken(tmp_path / "text", text, **contents)
    run = tmp_path / "run"
    code, error = recipe(capsys, "train", *options(folder, run, **changes))
    assert code == 2
    assert message in error and "Traceback" not in error, error
    assert error.count("error:") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text"]


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"model": "recurrent"}, "intermediate-dim"),
        ({"cell": "lstm"}, "cell"),
    ],
)
def test_an_option_of_another_model_is_refused(
    text, tmp_path, recipe, capsys, given, flag
):
    code, error = recipe(
        capsys, "train", *options(text, tmp_path / "run", **given)
    )
    assert code == 2 and f"--{flag} is an option of --model" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["fourier", "pointer", "longformer"])
def test_a_flavour_that_does_not_fit_is_refused(
    text, tmp_path, recipe, capsys, name
):
    given = {"attention": name}
    code, error = recipe(
        capsys, "train", *options(text, tmp_path / "run", **given)
    )
    assert code == 2 and "Traceback" not in error
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_a_scorer_that_is_missing_is_told_before_training(
    text, tmp_path, recipe, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    code, error = recipe(capsys, "train", *options(text, tmp_path / "run"))
    assert code == 2 and "needs the package sacrebleu" in error
    assert not (tmp_path / "run").exists()


def test_an_unknown_flag_is_refused(text, tmp_path, recipe, capsys):
    code, error = recipe(
        capsys, "train", *options(text, tmp_path / "run"), "--hiden-dim", 3
    )
    assert code == 2 and "hiden-dim" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_a_run_of_another_configuration_is_kept(trained, text, recipe, capsys):
    run, _ = trained
    code, error = recipe(
        capsys, "train", *options(text, run, **{"hidden-dim": 32})
    )
    assert code == 2
    assert "hidden_dim 16 there, 32 here" in error


@pytest.mark.full
def test_a_cosine_keeps_the_length_of_its_run(text, tmp_path, recipe, capsys):
    run = tmp_path / "run"
    given = {"schedule": "cosine", "warmup-steps": 3, "epochs": 1}
    assert train(text, run, **given).returncode == 0
    assert train(text, run, **given).returncode == 0
    given["epochs"] = 2
    code, error = recipe(capsys, "train", *options(text, run, **given))
    assert code == 2 and "epochs 1 there, 2 here" in error
    with open(run / "metrics.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0"]


@pytest.mark.full
def test_a_damaged_checkpoint_is_named_and_kept(
    trained, text, tmp_path, recipe, capsys
):
    run = tmp_path / "run"
    run.mkdir()
    for path in trained[0].iterdir():
        if path.is_file():
            (run / path.name).write_bytes(path.read_bytes())
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "run": str(run)}))
    half = (run / "checkpoint.npz").read_bytes()[:1000]
    (run / "checkpoint.npz").write_bytes(half)
    code, error = recipe(capsys, "train", *options(text, run))
    assert code == 2
    assert "checkpoint.npz" in error and "Traceback" not in error
    assert (run / "checkpoint.npz").read_bytes() == half


@pytest.mark.full
def test_commands_on_no_run_or_an_unfinished_one_say_so(
    trained, tmp_path, recipe, capsys
):
    code, error = recipe(capsys, "evaluate", "--run", tmp_path / "none")
    assert code == 2 and "is not a run folder" in error
    (tmp_path / "config.json").write_bytes(
        (trained[0] / "config.json").read_bytes()
    )
    for name in ("evaluate", "translate", "export"):
        code, error = recipe(capsys, name, "--run", tmp_path)
        assert code == 2 and "not finished" in error


@pytest.mark.slow
def test_long_sentences_are_cut_and_counted(text, tmp_path):
    result = train(text, tmp_path / "run", **{"max-length": 12, "epochs": 1})
    assert result.returncode == 0, result.stderr
    assert "max_length=12" in result.stderr


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("average", 0),
        ("checkpoint-steps", 0),
        ("epochs", -1),
        ("patience", 0),
        ("clip-norm", "inf"),
        ("learning-rate", 0),
        ("dropout", 1),
        ("length-penalty", "nan"),
        ("bleu-sentences", -1),
    ],
)
def test_a_number_out_of_its_range_names_the_flag(
    text, tmp_path, recipe, capsys, flag, value
):
    code, error = recipe(
        capsys, "train", *options(text, tmp_path / "run", **{flag: value})
    )
    assert code == 2 and f"--{flag} must be" in error
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_steps_without_bleu_into_a_linked_folder(text, tmp_path):
    (tmp_path / "far").mkdir()
    run = tmp_path / "run"
    run.symlink_to(tmp_path / "far")
    changes = {"tokens": 128, "steps": 3, "bleu-sentences": 0, "average": 1}
    result = train(text, run, **changes)
    assert result.returncode == 0, result.stderr
    assert run.is_symlink() and (tmp_path / "far/task").is_dir()
    with open(run / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1 and "val_bleu" not in rows[0]
    assert float(rows[0]["tokens"]) < 3 * 128
    assert json.loads((run / "config.json").read_text())["steps"] == 3


@pytest.mark.full
def test_undivided_text_is_divided_and_learns_more_pieces(text, tmp_path):
    folder, run = tmp_path / "text", tmp_path / "run"
    folder.mkdir()
    for name in ("train.en.gz", "train.de.gz"):
        (folder / name).write_bytes((text / name).read_bytes())
    given = {name: TINY[name] for name in TINY if name != "vocabulary-size"}
    result = command("train", *options(folder, run, tiny=given))
    assert result.returncode == 0, result.stderr
    assert "10% of its rows validate and 10% test" in result.stderr
    assert "--vocabulary-size=4000; the vocabulary has" in result.stderr
    result = command("evaluate", "--run", run)
    assert result.returncode == 0, result.stderr
    assert "exact match" in result.stdout


@pytest.mark.full
def test_standard_input_is_read_as_files_are(trained):
    run, _ = trained
    result = subprocess.run(
        [sys.executable, RECIPE, "translate", "--run", run],
        input=b"two\r\n\nthree \xff\n",
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 2
    assert len(result.stdout.decode().splitlines()) == 2
    assert b"line 3 holds the byte 0xff" in result.stderr
