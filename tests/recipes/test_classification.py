"""The classification recipe on tiny texts and images."""

import csv
import gzip
import json
import math
import pathlib
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_attention import tasks
from tests.recipes import in_process

WORDS = {
    "animal": "dog cat horse bird fish".split(),
    "plant": "tree rose grass oak fern".split(),
    "tool": "saw hammer drill nail file".split(),
}
TINY = {
    "vocabulary-size": 36,
    "num-layers": 1,
    "hidden-dim": 16,
    "num-heads": 2,
    "intermediate-dim": 32,
    "tokens": 256,
    "epochs": 2,
    "average": 2,
    "checkpoint-steps": 2,
    "show": 1,
}
IMAGES = {
    name: TINY[name]
    for name in TINY
    if name not in ("vocabulary-size", "tokens")
}
TRANSFORMER = (
    *("num-heads", "intermediate-dim", "patch-size", "patch-stride"),
    "hidden-dim",
)
IMAGES.update({"inputs": "images", "batch-size": 16})
IMAGES.update({"patch-size": 3, "patch-stride": 2})


def sentences(count, seed):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        label = generator.choice(list(WORDS))
        words = generator.choice(WORDS[label], size=generator.integers(1, 7))
        yield label, " ".join(words)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A folder of TSV files without a header: label, text."""
    folder = tmp_path_factory.mktemp("text")
    for seed, (split, count) in enumerate(
        {"train": 120, "dev": 30, "test": 30}.items()
    ):
        rows = sentences(count, seed)
        lines = [f"{label}\t{words}\n" for label, words in rows]
        (folder / f"{split}.tsv").write_text("".join(lines))
    for split in ("none_dev", "none_test"):
        rows = [f"none\tzebra {x} quux\n" for x in "abcdefg"]
        (folder / f"{split}.tsv").write_text("".join(rows))
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Dark and bright images of 7 by 6 pixels in a folder for each class."""
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for split, count in {"train": 30, "val": 8, "test": 8}.items():
        for label, mean in {"bright": 200, "dark": 50}.items():
            (folder / split / label).mkdir(parents=True)
            for index in range(count):
                pixels = generator.normal(mean, 20, (7, 6)).clip(0, 255)
                image = Image.fromarray(pixels.astype("uint8"))
                image.save(folder / split / label / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def recipe():
    """Gives exit code, output and errors of a command."""

    def run(*arguments):
        done = in_process.run("classification", *arguments)
        return done.returncode, done.stdout, done.stderr

    return run


def options(folder, run, tiny=TINY, **changes):
    columns = {"text": 2, "label": 1} if tiny is TINY else {}
    given = {"dataset": f"files:{folder}", "run": run, **tiny, **columns}
    given.update(changes)
    return [x for name, value in given.items() for x in (f"--{name}", value)]


@pytest.fixture(scope="module")
def trained(text, recipe, tmp_path_factory):
    """A finished run over text."""
    run = tmp_path_factory.mktemp("runs") / "run"
    changes = {"epochs": 6, "learning-rate": 0.01, "warmup-steps": 10}
    code, *_ = recipe("train", *options(text, run, **changes))
    assert code == 0
    return run


def test_a_run_folder_holds_what_the_run_was_and_gave(trained):
    for name in (
        *("config.json", "tokenizer.model", "best.weights.h5"),
        *("averaged.weights.h5", "metrics.json", "task/task.json"),
    ):
        assert (trained / name).is_file(), name
    with open(trained / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert {"val_accuracy", "examples_per_second"} <= set(rows[0])
    assert (trained / "curves.png").read_bytes().startswith(b"\x89PNG")
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["validation_accuracy"]["best"] > 0.8
    kept = metrics["validation_accuracy"][metrics["kept"]]
    card = (trained / "task/README.md").read_text().splitlines()
    assert f"| accuracy (validation) | {kept:.6g} |" in card
    assert {"| epochs | 6 |", "| learning_rate | 0.01 |"} <= set(card)
    assert not any(line.startswith("| run ") for line in card)


@pytest.mark.full
def test_evaluate_says_what_the_task_gives(trained, text, recipe):
    code, output, errors = recipe(
        "evaluate",
        "--run",
        trained,
        "--outside-split",
        "none_test",
        "--outside-validation",
        "none_dev",
    )
    assert code == 0 and "findfont" not in errors, errors
    rows = [
        line.split("\t")
        for line in (text / "test.tsv").read_text().splitlines()
    ]
    found = tasks.load(trained / "task")([words for _, words in rows])
    right = np.mean([a == b for a, (b, _) in zip(found, rows, strict=True)])
    assert f"accuracy {right:.2%} of 30 examples" in output
    card = (trained / "task/README.md").read_text()
    assert f"| accuracy (test) | {right:.6g} |" in card.splitlines()
    for expected in ("macro-F1", "calibration error", "7 examples of no class"):
        assert expected in output
    for name in ("confusion_test.png", "calibration_test.png"):
        assert (trained / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.full
def test_texts_are_predicted_from_arguments_and_files(
    trained, recipe, tmp_path
):
    texts = ["dog cat", "hammer"]
    code, given, _ = recipe("predict", *texts, "--run", trained)
    (tmp_path / "texts").write_text("\n".join(texts) + "\n")
    _, read, _ = recipe(
        "predict", "--run", trained, "--file", tmp_path / "texts"
    )
    assert code == 0 and given == read
    assert given.splitlines() == tasks.load(trained / "task")(texts)


@pytest.mark.full
@pytest.mark.parametrize(
    "changes",
    [
        {"model": "recurrent", "pooling": "additive"},
        {"model": "convolutional", "validation-share": 0.2},
        {"token-dropout": 0.2, "attention": "linear", "pooling": "attention"},
        {
            "subwords": "word",
            "vocabulary-size": 15,
            "schedule": "cosine",
            "warmup-steps": 3,
        },
    ],
)
def test_other_models_train(changes, text, tmp_path, recipe):
    tiny = dict(TINY)
    if "model" in changes:
        del tiny["intermediate-dim"], tiny["num-heads"]
    columns = {"text": 2, "label": 1}
    given = {**tiny, **columns, **changes, "epochs": 1}
    code, _, errors = recipe(
        "train", *options(text, tmp_path / "run", tiny=given)
    )
    assert code == 0, errors
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0"]


@pytest.mark.full
@pytest.mark.parametrize("model", ["transformer", "convolutional"])
def test_images_of_a_folder_are_learned(model, pictures, tmp_path, recipe):
    given = {**IMAGES, "model": model, "rotate": 5, "shift": 1, "epochs": 6}
    given.update({"learning-rate": 0.01, "warmup-steps": 10})
    if model == "convolutional":
        given["filters"] = 4
        for name in TRANSFORMER:
            del given[name]
    run = tmp_path / "run"
    code, _, errors = recipe("train", *options(pictures, run, tiny=given))
    assert code == 0, errors
    code, output, errors = recipe("evaluate", "--run", run)
    assert code == 0 and "of 16 examples" in output, errors
    wrong = re.findall(r"\w+ taken for \w+ .*: (.*)", output)
    assert all(name.startswith(str(pictures / "test")) for name in wrong)
    right = float(re.search(r"accuracy ([0-9.]+)%", output)[1])
    assert right > 80  # bright or dark is an easy question
    name = pictures / "test" / "dark" / "3.png"
    code, output, _ = recipe("predict", name, "--run", run)
    assert code == 0 and output.strip() in ("bright", "dark")
    if model == "transformer":
        assert output.strip() == "dark"
    code, _, error = recipe("predict", __file__, "--run", run)
    assert code == 2 and __file__ in error
    for names, stdin in (((name, "", name), ""), ((), f"{name}\n\n{name}\n")):
        arguments = "predict", *names, "--run", run
        done = in_process.run("classification", *arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        label, blank, again = done.stdout.splitlines()
        assert label == again and label and not blank


@pytest.mark.full
@pytest.mark.parametrize(
    "given", [IMAGES, pytest.param(TINY, marks=pytest.mark.slow)]
)
@pytest.mark.filterwarnings("ignore:Cut")
def test_the_demo_trains_and_is_scored(given, tmp_path, recipe):
    given = {**given, "dataset": "demo", "steps": 3, "run": tmp_path / "run"}
    if "vocabulary-size" in given:
        given["vocabulary-size"] = 500  # many letters and signs
    code, output, errors = recipe(
        "train", *(x for name in given for x in (f"--{name}", given[name]))
    )
    assert code == 0, errors
    assert "(should be " in output
    code, output, errors = recipe("evaluate", "--run", tmp_path / "run")
    assert code == 0, errors
    assert re.search(r"accuracy [0-9.]+% of \d+ examples", output)


def test_patches_leave_no_pixels_out(pictures, tmp_path, recipe):
    given = {**IMAGES, "patch-stride": 4}
    code, _, error = recipe(
        "train", *options(pictures, tmp_path / "run", tiny=given)
    )
    assert code == 2 and not (tmp_path / "run").exists()
    assert "--patch-stride must be at least 0 and below 4" in error


@pytest.mark.full
def test_grids_are_those_of_the_images(pictures, tmp_path, recipe):
    """What reads a grid is told it: it may be far from a square."""
    for index, given in enumerate(
        ({"attention": "axial"}, {"position": "window_relative"})
    ):
        given = {**IMAGES, **given, "patch-size": 2, "steps": 1, "epochs": 1}
        given["patch-stride"] = 1 + index
        run = tmp_path / f"{index}"
        code, _, errors = recipe("train", *options(pictures, run, tiny=given))
        assert code == 0, errors
        encoder = tasks.load(run / "task").model.encoder
        grid = encoder.embedding.grid(7, 6)
        parts = encoder.parts_on_grid()
        assert parts and all(tuple(part.grid) == grid for part in parts)


@pytest.fixture
def vectors(tmp_path):
    """A file of vectors of 16 numbers, also of a word that no text has."""
    names = [word for words in WORDS.values() for word in words]
    rows = np.random.default_rng(0).normal(size=(16, 16))
    lines = [
        " ".join([word, *map(str, row)])
        for word, row in zip([*names, "wolf"], rows, strict=True)
    ]
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "vectors.txt"


@pytest.mark.full
@pytest.mark.parametrize(
    ("model", "flags"),
    [("recurrent", ["--frozen-vectors"]), ("transformer", [])],
)
def test_words_start_with_vectors_of_a_file(
    model, flags, vectors, text, tmp_path, recipe
):
    tiny = {**TINY, "text": 2, "label": 1, "model": model}
    if model == "recurrent":
        del tiny["intermediate-dim"], tiny["num-heads"]
    run = tmp_path / "run"
    given = options(
        text,
        run,
        tiny,
        **{"word-vectors": vectors, "subwords": "word"},
    )
    code, output, errors = recipe("train", *given, *flags)
    assert code == 0, errors
    assert f"16 of 20 pieces start with vectors of {vectors}, " in output
    assert "100.0% of those that the training texts" in output
    task = tasks.load(run / "task")
    rows = np.loadtxt(vectors, usecols=range(1, 17))
    ids = [task.tokenizer.encode([word])[0] for word in ("dog", "wolf")]
    found = np.asarray(task.model.encoder.embedding(np.array(ids)))[:, 0]
    close = np.isclose(found, rows[[0, -1]], atol=1e-6)
    # What the texts do not have is learned by nothing.
    assert close[1].all() and (close[0].all() if flags else not close[0].any())


@pytest.mark.full
def test_pieces_that_are_words_start_with_vectors_too(
    vectors, text, tmp_path, recipe
):
    given = options(text, tmp_path / "run", **{"word-vectors": vectors})
    code, output, errors = recipe("train", *given, "--frozen-vectors")
    assert code == 0, errors
    found = re.search(r"(\d+) of 36 pieces start with vectors", output)
    task = tasks.load(tmp_path / "run" / "task")
    table = np.loadtxt(vectors, usecols=range(1, 17))
    names = [word for words in WORDS.values() for word in words]
    alone = [len(ids) == 1 for ids in task.tokenizer.encode([*names, "wolf"])]
    assert int(found[1]) == sum(alone) > 1
    row = alone.index(True)
    ids = np.array([task.tokenizer.encode([names[row]])[0]])
    vector = np.asarray(task.model.encoder.embedding(ids))[0, 0]
    np.testing.assert_allclose(vector, table[row], atol=1e-6)
    # A run that goes on needs the file no more.
    vectors.unlink()
    more = [*given, "--epochs", 3, "--frozen-vectors"]
    code, output, errors = recipe("train", *more)
    assert code == 0 and "start with vectors" not in output, errors
    embedding = tasks.load(tmp_path / "run" / "task").model.encoder.embedding
    np.testing.assert_allclose(
        np.asarray(embedding(ids))[0, 0], table[row], atol=1e-6
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden-dim": 8}, "--hidden-dim must be 16"),
        ({"word-vectors": "no.txt"}, "'no.txt' cannot be read"),
        ({"word-vectors": ""}, "--frozen-vectors needs --word-vectors"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(
    changes, message, vectors, text, tmp_path, recipe
):
    tiny = {**TINY, "text": 2, "label": 1, "subwords": "word"}
    given = {"word-vectors": vectors, **changes}
    code, _, error = recipe(
        "train",
        *options(text, tmp_path / "run", tiny, **given),
        "--frozen-vectors",
    )
    assert code == 2 and message in error and "Traceback" not in error, error
    assert not (tmp_path / "run").exists()
    given = options(text, tmp_path / "run", IMAGES, **{"word-vectors": vectors})
    code, _, error = recipe("train", *given)
    assert code == 2
    assert "--word-vectors is an option of --inputs text" in error


@pytest.mark.full
def test_a_long_text_fits_whatever_is_made_for_a_length(text, tmp_path, recipe):
    row = "plant\t" + "tree rose " * 300 + "\n"
    folder = changed(tmp_path / "text", text)
    with open(folder / "train.tsv", "a") as file:
        file.write(row)
    given = {"attention": "linformer", "position": "learned", "epochs": 1}
    given.update({"max-length": 4096, "tokens": 1400, "subwords": "word"})
    given.update({"vocabulary-size": 15, "average": 1})
    code, _, errors = recipe(
        "train", *options(folder, tmp_path / "run", **given)
    )
    assert code == 0, errors


def changed(folder, text, **contents):
    """Copies the text with some splits replaced."""
    folder.mkdir()
    for path in text.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for split, data in contents.items():
        (folder / f"{split}.tsv").write_text(data)
    return folder


BAD_TEXT = {
    "unknown label": (
        {"dev": "animal\tdog\nmineral\tgold\n"},
        {},
        "1 of 2 examples in split 'validation' have labels that training "
        "does not have: 'mineral'",
    ),
    "one class": ({"train": "a\tdog\na\tcat\n"}, {}, "two classes"),
    "fields": ({"train": "a\tb\tc\nd\te\n"}, {}, "Line 2"),
    "column": ({}, {"text": "words"}, "words"),
    "vocabulary": ({}, {"vocabulary-size": 5}, "(--vocabulary-size)"),
    "attention": ({}, {"attention": "mult_head"}, "Known names: additive"),
    "pooling": ({}, {"pooling": "median"}, "Unknown pooling"),
    "data set": ({}, {"dataset": "file:x"}, "--dataset must be"),
    "share": ({}, {"validation-share": 0.0001}, "--validation-share"),
    "number": ({}, {"token-dropout": 1}, "--token-dropout must be"),
    "other inputs": ({}, {"shift": 1}, "--shift is an option of --inputs"),
    "other model": ({}, {"cell": "lstm"}, "--cell is an option of --model"),
    "columns": ({}, {"label": 2}, "--text and --label must be two"),
    "both": (
        {},
        {"validation-share": 0.2, "validation-split": "dev"},
        "not both",
    ),
    "does not run": (
        {},
        {"position": "window_relative"},
        "The model cannot run: ",
    ),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_input_is_one_message_and_leaves_no_run(
    case, text, tmp_path, recipe
):
    contents, changes, message = BAD_TEXT[case]
    folder = changed(tmp_path / "text", text, **contents)
    code, _, error = recipe(
        "train", *options(folder, tmp_path / "run", **changes)
    )
    assert code == 2
    assert message in error and "Traceback" not in error, error
    assert error.count("error:") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text"]


@pytest.mark.full
def test_one_file_is_trained_and_scored(tmp_path, recipe):
    path, run = tmp_path / "words.csv.gz", tmp_path / "run"
    rows = [*sentences(150, 0), *sentences(5, 0)]
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Class", "Sentence"])
        writer.writerows([label, f'{words},\n"x"'] for label, words in rows)
    given = options(path, run, **{"vocabulary-size": 4000, "epochs": 1})
    given[1] = path
    for name in ("--text", "--label"):
        place = given.index(name)
        del given[place : place + 2]
    code, output, errors = recipe("train", *given)
    assert code == 0, errors
    assert "10% of its rows validate and 10% test" in errors
    assert "fewer than --vocabulary-size=4000" in errors
    trains = int(re.search(r"(\d+) examples of 3 classes", output)[1])
    code, output, errors = recipe("evaluate", "--run", run)
    assert code == 0, errors
    tests = int(re.search(r"of (\d+) examples", output)[1])
    with open(run / "metrics.csv", newline="") as file:
        held = int(float(next(csv.DictReader(file))["val_examples"]))
    assert trains + tests + held == 155
    code, output, errors = recipe("evaluate", "--run", run, "--dataset", path)
    assert code == 0, errors
    code, _, errors = recipe("predict", "\u732b dog", "--run", run)
    assert code == 0 and "covers '\u732b'" in errors


@pytest.mark.full
def test_images_of_several_sizes_in_folders_of_classes(tmp_path, recipe):
    folder, run = tmp_path / "pictures", tmp_path / "run"
    for label, mean in {"bright": 200, "dark": 50}.items():
        (folder / label).mkdir(parents=True)
        for index in range(40):
            pixels = np.full((5 + index % 3, 6 + index % 4), mean + index)
            image = Image.fromarray(pixels.astype("uint8"))
            image.save(folder / label / f"{index}.png")
    given = options(folder, run, tiny=IMAGES)
    code, _, errors = recipe("train", *given)
    assert code == 2 and "--image-size" in errors and not run.exists()
    code, _, errors = recipe("train", *given, "--image-size", 7, 6)
    assert code == 0, errors
    code, output, errors = recipe("evaluate", "--run", run)
    assert code == 0, errors
    if " taken for " in output:
        assert re.search(r"\): /.*pictures/.*png", output)
    for name in ("0.png", "1.png"):
        path = folder / "dark" / name
        code, output, errors = recipe("predict", path, "--run", run)
        assert code == 0 and output.strip() in ("bright", "dark"), errors


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("x.csv", "text,label\na,1\nb\n", "Line 3 of"),
        (
            "x.csv",
            "words,label\na,1\nb,2\n",
            "words, label. Name it with --text",
        ),
        ("x.csv", "text,label\na,1\nb,1.0\n", "examples have '1' alone"),
        ("x.cvs", "", "--dataset must be demo, files:FOLDER"),
        ("x.txt", "a\nb\n", "it has: text. Name it with --label"),
    ],
)
def test_a_bad_file_is_one_message_and_leaves_no_run(
    name, content, message, tmp_path, recipe
):
    (tmp_path / name).write_text(content)
    given = ["--dataset", tmp_path / name, "--run", tmp_path / "run"]
    if "alone" in message:
        given += ["--validation-share", 0.5]
    code, _, error = recipe("train", *given)
    assert code == 2 and message in error, error
    assert error.count("error:") == 1 and not (tmp_path / "run").exists()


def bad_image(folder, case):
    if case == "broken":
        (folder / "train" / "dark" / "3.png").write_bytes(b"no image")
    elif case == "size":
        image = Image.fromarray(np.zeros((9, 9), "uint8"))
        image.save(folder / "train" / "dark" / "3.png")
    elif case == "floats":
        (folder / "train" / "dark" / "3.png").unlink()
        image = Image.fromarray(np.zeros((7, 6), "float32"))
        image.save(folder / "train" / "dark" / "3.webp", format="TIFF")
    elif case == "empty class":
        (folder / "train" / "gray").mkdir()


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("broken", "1 of 60 images cannot be read: .*3.png"),
        ("size", "1 of 60 images are not of 6x7 pixels.*3.png.*9x9"),
        ("empty class", "'gray' has no images"),
        ("floats", "1 of 60 images cannot be read: .*3.webp"),
    ],
)
def test_bad_images_are_named(case, message, pictures, tmp_path, recipe):
    shutil.copytree(pictures, tmp_path / "pictures")
    bad_image(tmp_path / "pictures", case)
    code, _, error = recipe(
        "train",
        *options(tmp_path / "pictures", tmp_path / "run", tiny=IMAGES),
    )
    assert code == 2 and re.search(message, error), error
    assert not (tmp_path / "run").exists()


@pytest.mark.full
def test_images_of_another_split_are_brought_to_those_of_training(
    pictures, tmp_path, recipe
):
    folder, run = tmp_path / "pictures", tmp_path / "run"
    shutil.copytree(pictures, folder)
    for path in folder.glob("*/dark/3.png"):
        if "train" not in path.parts:
            Image.open(path).convert("RGB").save(path)
    given = options(folder, run, tiny={**IMAGES, "epochs": 1})
    code, _, errors = recipe("train", *given)
    assert code == 0, errors
    code, output, errors = recipe("evaluate", "--run", run, "--show", 16)
    assert code == 0, errors
    names = re.findall(r"\w+ taken for \w+ .*: (.*)", output)
    right = float(re.search(r"accuracy ([0-9.]+)%", output)[1])
    assert len(names) == round(16 * (1 - right / 100))
    assert all((folder / "test") in pathlib.Path(x).parents for x in names)
    for split in ("val", "test"):
        for path in folder.glob(f"{split}/*/*.png"):
            Image.fromarray(np.zeros((9, 8), "uint8")).save(path)
    code, _, error = recipe("evaluate", "--run", run)
    assert code == 2 and "6x7 pixels" in error and "'test', has 8x9" in error
    other = options(folder, tmp_path / "other", tiny=IMAGES)
    code, _, error = recipe("train", *other)
    assert code == 2 and "'validation', has 8x9" in error
    assert not (tmp_path / "other").exists()


def test_two_axes_need_no_class_token(pictures, tmp_path, recipe):
    changes = {"position": "rotary", "pooling": "first"}
    given = options(pictures, tmp_path / "run", tiny=IMAGES, **changes)
    code, _, error = recipe("train", *given)
    assert code == 2 and "which class_token=True shifts" in error
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_recipe_is_refused(trained, tmp_path):
    for name, command in (
        ("translation", "translate"),
        ("translation", "export"),
        ("summarization", "summarize"),
    ):
        done = in_process.run(name, command, "--run", trained)
        assert done.returncode == 2
        assert "a run of another recipe" in done.stderr
    for damage in ("[]", "{", "null"):
        (tmp_path / "config.json").write_text(damage)
        done = in_process.run("classification", "evaluate", "--run", tmp_path)
        assert done.returncode == 2 and "is damaged" in done.stderr


@pytest.mark.parametrize(
    "damage",
    [
        *("{", "[]", "{}", "[" * 100_000, '{"epochs": 1, "epochs": 2}'),
        *('{"epochs": "2", "steps": 0}', '{"epochs": [2], "steps": null}'),
    ],
    ids=str.__len__,
)
def test_a_damaged_file_of_a_run_is_named(trained, tmp_path, damage):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "metrics.json").write_text(damage)
    done = in_process.run("classification", "predict", "--run", run, "a")
    assert done.returncode == 2
    assert f"{run / 'metrics.json'} is damaged" in done.stderr
    assert done.stderr.count("\n") == 1


def test_metrics_with_nan_of_an_older_version_are_read(trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    path = run / "metrics.json"
    metrics = json.loads(path.read_text())
    path.write_text(json.dumps({**metrics, "validation_loss": math.nan}))
    done = in_process.run("classification", "predict", "--run", run, "a")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("dataset", 3, "a string"),
        ("dataset", None, "a string"),
        ("dataset", ["demo"], "a string"),
        ("num_layers", "2", "an integer"),
        ("num_layers", True, "an integer"),
        ("dropout", "0.1", "a number"),
        ("bidirectional", "false", "true or false"),
        ("model", "perceptron", "one of transformer"),
        ("kernel_sizes", [3, "4"], "a list, each entry an integer"),
    ],
)
def test_an_option_of_another_type_in_a_run_is_named(
    trained, tmp_path, field, value, expected
):
    config = json.loads((trained / "config.json").read_text())
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, field: value}))
    for command in ("evaluate", "predict", "export"):
        done = in_process.run("classification", command, "--run", tmp_path)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert f"{path}: {field} must be {expected}" in done.stderr


def test_a_run_with_deeply_nested_options_is_refused(tmp_path):
    path = tmp_path / "config.json"
    for content in ("[" * 100_000, '{"dataset":' * 500 + "1" + "}" * 500):
        path.write_text(content)
        done = in_process.run("classification", "evaluate", "--run", tmp_path)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert f"{path} is damaged: it is nested" in done.stderr


def test_no_run_or_half_of_the_outside_options(trained, recipe):
    code, _, error = recipe("evaluate", "--run", trained / "none")
    assert code == 2 and "is not a run folder" in error
    code, _, error = recipe("evaluate", "--run", trained, "--dataset", "x")
    assert code == 2 and "--dataset must be demo, files:" in error
    code, _, error = recipe(
        "evaluate", "--run", trained, "--outside-split", "none_test"
    )
    assert code == 2 and "--outside-validation" in error
