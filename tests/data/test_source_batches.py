"""Batches of images and frames hold every row once, with its own text."""

import numpy as np
import pytest

from keras_attention.data.source_batches import SourceBatches

IDS = {"start_id": 2, "end_id": 3, "seed": 5}


def targets(count):
    generator = np.random.default_rng(1)
    return [
        generator.integers(4, 30, generator.integers(0, 6)).tolist()
        for _ in range(count)
    ]


def rows(batches, epoch=0):
    """Yields the rows that count: inputs and label."""
    for index in range(batches.batches_per_epoch):
        inputs, labels, weights = batches.batch(epoch, index)
        for row in range(len(labels)):
            if weights[row].any():
                yield {k: x[row] for k, x in inputs.items()}, labels[row]


def test_frames_of_any_length_come_once_with_their_text():
    generator = np.random.default_rng(0)
    sources = [
        np.full((generator.integers(1, 40), 3), index, "float32")
        for index in range(53)
    ]
    ids = targets(53)
    batches = SourceBatches(sources, ids, batch_size=4, **IDS)
    found = {}
    for inputs, labels in rows(batches):
        mask = inputs["source_padding_mask"]
        index = int(inputs["source_ids"][0, 0])
        np.testing.assert_array_equal(
            inputs["source_ids"][mask], sources[index]
        )
        assert not inputs["source_ids"][~mask].any()
        length = len(ids[index])
        assert inputs["target_ids"][: length + 1].tolist() == [2, *ids[index]]
        assert labels[: length + 1].tolist() == [*ids[index], 3]
        assert not labels[length + 1 :].any()
        assert index not in found
        found[index] = True
    assert len(found) == 53
    again = SourceBatches(sources, ids, batch_size=4, **IDS)
    assert again.fingerprint == batches.fingerprint
    other = [*sources[:7], sources[7] + 1, *sources[8:]]
    changed = SourceBatches(other, ids, batch_size=4, **IDS)
    assert changed.fingerprint != batches.fingerprint


def test_images_come_in_another_order_each_epoch():
    images = np.arange(11, dtype="uint8")[:, None, None, None] + np.zeros(
        (1, 2, 3, 1), "uint8"
    )
    batches = SourceBatches(images, targets(11), batch_size=4, **IDS)
    orders = [
        [int(inputs["source_ids"][0, 0, 0]) for inputs, _ in rows(batches, x)]
        for x in range(2)
    ]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(11))
    assert orders[0] != orders[1]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="5 and 4"):
        SourceBatches(np.zeros((5, 2)), targets(4), **IDS)
    with pytest.raises(ValueError, match="batch_size"):
        SourceBatches(np.zeros((4, 2)), targets(4), batch_size=0, **IDS)
