"""Images changed at random."""

import numpy as np

from keras_attention.data.images.distortion import distorted


class Most:
    """A generator that always draws the largest number."""

    def uniform(self, low, high, size):
        return np.full(size, high, "float64")


def test_images_are_turned_grown_and_moved_about_their_middle(rng):
    images = rng.random((2, 5, 8, 3)).astype("float32")
    np.testing.assert_array_equal(distorted(images, rng), images)
    for square in (images[:, :, 1:6], images[:, :4, :4]):
        turned = distorted(square, Most(), rotate=90)
        expected = np.rot90(square, 1, axes=(1, 2))
        np.testing.assert_allclose(turned, expected, atol=1e-6)
    moved = distorted(images, Most(), shift=2)
    np.testing.assert_array_equal(moved[:, 2:, 2:], images[:, :-2, :-2])
    assert not moved[:, :2].any() and not moved[:, :, :2].any()
    grown = distorted(images[:, :, :7], Most(), zoom=1)
    expected = images[:, 1:4, 2:5]
    np.testing.assert_allclose(grown[:, ::2, 1::2], expected, atol=1e-6)
    expected = (expected[:, :-1] + expected[:, 1:]) / 2
    np.testing.assert_allclose(grown[:, 1::2, 1::2], expected, atol=1e-6)
    drawn = distorted(images, rng, 30, 0.3, 1)
    assert drawn.shape == images.shape and drawn.dtype == images.dtype
    assert not np.allclose(drawn[0], drawn[1])
    assert distorted(images[:0], rng, 30, 0.3, 1).shape == (0, 5, 8, 3)
