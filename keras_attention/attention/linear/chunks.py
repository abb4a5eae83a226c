"""Laying a sequence out in spans of chunks, and processing span by span."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention.core.split import pad_end
from keras_attention.tensors import known_integer


class Layout(NamedTuple):
    """How a sequence is cut; the last chunk is filled up with zeros.

    Attributes:
        length: integer, rows of the sequence.
        spans: integer, spans, processed one after the other.
        chunks: integer, chunks of a span.
        size: integer, rows of a chunk.
    """

    length: Any
    spans: Any
    chunks: Any
    size: Any

    @property
    def is_exact(self):
        """Whether it is known that no chunk is filled up."""
        rows = known_integer(self.spans * self.chunks * self.size)
        return rows is not None and rows == known_integer(self.length)

    def cut(self, x, groups=None):
        """Cuts heads.

        Args:
            x: `(batch, length, heads, head_dim)`.
            groups: integer, heads of the keys; by default as many as `x` has.

        Returns:
            `(spans, batch, groups, chunks, heads // groups * size,
            head_dim)`; where heads share a key, their rows of a chunk follow
            each other.
        """
        batch, _, heads, width = ops.shape(x)
        repeats = heads // (groups or heads)
        x = ops.reshape(
            self._fill(x, axis=1),
            (batch, *self[1:], heads // repeats, repeats, width),
        )
        x = ops.transpose(x, (1, 0, 4, 2, 5, 3, 6))
        shape = ops.shape(x)
        return ops.reshape(x, (*shape[:4], repeats * self.size, width))

    def join(self, x, heads):
        """Undoes `cut`; `heads` is their number."""
        spans, batch, groups, chunks, _, width = ops.shape(x)
        repeats = heads // groups
        x = ops.reshape(
            x, (spans, batch, groups, chunks, repeats, self.size, width)
        )
        x = ops.transpose(x, (1, 0, 3, 5, 2, 4, 6))
        rows = spans * chunks * self.size
        x = ops.reshape(x, (batch, rows, heads, width))
        return x if self.is_exact else x[:, : self.length]

    def cut_places(self, positions, repeats):
        """Cuts the positions of queries.

        Args:
            positions: integers `(length,)`.
            repeats: integer, heads that share a key.

        Returns:
            `{"positions"}` of `(spans, chunks, repeats * size)`.
        """
        positions = ops.reshape(self._fill(positions, axis=0), self[1:])
        return {"positions": ops.concatenate([positions] * repeats, axis=-1)}

    def cut_mask(self, mask, batch):
        """Cuts what says which keys count.

        Args:
            mask: boolean `(batch, length)` or None.
            batch: integer.

        Returns:
            Unless all keys count, `{"mask"}` of `(spans, batch, 1, chunks,
            size, 1)`.
        """
        if mask is None:
            if self.is_exact:
                return {}
            mask = ops.ones((batch, self.length), dtype="bool")
        mask = ops.reshape(self._fill(mask, axis=1), (batch, *self[1:]))
        return {"mask": ops.swapaxes(mask, 0, 1)[:, :, None, ..., None]}

    def _fill(self, x, axis):
        if self.is_exact:
            return x
        rows = self.spans * self.chunks * self.size
        return pad_end(x, rows - self.length, axis)


def lay_out(length, size=None, most_chunks=1):
    """Plans spans of up to `most_chunks` chunks of up to `size` rows.

    Args:
        length: integer, rows of the sequence.
        size: integer; by default one chunk takes all.
        most_chunks: integer.

    Returns:
        A `Layout`.
    """
    if size is None:
        return Layout(length, 1, 1, length)
    size = _smaller(length, size)
    chunks = _share(length, size)
    spans = _share(chunks, most_chunks)
    return Layout(length, spans, _share(chunks, spans), size)


def _smaller(number, limit):
    known = known_integer(number)
    return ops.minimum(number, limit) if known is None else min(known, limit)


def _share(number, parts):
    return -(-number // parts)


def each(function, inputs, masks, shared=(), recompute=False):
    """Calls `function(*inputs, *shared, **masks)` for every span.

    Args:
        function: gives a tensor or a list of tensors.
        inputs: list of float tensors `(spans, ...)`.
        masks: dictionary of integers and booleans `(spans, ...)`.
        shared: list of float tensors that serve every span.
        recompute: whether the backward pass computes the spans again.

    Returns:
        What `function` gives, `(spans, ...)`.
    """
    if known_integer(ops.shape(inputs[0])[0]) == 1:
        spans = [ops.squeeze(x, 0) for x in inputs]
        masks = {name: ops.squeeze(x, 0) for name, x in masks.items()}
        found = function(*spans, *shared, **masks)
        return keras.tree.map_structure(lambda x: x[None], found)

    def run(span):
        inputs, masks = span["inputs"], span["masks"]
        return _call(function, [*inputs, *shared], masks, recompute)

    return ops.map(run, {"inputs": list(inputs), "masks": masks})


def scan(function, carry, inputs, masks, recompute=False):
    """Processes spans, each starting from what the last one left.

    Args: as of `each`, and
        function: gives a list, the next carry and the output; that has the
            shape and the dtype of the first input.
        carry: list of float tensors, the `shared` of the first span.

    Returns:
        `(carry, outputs (spans, ...))`.
    """

    def step(carry, span):
        floats = [*span["inputs"], *carry]
        *carry, output = _call(function, floats, span["masks"], recompute)
        return carry, output

    size, carry = ops.shape(inputs[0])[0], list(carry)
    spans = {"inputs": list(inputs), "masks": masks}
    if known_integer(size) == 1:
        spans = keras.tree.map_structure(lambda x: ops.squeeze(x, 0), spans)
        carry, output = step(carry, spans)
        return carry, output[None]
    if keras.backend.backend() == "tensorflow":
        return _scan_on_tensorflow(step, carry, spans, size, inputs[0])
    return ops.scan(step, carry, spans)


def _scan_on_tensorflow(step, carry, spans, size, like):
    # Keras' own wants outputs of the shapes of the carry there.
    import tensorflow as tf

    def fill(x):
        array = tf.TensorArray(x.dtype, size, element_shape=x.shape[1:])
        return array.unstack(x)

    def body(index, carry, outputs):
        span = keras.tree.map_structure(lambda x: x.read(index), arrays)
        carry, output = step(carry, span)
        return index + 1, carry, outputs.write(index, output)

    arrays = keras.tree.map_structure(fill, spans)
    outputs = tf.TensorArray(like.dtype, size, element_shape=like.shape[1:])
    _, carry, outputs = tf.while_loop(
        lambda index, *_: index < size,
        body,
        (0, carry, outputs),
        parallel_iterations=1,  # more would need more memory
        maximum_iterations=size,
    )
    return carry, outputs.stack()


def _call(function, floats, masks, recompute):
    # TensorFlow warns of integers that are arguments here.
    call = lambda *floats: function(*floats, **masks)
    return (keras.remat(call) if recompute else call)(*floats)
