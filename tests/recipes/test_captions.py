"""The recipe of captions on tiny images and sounds."""

import numpy as np
import pytest

from keras_attention import tasks
from tests.recipes import in_process

pytestmark = pytest.mark.full
TINY = {
    "num-layers": 1,
    "hidden-dim": 16,
    "num-heads": 2,
    "intermediate-dim": 32,
    "epochs": 2,
    "average": 1,
    "warmup-steps": 2,
    "batch-size": 8,
    "show": 1,
}
TEXTS = {"dark": 40, "bright": 200}


def run(*arguments):
    done = in_process.run("captions", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_table(folder, split, rows):
    lines = ["file\ttext\n", *(f"{file}\t{text}\n" for file, text in rows)]
    (folder / f"{split}.tsv").write_text("".join(lines))


def options(folder, run_folder):
    given = {"dataset": f"files:{folder}", "run": run_folder, **TINY}
    return [x for name, value in given.items() for x in (f"--{name}", value)]


def write_images(folder):
    from PIL import Image

    generator = np.random.default_rng(0)
    for split, count in {"train": 40, "validation": 8, "test": 8}.items():
        rows = []
        for index in range(count):
            text = list(TEXTS)[index % 2]
            pixels = generator.normal(TEXTS[text], 20, (8, 12)).clip(0, 255)
            name = f"{split}-{index}.png"
            Image.fromarray(pixels.astype("uint8")).save(folder / name)
            rows.append((name, f"a {text} picture"))
        write_table(folder, split, rows)


def write_sounds(folder):
    from scipy.io import wavfile

    for split, count in {"train": 40, "validation": 8, "test": 8}.items():
        rows = []
        for index in range(count):
            times = np.arange(1_600 + 40 * index) / 16_000
            word, hertz = [("low", 200), ("high", 3_000)][index % 2]
            name = f"{split}-{index}.wav"
            sound = np.sin(2 * np.pi * hertz * times).astype("float32")
            wavfile.write(folder / name, 16_000, sound)
            rows.append((name, f"a {word} tone"))
        write_table(folder, split, rows)


@pytest.mark.parametrize(
    ("write", "kind"),
    [(write_images, "ImageToText"), (write_sounds, "SpeechToText")],
)
def test_a_run_is_trained_scored_used_and_exported(write, kind, tmp_path):
    write(tmp_path)
    folder = tmp_path / "run"
    assert "reference  a " in run("train", *options(tmp_path, folder))
    task = tasks.load(folder / "task")
    assert type(task).__name__ == kind
    told = run("evaluate", "--run", folder, "--show", 1)
    assert "exact " in told and "% of 8" in told
    files = sorted(tmp_path.glob("test-*"))[:3]
    lines = run("predict", *files, "--run", folder).splitlines()
    assert lines == task(files)
    assert "tensorflow_text" in run("export", "--run", folder)
    assert (folder / "saved_model" / "saved_model.pb").is_file()


def test_images_of_one_table_are_resized_in_every_command(tmp_path):
    from PIL import Image

    write_images(tmp_path)
    folder = tmp_path / "run"
    given = options(tmp_path, folder)
    given[1] = tmp_path / "train.tsv"
    run("train", *given, "--image-size", 16, 8)
    task = tasks.load(folder / "task")
    assert task.settings["image_shape"] == [16, 8, 1]
    assert "exact " in run("evaluate", "--run", folder)
    path = tmp_path / "test-0.png"
    given = Image.open(path).resize((8, 16), Image.Resampling.BILINEAR)
    expected = task(np.asarray(given)[None, :, :, None])
    printed = run("predict", path, "--run", folder)
    assert printed == f"{expected[0]}\n"


def test_a_source_that_is_none_is_refused(tmp_path):
    done = in_process.run("captions", "train", "--dataset", "demos")
    assert done.returncode == 2 and "demo-speech" in done.stderr
