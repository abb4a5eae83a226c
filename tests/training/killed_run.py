"""One run of training, as a user's script; killed and started again by tests.

Usage: python -m tests.training.killed_run FOLDER EPOCHS
"""

import pathlib
import sys

import keras
import numpy as np

from keras_attention.training import (
    BestWeights,
    Checkpoint,
    CSVLog,
    LastWeights,
    TokensPerSecond,
    resume_fit,
)
from tests.training.tiny import TinyBatches, state_of, tiny_model


class Announce(keras.callbacks.Callback):
    """Tells the test, batch by batch, that training goes on."""

    def on_train_batch_end(self, batch, logs=None):
        print("batch", flush=True)


def main(folder, epochs):
    folder = pathlib.Path(folder)
    model = tiny_model()
    resume_fit(
        model,
        TinyBatches(),
        Checkpoint(folder / "checkpoint.npz", every_steps=2),
        epochs=epochs,
        callbacks=[
            TokensPerSecond(),
            BestWeights(folder / "best.weights.h5", patience=50),
            LastWeights(folder / "last", keep=2),
            CSVLog(folder / "metrics.csv"),
            keras.callbacks.TensorBoard(folder / "tensorboard"),
            Announce(),
        ],
        validation_data=TinyBatches(seed=7, num_batches=2),
        verbose=0,
    )
    np.savez(folder / "final.npz", *state_of(model))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
