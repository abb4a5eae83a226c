"""Time and peak memory of every flavour as the sequence grows.

    python recipes/benchmarks/attention_length.py
    python recipes/benchmarks/attention_length.py --rounds 3 --lengths 16384 \
        --flavours multi_head sliding_window linear

Forward, and forward with backward, of each flavour without its projections,
compiled, one sequence a batch. Every flavour runs in a process of its own; the
processes take turns. Prints a table in Markdown with the slope of time and
memory, writes `attention_length.json` and, on axes that are both logarithmic,
`attention_length.png` to `--output`.
"""

import collections
import dataclasses
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys

import tyro

ALSO_LONG = (
    *("sliding_window", "linear", "efficient", "performer", "cosformer"),
    *("retention", "gated_linear", "gated_delta"),
)
FIGURES = ("forward_seconds", "training_seconds", "forward_mib", "training_mib")


@dataclasses.dataclass
class Settings:
    """What is measured."""

    flavours: tuple[str, ...] = ()
    """Registered names; all by default."""
    lengths: tuple[int, ...] = (512, 1024, 2048, 4096, 8192, 16384)
    long: bool = False
    """Adds 32,768 to 131,072 for the linear and window families."""
    num_heads: int = 4
    head_dim: int = 64
    causal: bool = False
    """Causal where a flavour can be."""
    jit: bool = False
    """Whether TensorFlow compiles with XLA."""
    rounds: int = 1
    """Processes of each flavour."""
    seconds: float = 2.0
    """How long a figure is repeated for its median."""
    limit: float = 60.0
    """A flavour goes no further where the next step would take longer."""
    output: str = "runs/attention_length"
    case: str = ""
    """Measures this flavour in this process."""


def main(settings):
    """Measures the flavours in turn and reports."""
    from keras_attention import attention

    described = attention.describe()
    names = settings.flavours or [
        name for name in described if described[name]["kind"] != "pointer"
    ]
    for name in names:
        if name not in described:
            raise SystemExit(
                f"Unknown flavour {name}. Known: {', '.join(described)}"
            )
    found, failed = collections.defaultdict(list), set()
    for _ in range(settings.rounds):
        for name in names:
            for result in _in_a_process(name, settings, failed):
                found[name, result["length"]].append(result)
                print(json.dumps(result), file=sys.stderr, flush=True)
    medians = {
        name: {
            length: {
                figure: statistics.median(r[figure] for r in results)
                for figure in FIGURES
            }
            for (other, length), results in found.items()
            if other == name
        }
        for name in names
    }
    folder = pathlib.Path(settings.output)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "attention_length.json"
    path.write_text(json.dumps({"settings": vars(settings), "found": medians}))
    print(table(medians))
    draw(medians, folder / "attention_length.png")
    print(f"Written: {path} and {path.with_suffix('.png')}")
    if failed:
        raise SystemExit(f"Failed: {', '.join(sorted(failed))}")


def _in_a_process(name, settings, failed):
    lengths = settings.lengths
    if settings.long and name in ALSO_LONG:
        lengths = (*lengths, 32768, 65536, 131072)
    command = [sys.executable, __file__, *_flags(settings), "--case", name]
    command += ["--lengths", *map(str, lengths)]
    # Freed memory goes back at once, so that a peak is that of one step.
    thresholds = {
        "MALLOC_TRIM_THRESHOLD_": "0",
        "MALLOC_MMAP_THRESHOLD_": "65536",
    }
    done = subprocess.run(
        command,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, **thresholds},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        print(f"{name} failed:\n{done.stderr[-2000:]}", file=sys.stderr)
        failed.add(name)
    lines = done.stdout.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _flags(settings):
    flags = []
    for name in ("num_heads", "head_dim", "seconds", "limit"):
        flags += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
    for name in ("causal", "jit"):
        flags += [f"--{name}" if getattr(settings, name) else f"--no-{name}"]
    return flags


def table(medians):
    """Renders a table in Markdown: figures at one length, slopes, ratios.

    Args:
        medians: dictionary from flavour to length to figures. Rows stand at
            the longest that exact attention reached, or else the first; the
            ratio of the time is to it.

    Returns:
        A string.
    """
    rows = [
        "| flavour | length | forward | + backward | peak | time ~ n^ "
        "| memory ~ n^ | times as fast | longest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    first = medians.get("multi_head") or next(iter(medians.values()))
    for name, lengths in medians.items():
        if not lengths:
            continue
        length = max(set(lengths) & set(first) or lengths)
        figures = lengths[length]
        speed = ""
        if length in first:
            speed = first[length]["training_seconds"]
            speed /= figures["training_seconds"]
            speed = f"{speed:.2f}" if speed < 1 else f"{speed:.1f}"
        slopes = [
            _slope(lengths, figure)
            for figure in ("training_seconds", "training_mib")
        ]
        rows.append(
            f"| `{name}` | {length:,} | {figures['forward_seconds']:.3f} s "
            f"| {figures['training_seconds']:.3f} s "
            f"| {figures['training_mib']:,.0f} MiB | {slopes[0]} "
            f"| {slopes[1]} | {speed} | {_longest(lengths, length)} |"
        )
    return "\n".join(rows)


def _longest(lengths, shown):
    longest = max(lengths)
    if longest == shown:
        return ""
    figures = lengths[longest]
    return (
        f"{longest:,}: {figures['training_seconds']:.2f} s, "
        f"{figures['training_mib']:,.0f} MiB"
    )


def _slope(lengths, figure, short=4096, long=16384):
    """The power of the length that a figure follows between two lengths."""
    if short not in lengths or long not in lengths:
        return ""
    ratio = lengths[long][figure] / max(lengths[short][figure], 1e-9)
    return f"{math.log(max(ratio, 1e-9)) / math.log(long / short):.2f}"


def draw(medians, path):
    """Draws time and peak memory against length.

    Args:
        medians: dictionary from flavour to length to figures.
        path: a PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(16, 9))
    colours = pyplot.get_cmap("tab20")
    for index, (name, lengths) in enumerate(medians.items()):
        style = {
            "color": colours(index % 20),
            "linestyle": ("-", "--", ":")[index // 20],
            "marker": ".",
            "label": name,
        }
        for axis, entry in zip(
            axes, ("training_seconds", "training_mib"), strict=True
        ):
            points = sorted(lengths)
            axis.loglog(points, [lengths[n][entry] for n in points], **style)
    for axis, label in zip(
        axes, ("seconds, forward and backward", "peak MiB"), strict=True
    ):
        axis.set_xlabel("length")
        axis.set_ylabel(label)
        axis.grid(True, which="major", alpha=0.3)
    axes[1].legend(
        fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5)
    )
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    chosen = tyro.cli(Settings)
    if chosen.case:
        from attention_case import run

        run(chosen)
    else:
        main(chosen)
