"""Time and peak memory of reading a checkpoint, beside `transformers`.

    python recipes/benchmarks/reading.py

A GPT-2 of random weights is written once, about a gigabyte by default. Every
reading runs in a process of its own, in turn, with the file in the page cache;
its peak is its largest resident size less that before it, the model included.
Both then sum up their weights. On Linux alone.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro


@dataclasses.dataclass
class Settings:
    """What is measured."""

    num_layers: int = 16
    hidden_dim: int = 1024
    rounds: int = 5
    folder: str = ""
    """Where the checkpoint is; a temporary folder by default."""
    case: str = ""
    """Reads once in this process: keras_attention or transformers."""


def write(settings, folder):
    """Writes the checkpoint and gives the size of its file."""
    from keras_attention import CausalLM

    name = folder / "sizes"
    name.mkdir()
    entries = {
        "model_type": "gpt2",
        "n_embd": settings.hidden_dim,
        "n_layer": settings.num_layers,
        "n_head": settings.hidden_dim // 64,
    }
    (name / "config.json").write_text(json.dumps(entries))
    model = CausalLM.from_preset(name, load_weights=False)
    model.to_huggingface(folder)
    return (folder / "model.safetensors").stat().st_size


def run_case(settings):
    """Reads once and prints seconds and peak as JSON."""
    if settings.case == "transformers":
        from transformers import GPT2LMHeadModel as model_class

        read = model_class.from_pretrained
    else:
        import keras

        from keras_attention import CausalLM

        read = CausalLM.from_preset
        # What a backend sets up once is not the reading's.
        small = {"num_layers": 1, "vocabulary_size": 11}
        CausalLM.from_preset("gpt2", load_weights=False, **small)
    before = _kibibytes("VmRSS")
    began = time.perf_counter()
    model = read(settings.folder)
    # `transformers` leaves the numbers in the file until they are used.
    if settings.case == "transformers":
        sums = [float(x.detach().sum()) for x in model.parameters()]
    else:
        sums = [float(keras.ops.sum(x)) for x in model.weights]
    seconds = time.perf_counter() - began
    peak = _kibibytes("VmHWM") - before
    result = {"seconds": seconds, "peak_mib": peak / 1024, "sum": sum(sums)}
    print(json.dumps(result))


def _kibibytes(name):
    """A figure of this process' memory, as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(x for x in lines if x.startswith(name)).split()[1])


def main(settings):
    """Reads in turn and prints medians and ratios."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(settings.folder or temporary)
        size = write(settings, folder) / 2**20
        print(f"model.safetensors: {size:.0f} MiB")
        results = {"keras_attention": [], "transformers": []}
        for _ in range(settings.rounds):
            for case, found in results.items():
                options = ["--case", case, "--folder", str(folder)]
                command = [sys.executable, __file__, *options]
                output = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True
                ).stdout
                found.append(json.loads(output.splitlines()[-1]))
    for figure, unit in (("seconds", "s"), ("peak_mib", "MiB")):
        medians = {
            case: statistics.median(x[figure] for x in found)
            for case, found in results.items()
        }
        for case, median in medians.items():
            print(f"{case:16} {median:9.2f} {unit}")
        ratio = medians["keras_attention"] / medians["transformers"]
        print(f"keras_attention takes {ratio:.2f} of that of transformers")
    peaks = [x["peak_mib"] for x in results["keras_attention"]]
    print(f"peak over the file: {statistics.median(peaks) / size:.2f}")


if __name__ == "__main__":
    chosen = tyro.cli(Settings)
    run_case(chosen) if chosen.case else main(chosen)
