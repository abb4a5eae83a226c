"""A cache of the last keys and values, and perhaps of the first ones."""

from typing import Any, NamedTuple

from keras import ops

from keras_attention.attention.core.kv_cache import check_room, write
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.tensors import known_integer


class CachedKeys(NamedTuple):
    """Keys and values that a cache gives back.

    Attributes:
        key, value: `(batch, length, num_kv_heads, head_dim)`.
        key_mask: boolean `(batch, length)`, those that count.
        positions: integers `(length,)`, none below 0.
    """

    key: Any
    value: Any
    key_mask: Any
    positions: Any

    def append(self, key, value, key_mask, positions):
        """Adds more behind these."""
        return CachedKeys(
            ops.concatenate([self.key, key], axis=1),
            ops.concatenate([self.value, value], axis=1),
            ops.concatenate([self.key_mask, key_mask], axis=1),
            ops.concatenate([self.positions, positions]),
        )


class Ring(NamedTuple):
    """Which keys a query still needs when it comes.

    The key of position p lies at `p % slots`, behind those of the
    first `num_sinks` positions, which stay.

    Attributes:
        window_size: integer, how far queries look back, in steps.
        dilation: integer, positions in a step.
        num_sinks: integer, first positions that all queries see.
    """

    window_size: int
    dilation: int = 1
    num_sinks: int = 0

    @property
    def reach(self):
        """How many positions a query looks back."""
        return self.window_size * self.dilation

    def empty(self, batch_size, num_kv_heads, max_length, head_dim, dtype):
        """Makes an empty cache.

        Returns:
            `{"key", "value"}` of `(batch, num_kv_heads, num_sinks + slots,
            head_dim)`, and `{"key_mask"}` of `(batch, num_sinks + slots)`.
            The slots are `(window_size + 1) * dilation`, or as many as
            `max_length` positions need.
        """
        steps, needed = self.window_size + 1, -(-max_length // self.dilation)
        if known_integer(needed) is None:
            steps = ops.minimum(steps, needed)
        else:
            steps = min(steps, needed)
        length = self.num_sinks + steps * self.dilation
        shape = (batch_size, num_kv_heads, length, head_dim)
        return {
            "key": ops.zeros(shape, dtype=dtype),
            "value": ops.zeros(shape, dtype=dtype),
            "key_mask": ops.zeros((batch_size, length), dtype="bool"),
        }

    def check(self, cache, start, length):
        """Refuses positions that a ring for a short sequence cannot hold."""
        slots = known_integer(self._slots(cache))
        if slots is None or slots >= (self.window_size + 1) * self.dilation:
            slots = None  # it goes round as long as one likes
        check_room(start, length, slots)

    def step(self, cache, key, value, mask, start):
        """Writes one position.

        Args:
            cache: dictionary from `empty`.
            key, value: `(batch, 1, num_kv_heads, head_dim)`.
            mask: boolean `(batch, 1)`.
            start: integer, its position.

        Returns:
            `(cache, cached)`: the `CachedKeys` that the query sees, in no
            order.
        """
        slots = self._slots(cache)
        place = self.num_sinks + start % slots
        if self.num_sinks:
            place = ops.where(start < self.num_sinks, start, place)
        cache = {
            "key": write(cache["key"], swap_heads(key), place, axis=2),
            "value": write(cache["value"], swap_heads(value), place, axis=2),
            "key_mask": write(cache["key_mask"], mask, place, axis=1),
        }
        steps = ops.arange(slots // self.dilation, dtype="int32")
        places = start % self.dilation + self.dilation * steps
        positions = start - (start - places) % slots
        return cache, self._read(cache, places, positions)

    def before(self, cache, start):
        """Gives the keys in front of a call's own, in their order.

        Args:
            cache: dictionary from `empty`.
            start: integer, the position of the call's first key.

        Returns:
            A `CachedKeys` of `reach` keys.
        """
        positions = start - self.reach + ops.arange(self.reach, dtype="int32")
        return self._read(cache, positions % self._slots(cache), positions)

    def sinks(self, cache):
        """Gives a `CachedKeys` of the first positions."""
        rows = slice(self.num_sinks)
        return CachedKeys(
            swap_heads(cache["key"][:, :, rows]),
            swap_heads(cache["value"][:, :, rows]),
            cache["key_mask"][:, rows],
            ops.arange(self.num_sinks, dtype="int32"),
        )

    def extend(self, cache, key, value, mask, start):
        """Writes keys and values of any number.

        Args:
            cache: dictionary from `empty`.
            key, value: `(batch, length, num_kv_heads, head_dim)`.
            mask: boolean `(batch, length)`.
            start: integer, the position of the first key.

        Returns:
            A cache.
        """
        slots, length = self._slots(cache), ops.shape(key)[1]
        last = start + length - 1
        # The row of these that each place takes, if it is one.
        places = ops.arange(slots, dtype="int32")
        rows = last - (last - places) % slots - start
        if self.num_sinks:
            first = ops.arange(self.num_sinks, dtype="int32") - start
            rows = ops.concatenate([first, rows])
        new = ops.logical_and(rows >= 0, rows < length)
        rows = ops.clip(rows, 0, length - 1)

        def put(old, rows_of_call, axis):
            taken = ops.cast(ops.take(rows_of_call, rows, axis=axis), old.dtype)
            shape = [1] * len(old.shape)
            shape[axis] = -1
            return ops.where(ops.reshape(new, shape), taken, old)

        return {
            "key": put(cache["key"], swap_heads(key), 2),
            "value": put(cache["value"], swap_heads(value), 2),
            "key_mask": put(cache["key_mask"], mask, 1),
        }

    def _read(self, cache, places, positions):
        """Gives what lies in the ring; sinks are handed out by `sinks`."""
        places = self.num_sinks + places
        in_ring = positions >= self.num_sinks
        return CachedKeys(
            swap_heads(ops.take(cache["key"], places, axis=2)),
            swap_heads(ops.take(cache["value"], places, axis=2)),
            ops.logical_and(ops.take(cache["key_mask"], places, 1), in_ring),
            ops.maximum(positions, 0),
        )

    def _slots(self, cache):
        return ops.shape(cache["key_mask"])[1] - self.num_sinks
