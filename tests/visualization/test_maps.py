"""Numbers about attention."""

import numpy as np

from keras_attention.visualization.maps import entropy


def test_entropy_of_what_can_be_counted():
    weights = np.zeros((4, 2, 4))
    weights[0] = 0.25
    weights[1, :, 2] = 1
    weights[2, 0, :2] = 0.5  # the other query looks at nothing
    weights[3] = [-2, 2, 0, 0]  # sizes count, and their shares
    np.testing.assert_allclose(entropy(weights), [2, 0, 1, 1])
