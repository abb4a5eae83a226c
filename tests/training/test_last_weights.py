import keras
import numpy as np
import pytest

from keras_attention.training import LastWeights, load_weights
from tests.training.tiny import TinyBatches, tiny_model


def test_only_the_last_epochs_are_kept(tmp_path):
    kept = LastWeights(tmp_path, keep=2)
    (tmp_path / "epoch-0009.weights.h5").touch()  # behind a resumed epoch
    (tmp_path / "epoch-notes.weights.h5").touch()
    weights = []

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    model = tiny_model()
    model.fit(
        TinyBatches(num_batches=2),
        epochs=3,
        verbose=0,
        callbacks=[kept, Remember()],
    )
    assert [path.name for path in kept.paths()] == [
        "epoch-0002.weights.h5",
        "epoch-0003.weights.h5",
    ]
    load_weights(model, kept.paths()[0])
    for ours, theirs in zip(model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("keep", [0, -1, 1.5])
def test_keeping_no_epochs_is_refused(tmp_path, keep):
    with pytest.raises(ValueError, match="`keep`"):
        LastWeights(tmp_path, keep=keep)
