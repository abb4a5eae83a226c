"""Puts small faults into a copy of the package, and runs its tests there.

    python tests/mutants.py [--jobs 2] [--list] [PART OF A NAME ...]

Each fault of `faults.py` must make its tests fail; one that survives is
reported, and the exit status is then 1. The checkout itself is not touched.
"""

import argparse
import ast
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.faults import FAULTS  # noqa: E402

COPIED = ["keras_attention", "recipes", "tests", "pyproject.toml", "README.md"]
# pytest's exit status where tests ran and failed, and where there were none.
FAILED, NONE = 1, 5


def changed_source(fault, root=ROOT):
    """The text of the fault's file with its line replaced.

    Raises:
        ValueError: if the function is not there, or does not hold the text
            exactly once.
    """
    source = (root / "keras_attention" / fault.path).read_text("utf-8")
    function = find_function(ast.parse(source), fault.function.split("."))
    if function is None:
        raise ValueError(f"{fault.name}: there is no such function.")
    lines = source.splitlines(keepends=True)
    first, last = function.lineno - 1, function.end_lineno
    body = "".join(lines[first:last])
    if body.count(fault.text) != 1:
        raise ValueError(
            f"{fault.name} holds {fault.text!r} {body.count(fault.text)} times."
        )
    body = body.replace(fault.text, fault.replacement)
    changed = "".join([*lines[:first], body, *lines[last:]])
    compile(changed, fault.path, "exec")
    return changed


def find_function(node, names):
    """The definition under a qualified name, or None."""
    for child in getattr(node, "body", []):
        if getattr(child, "name", None) == names[0]:
            rest = names[1:]
            return find_function(child, rest) if rest else child
    return None


def is_caught(fault):
    """Whether a test fails; what pytest printed.

    Raises:
        RuntimeError: if the tests could not be run at all.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "checkout"
        copy_to(root)
        path = root / "keras_attention" / fault.path
        path.write_text(changed_source(fault), "utf-8")
        # What takes long runs where the quick tests see nothing.
        for tier in ([], ["-m", "full"]):
            done = run_tests(root, fault.tests, tier)
            if done.returncode not in (0, NONE):
                break
    if done.returncode not in (0, FAILED, NONE):
        raise RuntimeError(f"{fault.name}\n{done.stdout}{done.stderr}")
    return done.returncode == FAILED, done.stdout


def copy_to(root):
    """Copies what the tests need; large data is only linked."""
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "runs")
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, root / name)
    data = ROOT.parent / "shared"
    if data.exists():
        (root.parent / "shared").symlink_to(data)


def run_tests(root, tests, tier):
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tier]
    paths = [str(pathlib.Path("tests") / test) for test in tests]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *paths],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="parts of faults' names")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="run nothing")
    options = parser.parse_args()
    chosen = [
        fault
        for fault in FAULTS
        if not options.names or any(n in fault.name for n in options.names)
    ]
    for fault in chosen:
        changed_source(fault)  # before any hour is spent
        if options.list:
            print(fault.name, *fault.tests)
    if options.list:
        return 0
    survivors = []

    def run(fault):
        start = time.time()
        caught, printed = is_caught(fault)
        by = next((s for s in printed.splitlines() if s[:6] == "FAILED"), "")
        print(
            f"{'caught' if caught else 'SURVIVED'} {fault.name} "
            f"{time.time() - start:.0f} s {by[:80]}",
            flush=True,
        )
        if not caught:
            survivors.append(fault.name)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run, chosen))
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} are caught.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
