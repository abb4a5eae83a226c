"""Batches of texts or arrays that each have one label."""

import hashlib
import warnings

import numpy as np

from keras_attention.data.batches import check_at_least
from keras_attention.data.bucketed import BucketedDataset
from keras_attention.data.buckets import choose_buckets
from keras_attention.data.sources.rows import PackedRows, as_integers


class LabelledBatches(BucketedDataset):
    """Base of batches with one label a row, in an order as of `TokenBatches`.

    `batches[i]` is `(inputs, labels, sample_weight)`: labels are int32
    `(batch,)`, weights float32 `(batch,)`, 1 for a row and 0 for one that
    fills up a batch.

    Args:
        labels: integers, one a row.
        buckets: list of `(row_indices, shape)`, shapes beginning with the
            rows of a batch.
        shuffle, seed: as of `TokenBatches`.
        change: function from `(inputs, generator)`, those of a batch and a
            NumPy generator, to inputs of the same shapes: what augments data
            in training. The generator depends on the seed, the epoch and the
            batch alone.
    """

    def __init__(self, labels, buckets, shuffle, seed, change):
        check_at_least(0, seed=seed)
        self._change = change
        self._labels = as_integers("`labels`", labels)
        super().__init__(buckets, shuffle, seed)

    def inputs(self, rows, shape):
        """Gives the inputs of some rows, filled up to a shape."""
        raise NotImplementedError(
            f"{type(self).__name__} must override inputs."
        )

    def batch(self, epoch, index):
        """Returns a batch of any epoch; `index` counts from its beginning."""
        rows, shape = self.rows_of(epoch, index)
        labels = np.zeros(shape[0], "int32")
        labels[: len(rows)] = self._labels[rows]
        weights = (np.arange(shape[0]) < len(rows)).astype("float32")
        inputs = self.inputs(rows, shape)
        if self._change is not None:
            generator = np.random.default_rng([self.seed, epoch, index])
            inputs = self._change(inputs, generator)
        return inputs, labels, weights

    def digest(self):
        """A `hashlib` object, fed with the settings and the labels."""
        shapes = [shape for _, shape in self._buckets]
        settings = (self.seed, self.shuffle, shapes)
        digest = hashlib.sha256(repr(settings).encode())
        digest.update(self._labels.tobytes())
        return digest


class LabelledTexts(LabelledBatches):
    """Batches texts of similar length, each with a label.

    Inputs are a dictionary of `token_ids`, int32 `(batch, length)`: the start
    id and the text, or a text within marks. All batches together have at most
    `max_shapes` shapes, those with the least padding.

    Args:
        token_ids: list of sequences of integers, without a start.
        labels: integers, one a text.
        start_id: integer, the id before a text.
        marks: two tuples of ids, which stand before and after a text in place
            of the start id; see `Tokenizer.marks`.
        padding_id: integer, the id of padding.
        token_budget: integer. In each batch, the number of rows times the
            padded length is at most this.
        max_length: integer, the longest a text may be together with the ids
            around it. Longer texts are cut, and one warning counts them.
        shuffle: boolean, whether each epoch has an order of its own.
        seed: integer, not negative; fixes those orders.
        max_shapes: integer, the number of different shapes allowed.
        change: as of `LabelledBatches`.

    Raises:
        ValueError: if an argument is out of range, ids or labels are no
            integers, labels are more or fewer than texts, or a text by
            itself exceeds the budget.
    """

    def __init__(
        self,
        token_ids,
        labels,
        *,
        start_id=None,
        marks=None,
        padding_id=0,
        token_budget=4096,
        max_length=256,
        shuffle=True,
        seed=0,
        max_shapes=8,
        change=None,
    ):
        check_at_least(1, token_budget=token_budget, max_shapes=max_shapes)
        check_at_least(2, max_length=max_length)
        _check_labels("token_ids", token_ids, labels)
        self.padding_id = padding_id
        if (start_id is None) == (marks is None):
            raise ValueError(
                "Give one of `start_id` and `marks`. Received: "
                f"start_id={start_id}, marks={marks}"
            )
        before, after = marks or ((start_id,), ())
        room = max(max_length - len(before) - len(after), 0)
        self._texts = PackedRows(token_ids, room, before, after)
        if self._texts.truncated:
            warnings.warn(
                f"Cut {self._texts.truncated} of {len(token_ids)} texts to "
                f"max_length={max_length}.",
                stacklevel=2,
            )
        lengths = self._texts.lengths
        if lengths.max() > token_budget:
            raise ValueError(
                "`token_budget` must be at least the length of the longest "
                f"text, {lengths.max()}. Received: "
                f"token_budget={token_budget}"
            )
        # A single token would leave attention nothing to choose from.
        lengths = np.maximum(lengths, min(2, token_budget))
        buckets = choose_buckets(
            lengths,
            lengths,
            token_budget,
            1,
            [min(max_length, token_budget)] * 2,
            max_shapes,
        )
        buckets = [(rows, shape[:2]) for rows, shape in buckets]
        super().__init__(labels, buckets, shuffle, seed, change)

    def inputs(self, rows, shape):
        token_ids, _ = self._texts.block(rows, shape, self.padding_id)
        return {"token_ids": token_ids}

    @property
    def fingerprint(self):
        """A string that differs where any batch of any epoch would."""
        digest = self.digest()
        digest.update(repr(self.padding_id).encode())
        self._texts.update(digest)
        return digest.hexdigest()

    @property
    def padding_share(self):
        """Share of an epoch's inputs that is padding, empty rows included."""
        cells = sum(
            -(-len(rows) // batch) * batch * length
            for rows, (batch, length) in self._buckets
        )
        return 1 - int(self._texts.lengths.sum()) / cells


class LabelledArrays(LabelledBatches):
    """Batches arrays of one shape, images for example, each with a label.

    Args:
        arrays: `(rows, ...)`.
        labels: integers, one a row.
        batch_size: integer, rows of a batch.
        shuffle: boolean, whether each epoch has an order of its own.
        seed: integer, not negative; fixes those orders.
        change: as of `LabelledBatches`.

    Raises:
        ValueError: if an argument is out of range, or labels are no integers,
            or more or fewer than rows.
    """

    def __init__(
        self,
        arrays,
        labels,
        *,
        batch_size=64,
        shuffle=True,
        seed=0,
        change=None,
    ):
        check_at_least(1, batch_size=batch_size)
        _check_labels("arrays", arrays, labels)
        self._arrays = np.asarray(arrays)
        size = min(batch_size, len(arrays))
        buckets = [(np.arange(len(arrays)), (size,))]
        super().__init__(labels, buckets, shuffle, seed, change)

    def inputs(self, rows, shape):
        found = np.zeros((shape[0], *self._arrays.shape[1:]), "float32")
        found[: len(rows)] = self._arrays[rows]
        return found

    def known_shape(self, array):
        return [None, *array.shape[1:]]

    @property
    def fingerprint(self):
        """A string that differs where any batch of any epoch would."""
        digest = self.digest()
        digest.update(np.ascontiguousarray(self._arrays).tobytes())
        return digest.hexdigest()


def _check_labels(name, rows, labels):
    if len(rows) != len(labels) or not len(rows):
        raise ValueError(
            f"`{name}` and `labels` must have the same number of rows, at "
            f"least one. Received: {len(rows)} and {len(labels)}"
        )
