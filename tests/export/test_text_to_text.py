"""An exported `TextToText` answers as the task does, without the package."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_attention.tasks import TextToText
from tests.tasks import tiny

ROOT = Path(__file__).parents[2]
BATCHES = [
    tiny.sentences(1, seed=1),
    tiny.sentences(2, seed=2, longest=2),
    tiny.sentences(13, seed=3),
    tiny.AWKWARD,
    [""],
    ["", "a man", " "],
    [],
]

tf = pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.autograph,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the tests that export from other backends start them",
    ),
]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "task"
    source = tiny.tokenizer(301, byte_fallback=True)
    target = tiny.tokenizer(47, model_type="bpe")
    TextToText(
        tiny.model(301, target_size=53, seed=14),
        source,
        target,
        max_source_length=37,
        max_length=17,
        num_beams=3,
        length_penalty=0.6,
        batch_size=5,
    ).save(folder)
    return folder


@pytest.fixture(scope="module")
def task(saved):
    return TextToText.load(saved)


@pytest.fixture(scope="module")
def exported(task, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "in" / "translator"
    task.export(folder)
    return folder


def run(*arguments, given=None, cwd=None, **environment):
    environment = {
        k: v for k, v in {**os.environ, **environment}.items() if v is not None
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        input=given,
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def serve(folder, batches):
    """What a process without the package answers, and what it prints."""
    process = run(
        "-P",
        ROOT / "tests" / "export" / "serve.py",
        folder,
        given=json.dumps(batches),
        KERAS_BACKEND=None,
        PYTHONPATH=None,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout), process.stderr


def check_same(served, task, batches):
    for result, texts in zip(served, batches, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of texts that are cut
            token_ids, scores = task.generate(texts)
        assert result["text"] == task.decode(token_ids)
        assert result["shape"] == list(token_ids.shape)
        assert result["token_ids"] == token_ids.tolist()
        np.testing.assert_allclose(result["scores"], scores, atol=1e-4)
        assert result["outputs"] == ["scores", "text", "token_ids"]


@pytest.fixture(scope="module")
def served(exported):
    return serve(exported, BATCHES)


@pytest.mark.full
def test_it_answers_as_the_task_does_without_the_package(task, served):
    check_same(served[0], task, BATCHES)
    assert len({text for part in served[0] for text in part["text"]}) > 11


@pytest.mark.full
def test_it_counts_on_standard_error_the_texts_it_cuts(task, served):
    encode = task.source_tokenizer.encode
    expected = []
    for texts in BATCHES:
        num_cut = sum(len(row) > 36 for row in encode(texts)) if texts else 0
        line = f"Cut {num_cut} of {len(texts)} texts to "
        # Each of the two signatures says so.
        expected += 2 * [line + "max_source_length=37 tokens."] * (num_cut > 0)
    lines = [line for line in served[1].splitlines() if "Cut" in line]
    assert lines == expected and len(lines) > 1


@pytest.mark.full
def test_it_holds_the_weights_and_nothing_of_the_training(saved, tmp_path):
    task = TextToText.load(saved)
    task.model.compile("adam", "sparse_categorical_crossentropy")
    task.model.optimizer.build(task.model.trainable_variables)
    task.export(tmp_path / "translator")
    names, files = zip(
        *(
            (str(path.relative_to(tmp_path / "translator")), path)
            for path in (tmp_path / "translator").rglob("*")
            if path.is_file()
        ),
        strict=True,
    )
    assert sorted(names) == [
        "fingerprint.pb",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    variables = tf.train.list_variables(
        str(tmp_path / "translator" / "variables" / "variables")
    )
    sizes = [np.prod(shape) for name, shape in variables if shape]
    assert sum(sizes) == task.model.count_params()
    assert sum(path.stat().st_size for path in files) < 3_000_000


def check_same_here(folder, task, tolerance=1e-5):
    import tensorflow_text  # noqa: F401, whose operations the graph has

    signature = tf.saved_model.load(str(folder)).signatures["token_ids"]
    for texts in (tiny.sentences(7), ["", "a red dog"], []):
        result = signature(text=tf.constant(texts, tf.string))
        token_ids, scores = task.generate(texts)
        np.testing.assert_array_equal(result["token_ids"], token_ids)
        np.testing.assert_allclose(result["scores"], scores, atol=tolerance)


@pytest.mark.full
def test_exporting_again_replaces_with_other_limits(
    saved, task, exported, tmp_path
):
    folder = shutil.copytree(exported, tmp_path / "translator")
    limits = {"min_length": 13, "no_repeat_ngram_size": 2}
    limited = TextToText.load(saved, **limits)
    limited.export(folder)
    check_same_here(folder, limited)
    assert os.listdir(tmp_path) == ["translator"]
    texts = tiny.sentences(7)
    assert (limited.generate(texts)[0] != task.generate(texts)[0]).any()


@pytest.mark.parametrize(
    "dtype",
    [
        pytest.param("mixed_bfloat16", marks=pytest.mark.full),
        pytest.param("mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_half_precision_is_exported(dtype, tmp_path):
    task = tiny.task({"dtype": dtype})
    task.export(tmp_path / "translator")
    check_same_here(tmp_path / "translator", task, tolerance=1e-3)


@pytest.mark.full
def test_a_recurrent_model_is_exported(tmp_path):
    options = {"attention_order": "before", "cell": "lstm"}
    task = tiny.task(options, make=tiny.recurrent_model)
    task.export(tmp_path / "translator")
    check_same_here(tmp_path / "translator", task)


def test_a_failed_export_leaves_what_was_there(task, tmp_path, monkeypatch):
    def fail(graph, folder, signatures):
        Path(folder, "saved_model.pb").write_text("half of it")
        raise OSError("No space left on device")

    old = tmp_path / "old" / "saved_model.pb"
    old.parent.mkdir()
    old.write_text("an earlier export")
    monkeypatch.setattr(tf.saved_model, "save", fail)
    for name in ("new", "old"):
        with pytest.raises(OSError, match="No space left"):
            task.export(tmp_path / name)
    assert os.listdir(tmp_path) == ["old"]
    assert old.read_text() == "an earlier export"


@pytest.mark.full
def test_a_folder_of_something_else_is_not_replaced(task, saved, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="something else"):
        task.export(tmp_path)
    with pytest.raises(ValueError, match="thesis.txt is a file, not a folder"):
        task.export(tmp_path / "thesis.txt")
    assert os.listdir(tmp_path) == ["thesis.txt"]
    with pytest.raises(ValueError, match="something else"):
        task.export(saved)
    assert TextToText.load(saved)


def test_without_tensorflow_text_it_says_what_to_install(
    task, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorflow_text", None)
    with pytest.raises(ImportError, match=r"tensorflow_text: pip .*\[export\]"):
        task.export(tmp_path / "translator")
    assert os.listdir(tmp_path) == []


@pytest.mark.full
def test_the_command_exports_a_saved_task(task, saved, tmp_path):
    folder = tmp_path / "translator"
    process = run(
        "-m", "keras_attention.tasks", saved, folder, PYTHONPATH=str(ROOT)
    )
    assert process.returncode == 0, process.stderr
    check_same_here(folder, task)


@pytest.mark.full
def test_the_command_ends_with_2_and_a_line_for_what_is_no_task(tmp_path):
    folder = tmp_path / "translator"
    process = run(
        "-m",
        "keras_attention.tasks",
        tmp_path / "nowhere",
        folder,
        PYTHONPATH=str(ROOT),
    )
    assert process.returncode == 2
    assert "Traceback" not in process.stderr
    assert "nowhere" in process.stderr.splitlines()[-1]
    assert os.listdir(tmp_path) == []


EXPORT = """
import sys
from keras_attention.tasks import TextToText
task = TextToText.load(sys.argv[1])
task.export(sys.argv[2])
try:
    task.export(sys.argv[1])
except ValueError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_export_too(task, saved, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    process = run(
        "-c",
        EXPORT,
        saved,
        tmp_path / "translator",
        cwd=tmp_path,
        KERAS_BACKEND=backend,
        PYTHONPATH=str(ROOT),
    )
    assert process.returncode == 0, process.stderr
    assert "something else" in process.stdout
    assert os.listdir(tmp_path) == ["translator"]
    batches = [tiny.sentences(3), []]
    check_same(serve(tmp_path / "translator", batches)[0], task, batches)


@pytest.mark.full
def test_a_model_that_copies_is_exported(tmp_path):
    task = tiny.task({"copy_generator": True})
    task.save(tmp_path / "task")
    TextToText.load(tmp_path / "task").export(tmp_path / "translator")
    check_same_here(tmp_path / "translator", task)
