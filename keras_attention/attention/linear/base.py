"""What flavours share whose weights are products of positive features."""

from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core.split import UNKNOWN_BATCH
from keras_attention.attention.linear.chunks import each, lay_out, scan
from keras_attention.attention.linear.sums import (
    LOWEST,
    Sums,
    as_cache,
    divide,
    from_cache,
    merge,
    no_sums,
    product,
    read,
    read_chunks,
    read_keys,
    sum_keys,
    sums_after,
    sums_before,
)
from keras_attention.checks import check_integer
from keras_attention.tensors import at_least_float32, known_integer

# Chunks that are worked off at once, keys that are summed at once, and
# features of a call that are computed again rather than kept.
_CHUNKS, _KEYS, _LARGE = 32, 2048, 2**25


class KernelAttention(Attention):
    """Base of flavours that weigh a key by phi(q) . phi(k), phi positive.

    Without a causal mask all queries ask the same sums over the keys. With
    one, a chunk of keys is weighed at once and the sums stand for what lies
    before it; decoding carries the sums on. Features and sums have at least
    float32. A flavour overrides `make_features` and `feature_dim`.

    Args: as of `Attention`, and
        chunk_size: integer, queries in a chunk of the causal form. It changes
            the speed, not the numbers.
    """

    supports_attention_mask = False
    supports_bias = False
    rotates_relatively = False

    features_have_log = False
    """Whether features come with logarithms for the keys."""

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        chunk_size=64,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("chunk_size", chunk_size)
        self.chunk_size = chunk_size

    def make_features(self, position):
        """Gives the function that maps heads to positive features.

        Weights are read here and not in the function, since TensorFlow does
        not read them in a loop that is computed again.

        Args:
            position: the encoding of `attend`.

        Returns:
            A function of `x` `(..., length, head_dim)` in float32 or float64,
            of `role`, `"query"` or `"key"`, and of `positions`, integers that
            broadcast to `(..., length)`. It gives the features `(..., length,
            num_features)`, and the logarithms `(..., length, 1)` of factors
            that keys still need, where `features_have_log`; else None.
        """
        raise self._not_implemented_error(self.make_features)

    @property
    def feature_dim(self):
        """The number of features of a head, once built."""
        return self.head_dim

    def init_cache(self, batch_size, max_length):
        """Makes empty sums; the cache does not grow with `max_length`.

        Returns:
            `{"state"}` of `(batch, num_kv_heads, features, head_dim)`,
            `{"sum"}` of `(batch, num_kv_heads, features)`, and where features
            have logarithms `{"log"}` of `(batch, num_kv_heads)`.
        """
        self._check_cache()
        dtype = at_least_float32(self.compute_dtype)
        return as_cache(*_present(self._no_sums(batch_size, dtype)))

    def attend_with_cache(
        self, query, key, value, visible, position, cache, start, training=None
    ):
        features = self._features(position)
        output, sums = self._attend_in_order(
            query, key, value, visible, features, from_cache(cache)
        )
        return self.drop(output, training), as_cache(*sums)

    def attend(self, query, key, value, visible, position, training=None):
        parts = (query, key, value, visible, self._features(position))
        if visible.causal:
            if visible.is_self:
                dtype = at_least_float32(query.dtype)
                sums = self._no_sums(ops.shape(query)[0], dtype)
            else:
                *parts, sums = self._line_up(*parts)
            output, _ = self._attend_in_order(*parts, _present(sums))
        elif self._are_few(query) and not self._is_large(key):
            output = self._weigh_all(*parts)
        else:
            output = self._attend_to_sums(*parts)
        return self.drop(output, training)

    def compute_weights(self, query, key, visible, position):
        dtype, mask = query.dtype, visible.dense()
        shape = [ops.shape(query)[i] for i in (0, 2, 1)]
        query, key, log = self._all_features(
            query, key, visible, self._features(position)
        )
        weights = product(query, key, transpose_y=True)
        weights = ops.reshape(weights, (*shape, ops.shape(key)[2]))
        if log is not None:
            log = ops.swapaxes(log, -1, -2)
            log = ops.repeat(log, self._repeats, axis=1)
            if mask is not None:
                log = ops.where(mask, log, LOWEST)
            top = ops.max(log, axis=-1, keepdims=True)
            weights = weights * ops.exp(log - top)
        if mask is not None:
            weights = ops.where(mask, weights, 0.0)
        weights = divide(weights, ops.sum(weights, axis=-1, keepdims=True))
        return ops.cast(weights, dtype)

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
            _present(sums),
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
            return _present(sum_keys(key, log, value, mask))

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
            return [*_present(after), ops.cast(divide(*found), dtype)]

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

    def _features(self, position):
        """The `make_features`, for heads of any precision."""
        function = self.make_features(position)
        return lambda x, role, positions: function(
            ops.cast(x, at_least_float32(x.dtype)), role, positions
        )

    @property
    def _repeats(self):
        """How many heads of the query share a head of the keys."""
        return self.num_heads // self.num_kv_heads

    def _are_few(self, query):
        """Whether weights are less work than the sums over the keys."""
        length = known_integer(query.shape[1])
        wide, width = self.feature_dim, self.head_dim
        return length is not None and length * (wide + width) <= wide * width

    def _is_large(self, x):
        """Whether the features of `(batch, length, ...)` fill much memory."""
        batch, length = map(known_integer, x.shape[:2])
        if length is None:
            return False
        rows = (batch or UNKNOWN_BATCH) * length * self.num_heads
        return length > _KEYS and rows * self.feature_dim >= _LARGE

    def get_config(self):
        return {**super().get_config(), "chunk_size": self.chunk_size}


def _present(sums):
    return [x for x in sums if x is not None]
