"""A data set and a model small enough to train in seconds."""

import keras
import numpy as np

from keras_attention.data.resumable import ResumableDataset
from keras_attention.training import (
    InverseSquareRootSchedule,
    LabelSmoothedCrossentropy,
    Perplexity,
    TokenAccuracy,
    TokenCount,
)

VOCABULARY_SIZE = 23
NUM_BATCHES = 5
# JAX compiles anew for every length, which takes longer than the test itself.
NUM_LENGTHS = 1 if keras.backend.backend() == "jax" else 2


class TinyBatches(ResumableDataset):
    """Counting up; batches of more than one length, some padding."""

    def __init__(self, seed=3, num_batches=NUM_BATCHES):
        self.seed, self.batches_per_epoch = seed, num_batches
        super().__init__()

    def batch(self, epoch, index):
        order = np.random.default_rng([self.seed, epoch]).permutation(
            self.batches_per_epoch
        )
        generator = np.random.default_rng([self.seed, 1000 + order[index]])
        length = 3 + 2 * (order[index] % NUM_LENGTHS)
        tokens = generator.integers(1, VOCABULARY_SIZE, (5, length))
        weights = np.ones(tokens.shape, "float32")
        weights[::2, -1] = 0
        return tokens, (tokens + 1) % VOCABULARY_SIZE, weights


def tiny_layers():
    return [
        keras.layers.Embedding(VOCABULARY_SIZE, 7),
        keras.layers.Dropout(0.3, seed=5),
        keras.layers.Dense(11, activation="relu"),
        keras.layers.Dropout(0.1, seed=13),
        keras.layers.Dense(VOCABULARY_SIZE),
    ]


def tiny_model(optimizer=None, dtype=None, built=True):
    keras.utils.set_random_seed(17)
    if dtype:
        keras.config.set_dtype_policy(dtype)
    try:
        start = [keras.Input((None,), dtype="int32")] if built else []
        model = keras.Sequential([*start, *tiny_layers()])
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(
        optimizer or keras.optimizers.Adam(InverseSquareRootSchedule(0.02, 7)),
        LabelSmoothedCrossentropy(0.1),
        weighted_metrics=[
            TokenAccuracy(),
            Perplexity(),
            TokenCount(),
        ],
    )
    return model


def state_of(model):
    return [
        keras.ops.convert_to_numpy(variable)
        for variable in [*model.variables, *model.optimizer.variables]
    ]
