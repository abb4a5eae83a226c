"""Names of the classes of a published classifier."""

# Entries of a `config.json` that hold them.
LABELS = ("id2label", "label2id")
# Those that go with the number of classes.
OF_CLASSES = (*LABELS, "problem_type")


def number(entries):
    """How many classes a classifier tells apart.

    Args:
        entries: dictionary or a `Configuration`.

    Returns:
        Integer.
    """
    names = entries.get("id2label")
    if names:
        return len(names)
    count = entries.get("num_labels")
    return 2 if count is None else count


def names(entries):
    """The names of the classes in the order of logits.

    Args:
        entries: as of `number`.

    Returns:
        List of strings; None where there are none, or not one for each.
    """
    given = entries.get("id2label")
    if not isinstance(given, dict):
        return None
    by_place = {str(place): str(name) for place, name in given.items()}
    places = [str(place) for place in range(len(given))]
    if not given or set(places) != set(by_place):
        return None
    return [by_place[place] for place in places]


def changes(entries, count, labels):
    """What other classes change in a `config.json`.

    Args:
        entries: dictionary, its content.
        count: integer, the number of classes.
        labels: list of as many strings, or None.

    Returns:
        Dictionary of entries, None for those that go.
    """
    known = number(entries)
    if count == known and labels == names(entries):
        return {}
    changed = dict.fromkeys(LABELS)
    if count != known:
        changed["num_labels"] = count
        if 1 in (count, known):  # a number is no class
            changed["problem_type"] = None
    if labels is not None:
        changed["id2label"] = {str(i): x for i, x in enumerate(labels)}
        changed["label2id"] = {x: i for i, x in enumerate(labels)}
    elif entries.get("id2label"):  # which said it
        changed["num_labels"] = count
    return changed


def without_gone(entries):
    """Leaves out entries that other classes have removed."""
    return {n: x for n, x in entries.items() if n not in OF_CLASSES or x}


def renamed(entries, count, labels):
    """The content of a `config.json` with other classes; see `changes`."""
    return without_gone({**entries, **changes(entries, count, labels)})
