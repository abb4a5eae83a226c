"""Cached keys and values: of a call's own sequence, or of its source."""

import keras
from keras import ops

from keras_attention.attention.core.checks import check_cache, refuse_unless
from keras_attention.attention.core.inputs import check_masks, first_mask
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.masks import as_mask, hide_all, implicit_mask
from keras_attention.tensors import known_integer


class KeyValueCache:
    """The caches of attention layers whose state is keys and values.

    Mixed into `Attention`. A flavour with another state overrides
    `init_cache` and `attend_with_cache`.
    """

    def attend_with_cache(
        self, query, key, value, visible, position, cache, start, **inputs
    ):
        """Writes keys and values to the cache and attends to all of it.

        Args: as of `attend`, and
            cache: dictionary from `init_cache`.
            start: integer, the position of the first query.

        Returns:
            `(output, cache)`.
        """
        cache, key, value, visible = extend(cache, key, value, visible, start)
        output = self.attend(query, key, value, visible, position, **inputs)
        return output, cache

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache for at most `max_length` positions.

        Returns:
            `{"key", "value"}` of `(batch, num_kv_heads, max_length,
            head_dim)`, as every step multiplies them, and `{"mask"}` of
            `(batch, max_length)`.
        """
        self._check_cache(max_length)
        return empty(
            batch_size,
            self.num_kv_heads,
            max_length,
            self.head_dim,
            self.compute_dtype,
        )

    def init_memory(self, value, key=None, padding_mask=None):
        """Projects the source of cross-attention once for many calls.

        Args:
            value: `(batch, key_length, dim)`.
            key: `(batch, key_length, dim)`; by default `value`.
            padding_mask: boolean `(batch, key_length)`. (What the call hides
            later reaches no result, but its NaN the gradients of what
            projects it here.)

        Returns:
            `{"key", "value"}` of `(batch, num_kv_heads, key_length,
            head_dim)` and `{"mask"}` of `(batch, key_length)`, to be handed
            to the call as `memory`.
        """
        refuse_unless(
            self,
            self.supports_cross_attention,
            "cross-attention",
            "use MultiHeadAttention for it",
        )
        self._check_built()
        key = value if key is None else key
        if padding_mask is None:
            padding_mask = first_mask(implicit_mask(key), implicit_mask(value))
        padding_mask = as_mask("padding_mask", padding_mask)
        check_masks(value, key, padding_mask, None)
        key, value = hide_all(padding_mask, key, value)
        heads = self.project_source(key, value)
        if not self.masks_scores:
            heads = hide_all(padding_mask, *heads)
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(value)[:2], dtype="bool")
        key, value = map(swap_heads, heads)
        return {"key": key, "value": value, "mask": padding_mask}

    def _check_cache(self, max_length):
        """Refuses to make a cache where there can be none so long."""
        check_cache(self, max_length)
        self._check_built()

    def _check_built(self):
        refuse_unless(
            self,
            self.built,
            "a cache or memory before it is built",
            "call or build it first",
        )


def empty(batch_size, num_kv_heads, max_length, head_dim, dtype):
    """Makes an empty cache.

    Returns:
        `{"key", "value"}` of `(batch, num_kv_heads, max_length, head_dim)`,
        as every step multiplies them, and `{"mask"}` of `(batch,
        max_length)`.
    """
    shape = (batch_size, num_kv_heads, max_length, head_dim)
    return {
        "key": ops.zeros(shape, dtype=dtype),
        "value": ops.zeros(shape, dtype=dtype),
        "mask": ops.zeros((batch_size, max_length), dtype="bool"),
    }


def extend(cache, key, value, visible, start):
    """Writes keys and values, and gives all that the cache then holds.

    Args:
        cache: dictionary from `empty`.
        key, value: `(batch, length, num_kv_heads, head_dim)`.
        visible: the `Visibility` of this call's own keys.
        start: integer, the position of the first key.

    Returns:
        `(cache, key, value, visible)` with all `max_length` keys and values.

    Raises:
        ValueError: if they do not fit into the cache.
    """
    mask, visible = extend_mask(cache["mask"], key, visible, start)
    cache = {
        "key": write(cache["key"], swap_heads(key), start, axis=2),
        "value": write(cache["value"], swap_heads(value), start, axis=2),
        "mask": mask,
    }
    key, value = swap_heads(cache["key"]), swap_heads(cache["value"])
    return cache, key, value, visible


def extend_mask(buffer, key, visible, start):
    """Writes which of the keys of a call count.

    Args:
        buffer: boolean `(batch, max_length)`, the mask of the cache.
        key: `(batch, length, ...)`, the keys of this call.
        visible: the `Visibility` of this call's own keys.
        start: integer, the position of the first key.

    Returns:
        `(mask, visible)` of all `max_length` keys.

    Raises:
        ValueError: if the keys do not fit into the cache.
    """
    max_length = ops.shape(buffer)[1]
    check_room(start, key.shape[1], max_length)
    mask = visible.padding_mask
    if mask is None:
        mask = ops.ones(ops.shape(key)[:2], dtype="bool")
    mask = write(buffer, mask, start, axis=1)
    visible = visible._replace(
        key_positions=ops.arange(max_length, dtype="int32"), padding_mask=mask
    )
    return mask, visible.ordered()


def check_room(start, length, max_length):
    """Refuses positions outside the cache, where all three are known."""
    known = [known_integer(n) for n in (start, length, max_length)]
    if known[0] is not None and known[0] < 0:
        raise ValueError(f"start must be 0 or more. Received: {known[0]}")
    if None not in known and known[0] + known[1] > known[2]:
        raise ValueError(
            f"The cache holds max_length={max_length} positions. "
            f"Received: start={known[0]}, length={known[1]}"
        )


def write(buffer, rows, start, axis):
    """Replaces what stands from `start` on along an axis."""
    index = [0] * len(buffer.shape)
    index[axis] = start
    return ops.slice_update(buffer, index, ops.cast(rows, buffer.dtype))


class KeepsCache:
    """Mixin for layers and models that take a cache.

    Keras casts every float that a call is given to the dtype it computes in.
    A state that is summed up in float32 would lose digits with each step. So
    the first layer that is called puts the cache in a box, which Keras does
    not look into; those within hand on its parts, and what reads or writes
    the cache takes it out with `unbox`.
    """

    def __call__(self, *args, cache=None, **kwargs):
        if cache is not None:
            kwargs["cache"] = _box(cache)
        return super().__call__(*args, **kwargs)


class Box:
    """A dictionary of tensors that Keras does not see, and so does not cast."""

    def __init__(self, tensors):
        self.tensors = tensors

    def __getitem__(self, name):
        part = self.tensors[name]
        return Box(part) if isinstance(part, dict) else part


def unbox(cache):
    """Gives the dictionary of tensors that `KeepsCache` handed on."""
    return cache.tensors if isinstance(cache, Box) else cache


def _box(cache):
    if isinstance(cache, Box):
        return cache
    leaves = keras.tree.flatten(cache)
    if any(isinstance(leaf, keras.KerasTensor) for leaf in leaves):
        return cache  # what a functional model is made of it has to see
    return Box(keras.tree.map_structure(ops.convert_to_tensor, cache))
