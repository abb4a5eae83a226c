"""The console command, from a checkout and from a wheel."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib

import pytest

from keras_attention import command
from tests.tools import ROOT

RECIPES = ("classification", "summarization", "translation", "word_vectors")
TOY = '''"""Says what it was given.

It does nothing else.
"""

import sys

import toy_neighbour

if __name__ == "__main__":
    print(toy_neighbour.NAME, __name__, *sys.argv[1:])
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder of recipes with one, `toy_recipe`, and a file beside it."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "toy_recipe.py").write_text(TOY, "utf-8")
    (folder / "toy_neighbour.py").write_text('NAME = "beside"\n', "utf-8")
    monkeypatch.setattr(command, "_CHECKOUT", folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["keras-attention"])
    yield folder / "toy_recipe.py"
    sys.modules.pop("toy_neighbour", None)


def refused(capsys, *arguments):
    """The one line that the command ends with."""
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    found = capsys.readouterr()
    assert stop.value.code == 2 and found.out == ""
    assert found.err.startswith("error: ") and found.err.count("\n") == 1
    return found.err


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_the_recipes_with_their_first_lines(arguments, capsys):
    command.main(arguments)
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[0]: line for line in lines[-len(RECIPES) :]}
    assert tuple(listed) == RECIPES
    assert listed["translation"].endswith(
        "Trains, evaluates, runs and exports a model that translates."
    )


def test_a_recipe_runs_as_a_script_with_its_own_arguments(toy, capsys):
    command.main(["toy_recipe", "train", "--help"])
    assert capsys.readouterr().out == "beside __main__ train --help\n"


def test_a_hyphen_stands_for_an_underscore(toy, capsys):
    command.main(["toy-recipe"])
    assert capsys.readouterr().out == "beside __main__\n"


def test_the_arguments_are_those_of_the_process(toy, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["keras-attention", "toy_recipe", "a b"])
    command.main()
    assert capsys.readouterr().out == "beside __main__ a b\n"


def test_a_fault_of_a_recipe_keeps_its_traceback(toy):
    toy.write_text(TOY.replace("toy_neighbour.NAME", "int('x')"), "utf-8")
    with pytest.raises(ValueError, match="invalid literal"):
        command.main(["toy_recipe"])


def test_what_a_recipe_lacks_is_named_with_the_extra(toy, capsys, monkeypatch):
    toy.write_text("import tyro\n" + TOY, "utf-8")
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert refused(capsys, "toy_recipe", "train") == (
        "error: The recipe toy_recipe needs the package tyro: "
        'pip install "keras-attention-zoo[recipes]"\n'
    )


def test_an_unknown_recipe_is_answered_with_the_nearest(capsys):
    line = refused(capsys, "tranlsation", "train")
    assert "'tranlsation'. Did you mean 'translation'?" in line
    assert all(name in line for name in (*RECIPES, "copy"))
    assert "Did you mean 'copy'?" in refused(capsys, "copi", "translation")
    line = refused(capsys, "../x\n")
    assert "Did you mean" not in line and "Known: " in line


def test_a_copy_is_the_file_itself_in_a_folder_made_for_it(tmp_path, capsys):
    folder = tmp_path / "mine" / "too"
    command.main(["copy", "word-vectors", str(folder)])
    source = ROOT / "recipes" / "word_vectors.py"
    assert os.listdir(folder) == [source.name]
    assert (folder / source.name).read_bytes() == source.read_bytes()
    assert str(folder / source.name) in capsys.readouterr().out


def test_a_copy_goes_where_one_is_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command.main(["copy", "translation"])
    assert os.listdir(tmp_path) == ["translation.py"]


def test_a_copy_never_replaces_a_file(tmp_path, capsys):
    mine = tmp_path / "translation.py"
    mine.write_text("mine", "utf-8")
    line = refused(capsys, "copy", "translation", str(tmp_path))
    assert f"{mine} is there already" in line
    assert mine.read_text("utf-8") == "mine"


def test_what_cannot_be_copied_is_refused(tmp_path, capsys):
    line = refused(capsys, "copy", "summarisation", str(tmp_path))
    assert "Did you mean 'summarization'?" in line and "copy" not in line
    assert "recipe" in refused(capsys, "copy")
    assert "--help" in refused(capsys, "copy", "translation", "a", "b")
    (tmp_path / "file").write_text("", "utf-8")
    assert "file" in refused(
        capsys, "copy", "translation", str(tmp_path / "file")
    )
    assert os.listdir(tmp_path) == ["file"]


def test_without_recipes_it_says_where_it_looked(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "_CHECKOUT", tmp_path)
    assert str(tmp_path) in refused(capsys, "--help")


def test_the_recipes_of_a_wheel_come_first(toy, tmp_path, monkeypatch):
    installed = tmp_path / "_recipes"
    installed.mkdir()
    shutil.copy(toy, installed / "other.py")
    monkeypatch.setattr(command, "_INSTALLED", installed)
    assert command.find_recipes() == {"other": installed / "other.py"}


@pytest.mark.full
def test_a_recipe_of_the_checkout_starts(tmp_path):
    """As after an editable install, from any folder."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    scripts = tomllib.loads(text)["project"]["scripts"]
    assert scripts == {"keras-attention": "keras_attention.command:main"}
    pytest.importorskip("tyro")
    pytest.importorskip("sacrebleu")
    code = "from keras_attention.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "translation", "train", "--epoch", "x"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "--epochs" in done.stdout + done.stderr


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(request, tmp_path_factory):
    """The `keras-attention` of an environment with this package alone."""
    for builder in ("hatchling", "editables"):
        pytest.importorskip(builder, reason="builds what is installed")
    folder = tmp_path_factory.mktemp(request.param)
    environment = folder / "venv"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", environment], check=True
    )
    paths = {"base": str(environment), "platbase": str(environment)}
    python = environment / os.path.relpath(sys.executable, sys.prefix)
    site = sysconfig.get_path("purelib", "venv", paths)
    with open(os.path.join(site, "others.pth"), "w") as file:
        found = [path for path in sys.path if "site-packages" in path]
        file.write("\n".join(found) + "\n")
    source = [str(ROOT)] if request.param == "wheel" else ["-e", str(ROOT)]
    # Without the network: neither dependencies nor a place to build in.
    pip = [sys.executable, "-m", "pip", "--python", python, "install"]
    pip += ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--ignore-installed", *source], check=True)
    return os.path.join(
        sysconfig.get_path("scripts", "venv", paths), "keras-attention"
    )


@pytest.mark.slow
def test_an_installed_command_copies_and_trains(installed, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [installed, *arguments],
            env={x: y for x, y in os.environ.items() if x != "PYTHONPATH"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    done = run("--help")
    assert done.returncode == 0, done.stderr
    assert all(f"\n  {name} " in done.stdout for name in RECIPES)
    done = run("copy", "translation", "mine")
    assert done.returncode == 0, done.stderr
    source = ROOT / "recipes" / "translation.py"
    copied = tmp_path / "mine" / "translation.py"
    assert copied.read_bytes() == source.read_bytes()
    tiny = "--num-layers 1 --hidden-dim 16 --num-heads 2 --tokens 512"
    tiny += " --intermediate-dim 32 --steps 3 --bleu-sentences 0 --show 0"
    done = run("translation", "train", *tiny.split())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "translation" / "task").is_dir()
