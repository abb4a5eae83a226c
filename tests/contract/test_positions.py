"""A position counts in every flavour, or is refused by its name."""

import numpy as np
import pytest
from keras import ops

from keras_attention import PositionalEncoding
from tests.attention.reference import EveryHook
from tests.tools import randomize, to_numpy


class Turning(PositionalEncoding):
    def rotate(self, x, positions, role):
        # Of any width, and not undone where heads are scaled to a length.
        growth = 0.3 * ops.cast(positions, x.dtype)[..., None, None]
        return x + growth * ops.roll(x, 1, axis=-1)


class Biasing(EveryHook):
    rotate = PositionalEncoding.rotate
    values = PositionalEncoding.values
    scale = PositionalEncoding.scale


class AddingValues(EveryHook):
    rotate = PositionalEncoding.rotate
    bias = PositionalEncoding.bias
    scale = PositionalEncoding.scale


class Embedding(PositionalEncoding):
    def embed(self, x, start=0):
        return x + 1.0


@pytest.mark.parametrize("cls", [Turning, Biasing, AddingValues])
def test_a_position_counts_or_is_refused(case, rng, x, cls):
    position = cls()
    case = case._replace(options={**case.options, "position": position})
    try:
        layer = case.make()
    except ValueError as error:
        assert cls.__name__ in str(error)
        return
    except TypeError:
        pytest.skip("takes no position")
    layer.build(x.shape)
    randomize(layer, rng, deviation=0.5)
    found = to_numpy(layer(x))
    position.set_weights([0 * w for w in position.get_weights()])
    if cls is Turning:
        layer.rotate = lambda heads, *_: heads
    assert np.abs(to_numpy(layer(x)) - found).max() > 1e-4


def test_what_is_added_to_embeddings_is_refused(case):
    if "position" not in case.make().get_config():
        pytest.skip("takes no position")
    case = case._replace(options={**case.options, "position": Embedding()})
    with pytest.raises(ValueError, match="Embedding .*embeddings"):
        case.make()
