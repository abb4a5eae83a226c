"""Base of batches whose rows lie in buckets of one shape each."""

from keras_attention.data.buckets import in_order
from keras_attention.data.resumable import ResumableDataset


class BucketedDataset(ResumableDataset):
    """Orders the batches of buckets anew in each epoch.

    Args:
        buckets: list of `(row_indices, shape)`, shapes beginning with the
            rows of a batch.
        shuffle: boolean, whether rows and batches change places.
        seed: integer, what their order depends on, beside the epoch.
    """

    def __init__(self, buckets, shuffle, seed):
        self._buckets = buckets
        self.shuffle, self.seed = shuffle, seed
        self._ordered_epoch = None, []
        super().__init__()

    @property
    def batches_per_epoch(self):
        """Number of batches in a whole epoch."""
        return sum(-(-len(rows) // shape[0]) for rows, shape in self._buckets)

    def rows_of(self, epoch, index):
        """Gives `(row_indices, shape)` of a batch of any epoch."""
        ordered_epoch, order = self._ordered_epoch
        if epoch != ordered_epoch:
            order = in_order(self._buckets, self.seed, epoch, self.shuffle)
            self._ordered_epoch = epoch, order
        return order[index]
