"""Batches of images or frames of sound, each with a text."""

import hashlib

import numpy as np

from keras_attention.data.batches import check_at_least
from keras_attention.data.bucketed import BucketedDataset
from keras_attention.data.sources.rows import PackedRows


class SourceBatches(BucketedDataset):
    """Batches arrays with the texts that a model is to write about them.

    `batches[i]` is `(inputs, labels, sample_weight)` as of `TokenBatches`, but
    that `source_ids` are float32. Of sources of several lengths, batches hold
    similar ones, and `inputs` has a boolean `source_padding_mask` too. A
    batch that lacks rows repeats its first, with a weight of 0.

    Args:
        sources: array `(rows, ...)` of sources of one shape, or a list of
            arrays `(length, dim)`.
        target_ids: list of sequences of integers, without start and end.
        start_id, end_id, padding_id: integers, the ids around targets and
            behind them.
        batch_size: integer, rows of a batch.
        shuffle, seed: as of `TokenBatches`.

    Raises:
        ValueError: if an argument is out of range, or there are more or fewer
            targets than sources.
    """

    def __init__(
        self,
        sources,
        target_ids,
        *,
        start_id,
        end_id,
        padding_id=0,
        batch_size=64,
        shuffle=True,
        seed=0,
    ):
        check_at_least(1, batch_size=batch_size)
        check_at_least(0, seed=seed)
        if len(sources) != len(target_ids) or not len(sources):
            raise ValueError(
                "`sources` and `target_ids` must have the same number of "
                f"rows, at least one. Received: {len(sources)} and "
                f"{len(target_ids)}"
            )
        longest = max(map(len, target_ids))
        self._targets = PackedRows(
            target_ids, longest, before=(start_id,), after=(end_id,)
        )
        self.target_length = longest + 1
        self._sources, self._padding_id = sources, padding_id
        self._has_lengths = not isinstance(sources, np.ndarray)
        lengths = [len(source) for source in sources]
        order = np.argsort(lengths, kind="stable")
        size = min(batch_size, len(sources))
        # Each part a whole number of batches, but for the last.
        step = -(-len(order) // (8 if self._has_lengths else 1))
        step = -(-step // size) * size
        parts = [order[x : x + step] for x in range(0, len(order), step)]
        buckets = [(rows, (size, lengths[rows[-1]])) for rows in parts]
        super().__init__(buckets, shuffle, seed)

    def batch(self, epoch, index):
        """Returns a batch of any epoch; `index` counts from its beginning."""
        rows, (count, length) = self.rows_of(epoch, index)
        filled = np.concatenate([rows, np.repeat(rows[:1], count - len(rows))])
        shape = count, self.target_length
        given, _ = self._targets.block(filled, shape, self._padding_id, less=1)
        labels, real = self._targets.block(
            filled, shape, self._padding_id, first=1, less=1
        )
        real[len(rows) :] = False
        inputs = {**self._inputs(filled, length), "target_ids": given}
        return inputs, labels, real.astype("float32")

    def _inputs(self, rows, length):
        if not self._has_lengths:
            return {"source_ids": self._sources[rows].astype("float32")}
        dim = self._sources[0].shape[-1]
        found = np.zeros((len(rows), length, dim), "float32")
        mask = np.zeros((len(rows), length), "bool")
        for place, row in enumerate(rows):
            source = self._sources[row]
            found[place, : len(source)] = source
            mask[place, : len(source)] = True
        return {"source_ids": found, "source_padding_mask": mask}

    def known_shape(self, array):
        if array.dtype == "float32" and array.ndim > 2:
            length = None if self._has_lengths else array.shape[1]
            return [None, length, *array.shape[2:]]
        return super().known_shape(array)

    @property
    def fingerprint(self):
        """A string that differs where any batch of any epoch would."""
        shapes = [shape for _, shape in self._buckets]
        settings = self.seed, self.shuffle, self._padding_id, shapes
        digest = hashlib.sha256(repr(settings).encode())
        self._targets.update(digest)
        for source in self._sources:
            digest.update(np.ascontiguousarray(source).tobytes())
        return digest.hexdigest()
