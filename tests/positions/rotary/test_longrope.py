"""Two lists of factors, chosen by the length, against Hugging Face's."""

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    MultiHeadAttention,
    RotaryEmbedding,
    SlidingWindowAttention,
    TransformerDecoder,
)
from tests.tools import compiled, near, randomize, to_numpy

HEADS, HEAD_DIM, ORIGINAL = 3, 10, 7
LONGROPE = {
    "type": "longrope",
    "short_factors": [1.0, 1.1, 1.3, 1.7, 2.3],
    "long_factors": [1.2, 2.9, 5.0, 11.0, 13.0],
    "original_max_length": ORIGINAL,
    "factor": 4.0,
}


def theirs(x, positions, **scaling):
    """What the heads of a Phi-3 become."""
    torch = pytest.importorskip("torch", reason="the oracle")
    transformers = pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.phi3 import modeling_phi3

    config = transformers.Phi3Config(
        hidden_size=HEADS * HEAD_DIM,
        num_attention_heads=HEADS,
        max_position_embeddings=4 * ORIGINAL,
        original_max_position_embeddings=ORIGINAL,
        rope_parameters={
            "rope_type": "longrope",
            "rope_theta": 599.0,
            "short_factor": LONGROPE["short_factors"],
            "long_factor": LONGROPE["long_factors"],
            **scaling,
        },
    )
    heads = torch.tensor(x).transpose(1, 2)
    rotary = modeling_phi3.Phi3RotaryEmbedding(config)
    cosine, sine = rotary(heads, torch.tensor(positions)[None])
    found, _ = modeling_phi3.apply_rotary_pos_emb(heads, heads, cosine, sine)
    return found.transpose(1, 2).numpy()


def heads(rng, length=5):
    return rng.normal(size=(2, length, HEADS, HEAD_DIM)).astype("float32")


@pytest.mark.parametrize("last", [5, 6, 7, 100])
def test_the_highest_position_chooses_the_list(rng, last):
    x, positions = heads(rng), np.append(np.arange(4), last)
    layer = RotaryEmbedding(base=599.0, scaling=LONGROPE)
    near(layer.rotate(x, positions, "key"), theirs(x, positions))
    use = "long" if last >= ORIGINAL else "short"
    fixed = RotaryEmbedding(base=599.0, scaling={**LONGROPE, "use": use})
    near(fixed.rotate(x, positions, "key"), theirs(x, positions))


def test_the_attention_factor_may_be_given(rng):
    x, positions = heads(rng), np.arange(5)
    scaling = {**LONGROPE, "attention_factor": 1.7}
    layer = RotaryEmbedding(base=599.0, scaling=scaling)
    expected = theirs(x, positions, attention_factor=1.7)
    near(layer.rotate(x, positions, "key"), expected)


def test_a_row_chooses_by_its_own_length(rng):
    x = heads(rng)
    positions = np.stack([np.arange(5), np.arange(3, 8)])
    layer = RotaryEmbedding(base=599.0, scaling=LONGROPE)
    found = to_numpy(layer.rotate(x, positions, "key"))
    for row in range(2):
        near(found[row], theirs(x[row : row + 1], positions[row])[0])


def test_far_positions_are_exact():
    layer = RotaryEmbedding(scaling=LONGROPE)
    positions = np.arange(10**6 - 2, 10**6 + 3)
    factors = np.asarray(LONGROPE["long_factors"])
    frequencies = 1e4 ** (-np.arange(5) / 5) / factors
    angles = positions[:, None] * frequencies
    sine, cosine = np.sin(angles), np.cos(angles)
    expected = np.concatenate([cosine - sine, cosine + sine], axis=-1)
    expected *= np.sqrt(1 + np.log(4.0) / np.log(ORIGINAL))
    x = np.ones((1, 5, 1, HEAD_DIM), "float32")
    near(layer.rotate(x, positions, "key")[0, :, 0], expected, 1e-4, 0)


def test_a_graph_chooses_the_list(rng):
    x = heads(rng, 9)
    layer = MultiHeadAttention(HEADS, HEAD_DIM, position=_rotary())
    query = ops.reshape(ops.convert_to_tensor(x), (2, 9, -1))
    expected = layer(query)  # which builds it
    near(compiled(layer)(query), expected)


def _rotary(**options):
    return RotaryEmbedding(base=599.0, scaling={**LONGROPE, **options})


def _decoder(**options):
    return TransformerDecoder(
        37, 2, HEADS * HEAD_DIM, HEADS, position=_rotary(**options)
    )


@pytest.mark.parametrize(
    ("use", "length"), [("by_length", ORIGINAL), ("long", 11), ("short", 11)]
)
def test_cached_steps_are_the_full_pass(rng, use, length):
    model = randomize(_decoder(use=use), rng)
    ids = rng.integers(1, 37, (2, length))
    whole = to_numpy(model(ids))
    cache = model.init_cache(2, length)
    for place in range(length):
        step, cache = model(ids[:, place : place + 1], cache=cache, start=place)
        near(step[:, 0], whole[:, place], 2e-4, 2e-5)


def test_a_cache_that_outlasts_the_short_factors_is_refused():
    with pytest.raises(ValueError, match='7 positions at most.*use="long"'):
        _decoder().init_cache(2, 8)
    for flavour in (MultiHeadAttention, SlidingWindowAttention):
        layer = flavour(HEADS, HEAD_DIM, position=_rotary())
        layer.build((None, None, HEADS * HEAD_DIM))
        layer.init_cache(2, 7)
        with pytest.raises(ValueError, match="7 positions at most"):
            layer.init_cache(2, 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"short_factors": [1.0, 0.0]}, "short_factors of scaling must list"),
        ({"long_factors": 3.0}, "long_factors of scaling must list"),
        ({"use": "lang"}, "Did you mean 'long'"),
        ({"factor": 0.5}, "factor of scaling must be"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        _rotary(**wrong)


def test_as_many_factors_as_pairs_are_needed():
    layer = _rotary(long_factors=[1.0, 2.0])
    with pytest.raises(ValueError, match="each of the 5 pairs.*Received: 2"):
        layer.build((None, None, HEADS, HEAD_DIM))
    with pytest.raises(ValueError, match="longrope is for axes=1"):
        RotaryEmbedding(scaling=LONGROPE, axes=2)


def test_it_is_rebuilt_from_its_configuration(rng):
    layer = _rotary(long_factors=(1.2, 2.9, 5.0, 11.0, 13.0))
    again = RotaryEmbedding.from_config(layer.get_config())
    x, positions = heads(rng, 9), np.arange(9)
    near(again.rotate(x, positions, "key"), layer.rotate(x, positions, "key"))
