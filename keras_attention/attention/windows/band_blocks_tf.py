"""A band in blocks with the backward pass written out, for TensorFlow."""

import itertools

from keras import ops

from keras_attention.attention.core.query_blocks_tf import Block, loop
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.attention.core.split import join
from keras_attention.attention.windows.band_call import block_mask, with_extra
from keras_attention.masks import Visibility, causal_mask
from keras_attention.tensors import at_least_float32


def attend_by_hand(call, mixing):
    """Processes one block of queries after the other.

    Only the output is kept for the backward pass, where keys and values get
    their gradients from a sum that moves along with the blocks.

    Args:
        call: a padded `Call` without dilation.
        mixing: a `Mixing`; its position acts neither on scores nor on values.

    Returns:
        `(batch, length, heads, head_dim)`.
    """
    query = mixing.scoring.scale_query(call.query, mixing.position)
    heads = [query, call.key, call.value]
    if call.extra is not None:
        heads += [call.extra.key, call.extra.value]
    count = len(heads)

    @ops.custom_gradient
    def run(*tensors):
        own = mixing
        for sink in tensors[count:]:
            own = own._replace(scoring=own.scoring._replace(sink=sink))
        blocks = _Blocks(tensors[:count], call, own)
        output = blocks.outputs()
        return output, lambda upstream: blocks.gradients(output, upstream)

    sinks = map(ops.convert_to_tensor, mixing.scoring.learned)
    return swap_heads(run(*map(swap_heads, heads), *sinks))


class _Blocks:
    """All blocks of one call.

    Args:
        heads: query, key, value and perhaps those of the extra keys, each
            `(batch, heads, length, head_dim)`.
        call, mixing: as of `attend_by_hand`.
    """

    def __init__(self, heads, call, mixing):
        self.query, self.key, self.value, *self.extra = heads
        self.call, self.mixing = call, mixing
        self.size = mixing.block_size
        self.mask = block_mask(call, self.size)
        self.keys = call.window_size + self.size + call.after
        self.count = ops.shape(self.query)[2] // self.size
        self.num_extra = 0
        if self.extra:
            self.num_extra = ops.shape(self.extra[0])[2]

    def outputs(self):
        """Gives `(batch, heads, length, head_dim)`."""

        def add_block(index, outputs):
            return (outputs.write(index, self._block(index).output()),)

        (outputs,) = loop(add_block, self._array(self.query.dtype))
        return self._joined(outputs)

    def gradients(self, output, upstream):
        """Gives the gradients of all heads."""
        learned = self.mixing.scoring.learned
        stop = 2 + len(self.extra)  # of the sums for keys and values

        def add_block(index, of_query, of_key, of_value, *sums):
            own = {
                "output": self._rows(output, index, self.size),
                "upstream": self._rows(upstream, index, self.size),
            }
            block = self._block(index, **own)
            found, found_key, found_value, *of_sinks = block.gradients()
            of_key, key_sums = self._add(
                index, of_key, found_key, sums[:stop:2]
            )
            of_value, value_sums = self._add(
                index, of_value, found_value, sums[1:stop:2]
            )
            of_query = of_query.write(index, found)
            totals = zip(sums[stop:], of_sinks, strict=True)
            return (
                of_query,
                of_key,
                of_value,
                # Keys and values take turns, as they came.
                *itertools.chain(*zip(key_sums, value_sums, strict=True)),
                *(total + one for total, one in totals),
            )

        # Sums of many blocks need more digits than half precision has.
        dtype = at_least_float32(self.query.dtype)
        near = ops.zeros_like(self.key[:, :, : self.keys], dtype)
        arrays = [self._array(d) for d in (self.query.dtype, dtype, dtype)]
        of_extra = [ops.zeros_like(x, dtype) for x in self.extra]
        of_sinks = [ops.zeros_like(x, dtype) for x in learned]
        found = loop(add_block, *arrays, near, near, *of_extra, *of_sinks)
        of_query, *joined = map(self._joined, found[:3])
        # The last sums reach beyond the last block.
        ends = [rest[:, :, : self.keys - self.size] for rest in found[3:5]]
        of_source = [
            ops.concatenate(pair, axis=2)
            for pair in zip(joined, ends, strict=True)
        ]
        heads = (*of_source, *found[5 : 3 + stop])
        heads = [ops.cast(x, self.query.dtype) for x in heads]
        of_sinks = zip(found[3 + stop :], learned, strict=True)
        return of_query, *heads, *(ops.cast(x, s.dtype) for x, s in of_sinks)

    def _add(self, index, array, found, sums):
        """Adds what one block found for the extra keys and those near by."""
        near, *of_extra = sums
        found = ops.cast(found, near.dtype)
        of_extra = [x + found[:, :, : self.num_extra] for x in of_extra]
        near = near + found[:, :, self.num_extra :]
        # No later block sees these keys, and the next one as many new ones.
        array = array.write(index, near[:, :, : self.size])
        zeros = ops.zeros_like(near[:, :, : self.size])
        near = ops.concatenate([near[:, :, self.size :], zeros], axis=2)
        return array, [near, *of_extra]

    def _block(self, index, **more):
        heads = [
            self._rows(x, index, self.keys) for x in (self.key, self.value)
        ]
        key_mask = self.call.visible.padding_mask
        key_mask = ops.slice(
            key_mask,
            (0, index * self.size),
            (ops.shape(key_mask)[0], self.keys),
        )
        visible = Visibility(None, None, key_mask, self.mask)
        if self.extra:
            heads = [
                ops.concatenate(pair, axis=2)
                for pair in zip(self.extra, heads, strict=True)
            ]
            visible = with_extra(visible, self.call.extra, self._seen(index))
        parts = {
            **more,
            "index": index,
            "positions": None,
            "mask": visible.attention_mask,
            "query": self._rows(self.query, index, self.size),
        }
        mixing = self.mixing
        return Block(
            parts, *heads, visible, mixing.dropout, mixing.seed, mixing.scoring
        )

    def _seen(self, index):
        if not self.call.visible.causal:
            return None
        positions = self.call.visible.query_positions
        positions = ops.slice(
            positions,
            (0, index * self.size),
            (ops.shape(positions)[0], self.size),
        )
        return causal_mask(positions, self.call.extra.positions)

    def _rows(self, x, index, rows):
        batch, heads, _, width = ops.shape(x)
        return ops.slice(
            x, (0, 0, index * self.size, 0), (batch, heads, rows, width)
        )

    def _array(self, dtype):
        import tensorflow as tf

        # A reversed loop reads nothing of it: it is stacked once.
        return tf.TensorArray(dtype, size=self.count)

    def _joined(self, array):
        blocks = array.stack()
        return join(blocks, self.count * self.size, axis=2)
