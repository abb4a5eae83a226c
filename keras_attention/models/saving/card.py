"""Model cards: the README.md of a folder, as Hugging Face reads it."""

import hashlib
import json
import math
import sys

from keras_attention import files
from keras_attention.models.saving.card_tables import table, tables_of

CARD = "README.md"
_FENCE = "---\n"
_METRICS, _SCORES = "\nmetrics:", "\n## Scores\n\n"
_SEAL = "# Written by keras_attention, and kept as it is once edited: "


def write_card(
    path,
    earlier,
    model,
    use,
    *,
    title=None,
    pipeline_tag=None,
    rows=(),
    training=None,
    scores=None,
):
    """Writes the card of a saved model, unless somebody has edited it.

    A card of ours has a digest of its text in a comment. One without it, or
    with another text, is somebody's, and stays; standard error says so.

    Args:
        path: `pathlib.Path` of the new card, in a folder yet to take its
            place.
        earlier: `pathlib.Path` of the card whose place it will take.
        model: the model.
        use: string, Python code that loads it.
        title: string; the class of the model by default.
        pipeline_tag: string, what Hugging Face calls its use, or None.
        rows: further rows of the first table, pairs of strings.
        training: as of `save_to_preset`.
        scores: as of `save_to_preset`.

    Raises:
        ValueError: if `training` or `scores` is of another kind.
    """
    text = make_card(model, use, title, pipeline_tag, rows, training, scores)
    content = seal(text).encode()
    if earlier.is_file() and _is_edited(old := earlier.read_bytes()):
        content = old
    path.write_bytes(content)


def add_scores(path, scores):
    """Adds scores to a card, unless there is none or it has been edited.

    Args:
        path: `pathlib.Path` of the card.
        scores: as of `save_to_preset`; they take the place of earlier ones
            of the same names.
    """
    _check(None, scores)
    if not path.is_file() or _is_edited(content := path.read_bytes()):
        return
    first, _, *lines = content.decode().split("\n")  # without the seal
    head, fence, body = "\n".join([first, *lines]).partition(f"\n{_FENCE}")
    head, is_scored, _ = head.partition(_METRICS)
    found = {}
    if is_scored:
        body, _, rows = body.rpartition(_SCORES)
        cells = [row[2:-2].rpartition(" | ") for row in rows.splitlines()[2:]]
        found = {name.replace("\\|", "|"): value for name, _, value in cells}
    text = _with_scores(head + fence + body, {**found, **_shown(scores)})
    with files.replacing(path) as partial:
        partial.write_bytes(seal(text).encode())


def make_card(model, use, title, pipeline_tag, rows, training, scores):
    """Makes the text of a card; see `write_card`."""
    _check(training, scores)
    head = ["library_name: keras", "tags:", "- keras", "- keras_attention"]
    if pipeline_tag is not None:
        head.insert(1, f"pipeline_tag: {pipeline_tag}")
    parts = [
        "\n".join([_FENCE.strip(), *head, _FENCE.strip()]),
        f"# {title or type(model).__name__}",
        "## How to load it",
        "From the folder that holds this one, or with the path of this one:",
        f"```python\n{use}\n```",
        "## Architecture",
        *tables_of(model, rows),
    ]
    if training:
        parts += ["## Training", _told(training)]
    return _with_scores("\n\n".join(parts) + "\n", _shown(scores or {}))


def import_line(cls):
    """Gives the import of a class, from the first package that names it."""
    parts = cls.__module__.split(".")
    homes = [".".join(parts[: n + 1]) for n in range(len(parts))]
    home = next(
        (
            x
            for x in homes
            if getattr(sys.modules.get(x), cls.__name__, 0) is cls
        ),
        cls.__module__,
    )
    return f"from {home} import {cls.__name__}"


def seal(text):
    """Adds a comment with the digest of a card to its front matter."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(_FENCE, f"{_FENCE}{_SEAL}{digest}\n", 1)


def is_ours(content):
    """Whether the bytes of a card are as `seal` left them."""
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError:
        return False
    if len(lines) < 2 or not lines[1].startswith(_SEAL):
        return False
    return seal("\n".join([lines[0], *lines[2:]])).encode() == content


def _is_edited(content):
    """Whether a card is somebody's, which standard error then says."""
    if is_ours(content):
        return False
    print(
        f"{CARD} has been edited and is kept. Move it away for a new one.",
        file=sys.stderr,
    )
    return True


def _shown(scores):
    return {name: f"{number:.6g}" for name, number in scores.items()}


def _with_scores(text, scores):
    """Names the metrics in the front matter and ends with their table."""
    if not scores:
        return text
    # Strings of JSON are strings of YAML.
    names = "".join(f"\n- {json.dumps(name)}" for name in scores)
    end = f"\n{_FENCE}"
    text = text.replace(end, f"{_METRICS}{names}{end}", 1)
    return f"{text}{_SCORES}{table(('metric', 'value'), scores.items())}\n"


def _told(training):
    if isinstance(training, str):
        return training.strip()
    return table(("setting", "value"), training.items())


def _check(training, scores):
    if training is not None and not isinstance(training, (str, dict)):
        raise ValueError(
            "`training` must be a text or a dictionary. Received: "
            f"training={training!r}"
        )
    if scores is None:
        return
    if not isinstance(scores, dict) or not all(
        isinstance(name, str) and _is_number(x) for name, x in scores.items()
    ):
        raise ValueError(
            "`scores` must be a dictionary from names to numbers. Received: "
            f"scores={scores!r}"
        )


def _is_number(value):
    try:
        return not math.isnan(float(value)) and not isinstance(value, str)
    except (TypeError, ValueError):
        return False
