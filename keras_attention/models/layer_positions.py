"""Positional encodings that differ from block to block."""

import contextlib

from keras_attention import positions
from keras_attention.positions.base import PositionHooks
from keras_attention.registry import describe


class LayerPositions(PositionHooks):
    """A list of encodings that is cycled over the blocks of a model.

    It stands where a model has one encoding for all blocks and answers for
    all of them. It is no layer: those that blocks share are theirs. Parts of
    equal configuration are one encoding, as are those of blocks without a
    list.

    Args:
        parts: list of names, configurations, templates or None.
        **defaults: constructor arguments for what these leave open.

    Raises:
        ValueError: for an empty list, or an encoding that is added to
            embeddings, which all blocks share.
    """

    built = True
    weights = ()  # those of its encodings are counted with the blocks
    shared = True
    skips_padding = False

    def __init__(self, parts, **defaults):
        if not parts:
            raise ValueError("A list of positions holds one at least.")
        self._defaults = defaults
        # Distinct ones, and which of them each part of the list is.
        self._descriptions, self._places = [], []
        for part in map(describe, parts):
            if part not in self._descriptions:
                self._descriptions.append(part)
            self._places.append(self._descriptions.index(part))
        self._encodings = [
            positions.get(part, name=f"position_{index}", **defaults)
            for index, part in enumerate(self._descriptions)
        ]
        for encoding in self._encodings:
            if encoding.acts_on_embeddings:
                raise ValueError(
                    f"{type(encoding).__name__} is added to embeddings, once "
                    "for all blocks; it cannot be one of a list of positions."
                )

    def of_block(self, index):
        """Gives the encoding of a block, or None for one without."""
        place = self._places[index % len(self._places)]
        encoding = self._encodings[place]
        if not encoding.acts_in_attention:
            return None
        if encoding.shared:
            return encoding
        return positions.get(self._descriptions[place], **self._defaults)

    def first(self, name, value=True):
        """Finds the first encoding with some value of an attribute, or None."""
        found = (x for x in self._encodings if getattr(x, name) == value)
        return next(found, None)

    def overrides(self, *hooks):
        return any(x.overrides(*hooks) for x in self._encodings)

    @property
    def causal_only(self):
        """Whether any is for causal attention alone."""
        return self.first("causal_only") is not None

    @property
    def supports_cache(self):
        """Whether each can encode a part of a sequence without the rest."""
        return self.first("supports_cache", False) is None

    @property
    def instead_of_cache(self):
        """What the refusal of a cache proposes."""
        limiting = self.first("supports_cache", False) or self.first(
            "max_cached_length", self.max_cached_length
        )
        return limiting.instead_of_cache

    @property
    def max_length(self):
        """Where the first of them ends, or None."""
        return _least(x.max_length for x in self._encodings)

    @property
    def max_cached_length(self):
        """How long a cache may be for all of them, or None."""
        return _least(x.max_cached_length for x in self._encodings)

    @property
    def rotates_by_any(self):
        """Whether all of them do, but for those that do nothing."""
        acting = [x for x in self._encodings if x.acts_in_attention]
        return bool(acting) and all(x.rotates_by_any for x in acting)

    @contextlib.contextmanager
    def positions_of_stack(self, start, length, positions=None):
        with contextlib.ExitStack() as stack:
            for encoding in self._encodings:
                stack.enter_context(
                    encoding.positions_of_stack(start, length, positions)
                )
            yield


def _least(limits):
    return min((x for x in limits if x is not None), default=None)
