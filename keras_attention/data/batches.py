"""Batches of token ids, by length, within a budget."""

import hashlib
import warnings

from keras_attention.checks import check_boolean
from keras_attention.data.buckets import choose_buckets, in_order
from keras_attention.data.resumable import ResumableDataset
from keras_attention.data.sources.rows import PackedRows


class TokenBatches(ResumableDataset):
    """Batches sentence pairs of similar length, for `fit` on any backend.

    `batches[i]` is `(inputs, labels, sample_weight)`. `inputs` is a dict of
    `source_ids`, the source and its end id, and `target_ids`, the start id and
    the target; `labels` is the target and its end id; `sample_weight` is 1
    where a label stands and 0 in padding. Sources have shape
    `(batch, source_length)`, all else `(batch, target_length)`; ids are int32
    and weights float32. Padding behind a target needs no mask, since what
    counts never looks there.

    All batches together have at most `max_shapes` shapes, those with the least
    padding for these sentences, so that a compiled step is compiled that often
    and no more. A batch that lacks rows is filled up with rows of padding.

    The order is a function of the seed and the epoch alone, whatever `fit` is
    told about shuffling, and every epoch has the same number of batches. See
    `ResumableDataset` for how epochs advance and how `start_at` goes on in the
    middle of one.

    Args:
        source_ids: List of sequences of integers, without start and end.
        target_ids: The same for the translations.
        start_id: Integer, the id before a target.
        end_id: Integer, the id after a source and a target.
        padding_id: Integer, the id of padding.
        token_budget: Integer. In each batch, the number of rows times the
            padded length of the longer side is at most this.
        max_length: Integer, the longest a side may be together with its start
            or end id. Longer sentences are cut, and one warning counts them.
        max_source_length: Integer, the same for sources alone; `max_length`
            by default.
        source_marks: Two tuples of ids, which stand before and after a source
            in place of the end id; see `Tokenizer.marks`.
        shuffle: Boolean, whether each epoch has an order of its own.
        seed: Integer, not negative; fixes those orders.
        length_multiple: Integer; padded lengths are multiples of it, as far
            as `max_length` and `token_budget` allow.
        max_shapes: Integer, the number of different shapes allowed.
        target_padding_mask: Boolean, whether `inputs` holds a boolean
            `target_padding_mask` too, True for tokens. For decoders whose
            attention sorts or chooses by later tokens (`LSHAttention`,
            `ProbSparseAttention`), which padding would otherwise change.

    Raises:
        ValueError: If an argument is out of range, the sides differ in number,
            or a row by itself exceeds the budget.
    """

    def __init__(
        self,
        source_ids,
        target_ids,
        *,
        start_id,
        end_id,
        padding_id=0,
        token_budget=4096,
        max_length=256,
        max_source_length=None,
        source_marks=None,
        shuffle=True,
        seed=0,
        length_multiple=1,
        max_shapes=8,
        target_padding_mask=False,
    ):
        check_at_least(1, token_budget=token_budget, max_shapes=max_shapes)
        check_at_least(1, length_multiple=length_multiple)
        if max_source_length is None:
            max_source_length = max_length
        check_at_least(2, max_length=max_length)
        check_at_least(2, max_source_length=max_source_length)
        check_at_least(0, seed=seed)
        if len(source_ids) != len(target_ids) or not len(source_ids):
            raise ValueError(
                "`source_ids` and `target_ids` must have the same number of "
                f"rows, at least one. Received: {len(source_ids)} and "
                f"{len(target_ids)}"
            )
        self.shuffle = shuffle
        self.seed = seed
        self.padding_id = padding_id
        check_boolean("target_padding_mask", target_padding_mask)
        self.target_padding_mask = target_padding_mask
        longest_allowed = max_source_length, max_length
        before, after = source_marks or ((), (end_id,))
        room = max(max_source_length - len(before) - len(after), 0)
        self._sources = PackedRows(source_ids, room, before, after)
        self._targets = PackedRows(
            target_ids, max_length - 1, before=(start_id,), after=(end_id,)
        )
        if self._sources.truncated or self._targets.truncated:
            limits = f"max_length={max_length}"
            if max_source_length != max_length:
                limits = f"max_source_length={max_source_length} and {limits}"
            warnings.warn(
                f"Cut {self._sources.truncated} sources and "
                f"{self._targets.truncated} targets of {len(source_ids)} "
                f"pairs to {limits}.",
                stacklevel=2,
            )
        source_lengths = self._sources.lengths
        target_lengths = self._targets.lengths - 1  # the start or the end
        longest = max(source_lengths.max(), target_lengths.max())
        if longest > token_budget:
            raise ValueError(
                "`token_budget` must be at least the length of the longest "
                f"row, {longest}. Received: token_budget={token_budget}"
            )
        self._buckets = choose_buckets(
            source_lengths,
            target_lengths,
            token_budget,
            length_multiple,
            [min(most, token_budget) for most in longest_allowed],
            max_shapes,
        )
        self._num_tokens = int(source_lengths.sum() + target_lengths.sum())
        self._ordered_epoch = None, []
        super().__init__()

    @property
    def batches_per_epoch(self):
        """Number of batches in a whole epoch."""
        return sum(-(-len(rows) // shape[0]) for rows, shape in self._buckets)

    @property
    def shapes(self):
        """The different `(batch, source_length, target_length)`."""
        return [shape for _, shape in self._buckets]

    @property
    def fingerprint(self):
        """A string that differs where any batch of any epoch would."""
        settings = (self.seed, self.shuffle, self.padding_id, self.shapes)
        digest = hashlib.sha256(repr(settings).encode())
        if self.target_padding_mask:
            digest.update(b"target_padding_mask")
        self._sources.update(digest)
        self._targets.update(digest)
        return digest.hexdigest()

    @property
    def num_tokens(self):
        """Number of ids in an epoch's inputs, padding left out."""
        return self._num_tokens

    @property
    def padding_share(self):
        """Share of an epoch's inputs that is padding, empty rows included."""
        cells = sum(
            -(-len(rows) // batch) * batch * (source + target)
            for rows, (batch, source, target) in self._buckets
        )
        return 1 - self._num_tokens / cells

    def batch(self, epoch, index):
        """Returns a batch of any epoch; `index` counts from its beginning."""
        rows, (size, source_length, target_length) = self._order(epoch)[index]
        shape = size, target_length
        source_ids, _ = self._sources.block(
            rows, (size, source_length), self.padding_id
        )
        target_ids, is_target = self._targets.block(
            rows, shape, self.padding_id, less=1
        )
        labels, is_label = self._targets.block(
            rows, shape, self.padding_id, first=1, less=1
        )
        inputs = {"source_ids": source_ids, "target_ids": target_ids}
        if self.target_padding_mask:
            inputs["target_padding_mask"] = is_target
        return inputs, labels, is_label.astype("float32")

    def _order(self, epoch):
        """Returns the rows and the shape of each batch of an epoch."""
        ordered_epoch, order = self._ordered_epoch
        if epoch == ordered_epoch:
            return order
        order = in_order(self._buckets, self.seed, epoch, self.shuffle)
        self._ordered_epoch = epoch, order
        return order


def check_at_least(least, **arguments):
    """Raises ValueError for the first argument that is less."""
    for name, value in arguments.items():
        if value < least:
            raise ValueError(
                f"`{name}` must be at least {least}. Received: {name}={value}"
            )
