"""The curves of a run: what its log says, epoch by epoch, as a picture."""

from keras_attention import optional
from keras_attention.training.logs import read_csv_log

_COUNTS = ("val_tokens", "val_examples")  # the same in every epoch


def plot_curves(log, picture):
    """Draws the columns of a CSV log that come with validation.

    Args:
        log: path of a CSV file with a column `epoch`.
        picture: path of the PNG file to write.
    """
    purpose = "The picture of a run's curves"
    optional.load("matplotlib", purpose).use("Agg")
    pyplot = optional.load("matplotlib.pyplot", purpose)
    columns, rows = read_csv_log(log)
    epochs = [int(row["epoch"]) + 1 for row in rows]
    panels = sorted(
        name.removeprefix("val_")
        for name in columns
        if name.startswith("val_") and name not in _COUNTS
    )
    figure, axes = pyplot.subplots(
        1, max(len(panels), 1), figsize=(4 * max(len(panels), 1), 3)
    )
    for axis, panel in zip(_flat(axes), panels, strict=False):
        for name, label in (
            (panel, "training"),
            (f"val_{panel}", "validation"),
        ):
            if name in columns:
                values = [row[name] for row in rows]
                axis.plot(epochs, values, label=label)
        axis.set_title(panel)
        axis.set_xlabel("epoch")
        axis.legend()
    figure.tight_layout()
    figure.savefig(picture, dpi=120)
    pyplot.close(figure)


def _flat(axes):
    return axes.ravel() if hasattr(axes, "ravel") else [axes]
