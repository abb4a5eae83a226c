"""Passes over a sequence with the sums of kernel attention."""

from keras import ops

from keras_attention.attention.core.split import UNKNOWN_BATCH
from keras_attention.attention.linear.chunks import each, lay_out, scan
from keras_attention.attention.linear.sums import (
    Sums,
    divide,
    merge,
    no_sums,
    read,
    read_chunks,
    read_keys,
    sum_keys,
    sums_after,
    sums_before,
)
from keras_attention.tensors import known_integer

# Chunks that are processed at once, keys that are summed at once, and
# features of a call that are computed again rather than kept.
_CHUNKS, _KEYS, _LARGE = 32, 2048, 2**25


class KernelPasses:
    """The three ways to attend by sums; mixed into `KernelAttention`.

    Few queries are compared with all keys; many ask the sums over these; and
    causal ones ask the sums over what stands before their chunk.
    """

    def _all_features(self, query, key, visible, features):
        """Gives features `(batch, kv_heads, ...)` of queries and of keys."""
        rows, keys = (lay_out(ops.shape(x)[1]) for x in (query, key))
        places = rows.cut_places(visible.query_positions, self._repeats)
        query = rows.cut(query, self.num_kv_heads)[0]
        key = keys.cut(key)[0]
        query, _ = features(query, "query", places["positions"][0])
        key, log = features(key, "key", visible.key_positions)
        log = None if log is None else log[:, :, 0]
        return query[:, :, 0], key[:, :, 0], log

    def _weigh_all(self, query, key, value, visible, features):
        """Attends by way of the weights, for a few queries."""
        shape, dtype = ops.shape(query), query.dtype
        query, key, log = self._all_features(query, key, visible, features)
        value = ops.cast(ops.swapaxes(value, 1, 2), key.dtype)
        mask = visible.padding_mask
        if mask is not None:
            mask = mask[:, None, :, None]
        output = divide(*read_keys(query, key, log, value, mask))
        output = lay_out(shape[1]).join(output[None, :, :, None], shape[2])
        return ops.cast(output, dtype)

    def _attend_to_sums(self, query, key, value, visible, features):
        """Lets every query see every key that is not hidden."""
        sums = self._sum_all(key, value, visible, features)
        recompute = self._is_large(query)
        layout = lay_out(ops.shape(query)[1], _KEYS if recompute else None)

        def run(query, *sums, positions):
            mapped, _ = features(query, "query", positions)
            sums = Sums(*(x[:, :, None] for x in sums))
            output = divide(*read(mapped, sums))
            return ops.cast(output, query.dtype)

        outputs = each(
            run,
            [layout.cut(query, self.num_kv_heads)],
            layout.cut_places(visible.query_positions, self._repeats),
            present(sums),
            recompute=recompute,
        )
        return layout.join(outputs, self.num_heads)

    def _sum_all(self, key, value, visible, features):
        """Gives the `Sums` over all keys, without an axis of chunks."""
        recompute = self._is_large(key)
        layout = lay_out(ops.shape(key)[1], _KEYS if recompute else None)

        def run(key, value, positions, mask=None):
            key, log = features(key, "key", positions)
            value = ops.cast(value, key.dtype)
            return present(sum_keys(key, log, value, mask))

        sums = each(
            run,
            [layout.cut(key), layout.cut(value)],
            {
                **layout.cut_places(visible.key_positions, 1),
                **layout.cut_mask(visible.padding_mask, ops.shape(key)[0]),
            },
            recompute=recompute,
        )
        return merge(Sums(*(ops.squeeze(x, 3) for x in sums)), axis=0)

    def _attend_in_order(self, query, key, value, visible, features, sums):
        """Lets queries see the sums and, of their own keys, the past.

        Args: as of `attend`, the keys being at the positions of the queries;
            sums: list of what stands before them.

        Returns:
            `(output, sums)`.
        """
        batch, length = ops.shape(query)[:2]
        layout = lay_out(length, self.chunk_size, _CHUNKS)
        repeats = self._repeats

        def run(query, key, value, *sums, positions, mask=None):
            dtype = query.dtype
            rows = ops.concatenate([positions] * repeats, axis=-1)
            query, _ = features(query, "query", rows)
            key, log = features(key, "key", positions)
            value = ops.cast(value, key.dtype)
            own = sum_keys(key, log, value, mask)
            before = sums_before(own, Sums(*sums))
            found = read_chunks(query, key, log, value, mask, before, repeats)
            after = sums_after(own, before)
            return [*present(after), ops.cast(divide(*found), dtype)]

        sums, outputs = scan(
            run,
            sums,
            [
                layout.cut(query, self.num_kv_heads),
                layout.cut(key),
                layout.cut(value),
            ],
            {
                **layout.cut_places(visible.query_positions, 1),
                **layout.cut_mask(visible.padding_mask, batch),
            },
            recompute=self._is_large(query),
        )
        return layout.join(outputs, self.num_heads), sums

    def _line_up(self, query, key, value, visible, features):
        """Finds the keys at the positions of the queries, and sums the rest.

        Returns:
            `(query, key, value, visible, features, sums)`: of the keys before
            the first query the sums, and of the others those that stand at
            the position of a query.
        """
        places, mask = visible.query_positions, visible.padding_mask
        batch, keys = ops.shape(key)[:2]
        if mask is None:
            mask = ops.ones((batch, keys), dtype="bool")
        earlier = ops.less(visible.key_positions, places[:1])
        before = visible._replace(padding_mask=mask & earlier)
        sums = self._sum_all(key, value, before, features)
        found = ops.minimum(places, keys - 1)
        mask = ops.take(mask, found, axis=1) & ops.less(places, keys)
        visible = visible._replace(padding_mask=mask, key_positions=places)
        key, value = (ops.take(x, found, axis=1) for x in (key, value))
        return query, key, value, visible, features, sums

    def _no_sums(self, batch_size, dtype):
        return no_sums(
            batch_size,
            self.num_kv_heads,
            self.feature_dim,
            self.head_dim,
            dtype,
            self.features_have_log,
        )

    @property
    def _repeats(self):
        """How many heads of the query share a head of the keys."""
        return self.num_heads // self.num_kv_heads

    def _is_large(self, x):
        """Whether the features of `(batch, length, ...)` fill much memory."""
        batch, length = map(known_integer, x.shape[:2])
        if length is None:
            return False
        rows = (batch or UNKNOWN_BATCH) * length * self.num_heads
        return length > _KEYS and rows * self.feature_dim >= _LARGE


def present(sums):
    """Leaves out the logarithm of `Sums` where there is none."""
    return [x for x in sums if x is not None]
