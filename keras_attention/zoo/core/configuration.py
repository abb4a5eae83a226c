"""A published `config.json`: what a family reads of it, and refuses."""

import math
import re

from keras_attention.checks import did_you_mean, is_real

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Configuration:
    """The entries of a `config.json`, which are attributes.

    Args:
        name: what the file is called in error messages.
        entries: dictionary.
        names: dictionary from what the file calls an entry to what it is
            called here.
        changes: dictionary of entries that differ from those of the file.
    """

    def __init__(self, name, entries, names=(), changes=()):
        self.name = name
        self.entries = {**entries, **dict(changes)}
        self.changes = dict(changes)
        self._stored = entries
        self._written = {here: there for there, here in dict(names).items()}
        self._read = {}

    def written(self, name):
        """What the file calls an entry."""
        return self._written.get(name, name)

    def stored(self, name):
        """Gives an entry as it was for the weights of the file."""
        return self._stored[name]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self.entries:
            raise ValueError(f"{self.name} lacks {self.written(name)}.")
        if self.entries[name] is None and name not in self.changes:
            raise ValueError(
                f"{self.name} has {self.written(name)}=None, which its models "
                "need."
            )
        return self._note(name)

    def get(self, name, default=None):
        """Gives an entry that may be missing or None."""
        value = self._note(name)
        return default if value is None else value

    def _note(self, name):
        """Gives an entry, and notes that a model was made of it."""
        value = self._read[name] = self.entries.get(name)
        return value

    def quoted_in(self, message):
        """Finds the entries of which an error speaks.

        Args:
            message: string, which quotes values by names of arguments.

        Returns:
            `"entry=value, ..."`, those that were read and have these values.
        """
        received = message.split("Received:")[-1]
        numbers = {float(number) for number in _NUMBER.findall(received)}
        found = {
            name: f"{self.written(name)}={value!r}"
            for name, value in self._read.items()
            if (is_real(value) and value in numbers)
            or (isinstance(value, str) and repr(value) in received)
        }
        # An id is seldom what an error is about.
        likely = [x for name, x in found.items() if not name.endswith("_id")]
        return ", ".join(likely or found.values())

    def check_types(self, defaults):
        """Refuses entries of another type than their defaults.

        Args:
            defaults: dictionary by the names of entries here. Where one is a
                whole number, a list may stand in its place.

        Raises:
            ValueError: for the first one; for a number that is negative or
                not finite, unless it is an id; and for a dropout of 1.
        """
        for name, default in defaults.items():
            value = self._stored.get(name)
            if value is None or default is None:
                continue
            expected = _unlike(name, value, default)
            if expected:
                raise ValueError(
                    f"{self.name} has {self.written(name)}={value!r}; it must "
                    f"be {expected}."
                )

    def choose(self, name, known):
        """Translates an entry.

        Args:
            name: of the entry.
            known: dictionary from its values to what they stand for.

        Returns:
            What the value stands for.

        Raises:
            ValueError: for a value that is not known.
        """
        value = self._note(name)
        if value not in known:
            raise ValueError(
                f"{self.name} has {self.written(name)}={value!r}; known are "
                f"{', '.join(map(repr, known))}.{did_you_mean(value, known)}"
            )
        return known[value]

    def refuse_unless(self, **expected):
        """Refuses entries of which no part can make anything.

        Args:
            **expected: by the name of an entry the value that alone can be
                honoured, or a tuple of those.

        Raises:
            ValueError: for the first other value.
        """
        for name, values in expected.items():
            if not isinstance(values, tuple):
                values = (values,)
            value = self.entries.get(name, values[0])
            if value not in values:
                raise ValueError(
                    f"{self.name} has {self.written(name)}={value!r}, which "
                    "this library cannot honour; it can only be "
                    f"{' or '.join(map(repr, values))}."
                )


def _unlike(name, value, default):
    """What an entry must be, where it is not like its default."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, str):
        return "" if isinstance(value, str) else "a string"
    if isinstance(default, int):
        if isinstance(value, list):
            return ""
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if name.endswith("_id"):
            return "" if is_integer else "an integer"
        return "" if is_integer and value >= 0 else "an integer of 0 or more"
    if isinstance(default, float):
        most = 1.0 if "drop" in name else math.inf
        valid = is_real(value) and 0 <= value < most
        below = " and below 1" if most == 1 else ""
        return "" if valid else f"a number of 0 or more{below}"
    return ""
