"""The weights of the last epochs, on disk, to be averaged."""

import pathlib

import keras

from keras_attention.models.saving import weights


class LastWeights(keras.callbacks.Callback):
    """Keeps the weights of the last epochs, a file each.

    The files are `epoch-0001.weights.h5` and so on, counted from 1. A run
    that is resumed writes the same files again.

    Args:
        folder: folder of the files; made when missing.
        keep: int, how many epochs to keep.
        save: function of a model and a path that writes a file;
            `save_trained` for a model adapted by LoRA.

    Raises:
        ValueError: if `keep` is not a positive integer.
    """

    def __init__(self, folder, keep=5, save=weights.save_weights):
        super().__init__()
        if not (isinstance(keep, int) and keep > 0):
            raise ValueError(
                f"`keep` must be a positive integer. Received: {keep!r}"
            )
        self.folder = pathlib.Path(folder)
        self.keep, self.save = keep, save

    def paths(self):
        """Lists the files that are there, oldest first.

        Returns:
            List of `pathlib.Path`.
        """
        return [path for _, path in sorted(self._files())]

    def on_epoch_end(self, epoch, logs=None):
        path = self.folder / f"epoch-{epoch + 1:04d}.weights.h5"
        self.save(self.model, path)
        # By number, not by count: files behind a resumed epoch are not its
        # own.
        for number, other in self._files():
            if not epoch + 1 - self.keep < number <= epoch + 1:
                other.unlink()

    def _files(self):
        for path in self.folder.glob("epoch-*.weights.h5"):
            number = path.name.removeprefix("epoch-").split(".")[0]
            if number.isdigit():
                yield int(number), path
