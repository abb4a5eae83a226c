"""Which combinations of parameters run by default."""


def parameters(item):
    """What a test is run with.

    Args:
        item: a collected test that is parametrized.

    Returns:
        A dictionary from the names that are given together to something that
        is the same for the same values.
    """
    groups = [
        split_names(mark.args[0]) for mark in item.iter_markers("parametrize")
    ]
    given = {name for names in groups for name in names}
    values = item.callspec.params
    groups += [(name,) for name in values if name not in given]  # fixtures'
    return {
        names: tuple(id(values[name]) for name in names) for names in groups
    }


def split_names(names):
    """The names of `pytest.mark.parametrize` as a tuple."""
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    return tuple(names)


def covering(combinations):
    """Chooses combinations in which every value of each parameter occurs.

    Each step takes the first of those that add most.

    Args:
        combinations: list of dictionaries from a parameter to its value.

    Returns:
        A set of places in the list.
    """
    parts = [set(combination.items()) for combination in combinations]
    missing, chosen = set().union(*parts), set()
    while missing:
        added = [len(part & missing) for part in parts]
        best = added.index(max(added))
        missing -= parts[best]
        chosen.add(best)
    return chosen
