"""A data set that `fit` reads in a fixed order, from any batch on."""

import keras

# Keras takes an object of this class as it is. Its own adapter for a
# `PyDataset` fixes TensorFlow's shapes after the first two batches, and fails
# when a length that they share changes later; and it shuffles batches with
# Python's generator unless `fit` is told `shuffle=False`.
from keras.src.trainers.data_adapters.data_adapter import DataAdapter


class ResumableDataset(DataAdapter, keras.utils.PyDataset):
    """Gives `fit` batches in an order that the epoch alone decides.

    A subclass provides `batches_per_epoch` and `batch(epoch, index)`, nested
    arrays whose shapes may differ from batch to batch. What `fit` is told
    about shuffling has no effect.

    A pass that was read to its end moves on to the next epoch in
    `on_epoch_end`; one that was broken off starts over. A loop without `fit`
    calls `on_epoch_begin` and `on_epoch_end` around each pass.
    """

    def __init__(self):
        super().__init__()
        self.start_at(0, 0)

    @property
    def epoch(self):
        """The epoch that the present or else the next pass belongs to."""
        return self._epoch

    def start_at(self, epoch, batch):
        """Makes the next pass begin at a batch of an epoch.

        That pass has the batches that are left; those after it are whole
        again. `fit` cannot change its number of steps between epochs, so let
        one `fit` run the rest of the epoch and another the epochs after it.

        Args:
            epoch: Integer, from 0.
            batch: Integer, how many batches of the epoch to leave out. If that
                is all of them, the next pass is that of the next epoch.

        Raises:
            ValueError: If there is no such epoch or batch.
        """
        total = self.batches_per_epoch
        if epoch < 0 or not 0 <= batch <= total:
            raise ValueError(
                "`epoch` must not be negative and `batch` must be between 0 "
                f"and {total}. Received: epoch={epoch}, batch={batch}"
            )
        self._epoch, self._first = epoch + batch // total, batch % total
        self._within_pass = self._read_to_end = False
        self._steps_of_fit = None

    def __len__(self):
        return self.batches_per_epoch - self._first

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(
                f"There are {len(self)} batches. Received: index={index}"
            )
        return self._read(self._epoch, self._first + index)

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def _read(self, epoch, index):
        batch = self.batch(epoch, index)
        if index == self.batches_per_epoch - 1:
            self._read_to_end = True
        return batch

    def _one_pass(self):
        # Runs from the first request on, which is after `on_epoch_begin`.
        # Keras creates the iterator earlier, before the last pass has ended.
        epoch = self._epoch
        self._read_to_end = False
        for index in range(self._first, self.batches_per_epoch):
            yield self._read(epoch, index)

    def get_numpy_iterator(self):
        return self._one_pass()

    def get_jax_iterator(self):
        return self._one_pass()

    def get_torch_dataloader(self):
        convert = keras.ops.convert_to_tensor
        return (
            keras.tree.map_structure(convert, batch)
            for batch in self._one_pass()
        )

    def get_tf_dataset(self):
        import tensorflow as tf

        signature = keras.tree.map_structure(
            lambda array: tf.TensorSpec(self.known_shape(array), array.dtype),
            self.batch(self._epoch, self._first),
        )
        dataset = tf.data.Dataset.from_generator(
            self._one_pass, output_signature=signature
        )
        return dataset.prefetch(1)

    def known_shape(self, array):
        """Gives the sizes that all batches share; by default there are none.

        Args:
            array: an array of any batch.

        Returns:
            A list of integers and None.
        """
        return [None] * array.ndim

    @property
    def num_batches(self):
        # Keras reads it before the first pass and keeps it for all others.
        self._steps_of_fit = len(self)
        return self._steps_of_fit

    @property
    def batch_size(self):
        return None

    @property
    def has_partial_batch(self):
        return False

    @property
    def partial_batch_size(self):
        return None

    def on_epoch_begin(self):
        if self._steps_of_fit not in (None, len(self)):
            raise RuntimeError(
                f"`fit` takes {self._steps_of_fit} steps in each of its "
                f"epochs, those that `start_at` left, but epoch {self._epoch} "
                f"has {len(self)}. Let one `fit` run the rest of the epoch "
                "that is resumed, and another the epochs after it."
            )
        self._within_pass = True

    def on_epoch_end(self):
        # Keras also calls it once at the start of `fit`, before any pass.
        if self._within_pass and self._read_to_end:
            self._epoch, self._first = self._epoch + 1, 0
            self._read_to_end = False
        self._within_pass = False
