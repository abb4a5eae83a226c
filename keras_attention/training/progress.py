"""How training goes, in lines for people."""

import math
import sys
import time

import keras

_NAMES = {"bleu": "BLEU", "chrf": "chrF", "lr": "learning rate"}
_SHARES = {"accuracy"}
_PER_SECOND = "_per_second"
_IN_A_LINE = ("loss", "accuracy", "perplexity")  # within an epoch
_REWRITTEN_EVERY = 0.2  # seconds, on a terminal


class Progress(keras.callbacks.Callback):
    """Prints a line for each epoch, and within an epoch what is left of it.

    On a terminal the line within an epoch is rewritten; elsewhere, in a file
    for example, there is a new one a minute. Use it with `fit(verbose=0)`, and
    place it behind the callbacks that add to the logs.

    Args:
        every: seconds between the lines within an epoch where there is no
            terminal.
        stream: where to, an open text file; standard output by default.

    Example:

    ```python
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(
        np.zeros((8, 3)),
        np.zeros((8, 1)),
        verbose=0,
        callbacks=[keras_attention.training.Progress()],
    )
    ```
    """

    def __init__(self, every=60.0, stream=None):
        super().__init__()
        self.every = every
        self.stream = stream

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1
        self._begun = self._told = time.perf_counter()
        self._batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self._batches += 1
        now = time.perf_counter()
        if self._batches == 1:
            self._first = now  # in which the step was compiled
        pause = _REWRITTEN_EVERY if self._on_terminal() else self.every
        if now - self._told >= pause:
            self._told = now
            self._write(self._within(now, logs or {}), is_final=False)

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self._begun
        parts = [span(seconds), *describe_logs(logs or {})]
        self._write(f"{self._title()}: {', '.join(parts)}", is_final=True)

    def _title(self):
        epochs = self.params.get("epochs") or 0
        of = f" of {epochs}" if epochs >= self._epoch else ""
        return f"Epoch {self._epoch}{of}"

    def _within(self, now, logs):
        batches = self.params.get("steps")
        done = f"batch {self._batches:,}"
        parts = [done]
        if batches:
            parts = [f"{done} of {batches:,}"]
            if self._batches > 1:
                pace = (now - self._first) / (self._batches - 1)
                left = max(batches - self._batches, 0) * pace
                parts.append(f"{span(left)} left")
        chosen = {x: logs[x] for x in _IN_A_LINE if x in logs}
        return f"{self._title()}: {', '.join([*parts, *describe_logs(chosen)])}"

    def _on_terminal(self):
        stream = self.stream or sys.stdout
        return bool(getattr(stream, "isatty", lambda: False)())

    def _write(self, line, is_final):
        stream = self.stream or sys.stdout
        if not self._on_terminal():
            print(line, file=stream, flush=True)
            return
        # Back to the beginning, and away with what a longer line has left.
        end = "\n" if is_final else ""
        print(f"\r\x1b[K{line}", end=end, file=stream, flush=True)


def describe_logs(logs):
    """Says what Keras has logged as people would.

    Args:
        logs: dictionary of numbers, as callbacks get it.

    Returns:
        List of strings; what is of validation comes last.
    """
    ours = {n: x for n, x in logs.items() if not n.startswith("val_")}
    theirs = {n: x for n, x in logs.items() if n not in ours}
    parts = [describe_number(name, value) for name, value in ours.items()]
    parts += [
        f"validation {describe_number(name.removeprefix('val_'), value)}"
        for name, value in theirs.items()
        if name.removeprefix("val_") not in _counted(logs)
    ]
    return parts


def _counted(logs):
    """What is counted rather than measured: it has a rate beside it."""
    return {
        name.removesuffix(_PER_SECOND)
        for name in logs
        if name.endswith(_PER_SECOND)
    }


def describe_number(name, value):
    """Says what a logged number is, as people would.

    Args:
        name: as Keras logs it, such as `"tokens_per_second"`.
        value: number.

    Returns:
        A string.
    """
    value = float(value)
    if name.endswith(_PER_SECOND):
        what = name.removesuffix(_PER_SECOND).replace("_", " ")
        return f"{value:,.0f} {what} a second"
    title = _NAMES.get(name, name.replace("_", " "))
    if name in _SHARES:
        return f"{title} {value:.2%}"
    if value.is_integer() and math.isfinite(value) and name != "loss":
        return f"{title} {value:,.0f}"
    return f"{title} {value:.4g}"


def span(seconds):
    """Writes a span of time: `0.4 s`, `12 s`, `3 min 05 s` or `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, seconds = divmod(whole, 60)
    if not minutes:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {seconds:02} s"
    return f"{hours} h {minutes:02} min"
