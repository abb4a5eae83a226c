"""Every flavour with every encoding of attention that it takes.

By default those of exact attention run, in which every encoding occurs, and a
few others; that every flavour minds every hook of an encoding is shown in
`test_positions.py`. `pytest -m full` runs more of them, `pytest -m ""` all.
"""

import math

import numpy as np
import pytest
from keras import ops

from keras_attention import TransformerEncoder, attention, positions
from tests.contract.case import (
    BATCH,
    DIM,
    LENGTH,
    NUM_HEADS,
    without_norm,
)
from tests.contract.cases import CASES
from tests.contract.test_growth import LONG, SHORT, largest_tensor
from tests.tools import (
    BACKEND,
    gradients,
    near,
    near_by_size,
    randomize,
    to_numpy,
)

# What an encoding or a flavour needs to be told where its default does not do.
OPTIONS = {
    "t5_relative": {"bidirectional": True},
    "window_relative": {"grid": (1000, 3)},
}
ON_GRIDS = {"axial", "shifted_window"}  # which tell the grid themselves
WIDTHS = {"differential": {"head_dim": 8}}  # whose queries have half of it
# Encodings whose bias depends on more than the distance.
ABSOLUTE = {"fire", "window_relative"}
EVERY = {"tensorflow": 7, "torch": 11, "jax": 29}[BACKEND]

PAIRS = attention.compatibility()
FIRST = {case.name: case for case in reversed(CASES.values())}


def pairs():
    """Allowed pairs: those of exact attention, and one in eight times `EVERY`.

    One in `EVERY` is marked as full, the others as slow.
    """
    number = 0
    for flavour, refusals in PAIRS.items():
        for encoding, refusal in refusals.items():
            if refusal:
                continue
            number += 1
            marks = pytest.mark.slow
            if flavour == "multi_head" or number % (8 * EVERY) == 0:
                marks = ()
            elif number % EVERY == 0:
                marks = pytest.mark.full
            yield pytest.param(flavour, encoding, marks=marks)


def make(flavour, encoding, rng=None):
    """A layer with an encoding, built where there is a generator."""
    case = FIRST[flavour]
    told = OPTIONS.get(encoding, {})
    if encoding == "window_relative" and flavour in ON_GRIDS:
        told = {}
    position = positions.get(encoding, **told)
    options = {**case.options, **WIDTHS.get(flavour, {}), "position": position}
    layer = case._replace(options=options).make()
    if rng is not None:
        layer.build((BATCH, LENGTH, DIM))
        randomize(layer, rng, deviation=0.5)
    return layer


def causal_only(encoding):
    return positions.describe()[encoding]["causal_only"]


def padding(rng):
    mask = rng.random((BATCH, LENGTH)) < 0.6
    mask[:, 0], mask[:, -2] = True, False
    return mask


@pytest.mark.parametrize(("flavour", "encoding"), list(pairs()))
def test_a_pair_keeps_the_contract(flavour, encoding, rng, x):
    layer = make(flavour, encoding, rng)
    mask = padding(rng)
    for causal in (False, True):
        if causal and not layer.supports_causal_mask:
            continue
        if not causal and causal_only(encoding):
            continue
        masks = {"padding_mask": mask, "use_causal_mask": causal}
        output = to_numpy(layer(x, **masks))
        assert np.isfinite(output).all()
        other = np.where(mask[..., None], x, 9.0).astype("float32")
        found = to_numpy(layer(other, **masks))
        np.testing.assert_array_equal(found[mask], output[mask])
        if causal and layer.exact_causal:
            other = x.copy()
            other[:, 3:] = rng.normal(size=other[:, 3:].shape)
            found = to_numpy(layer(other, **masks))
            np.testing.assert_allclose(found[:, :3], output[:, :3], atol=1e-6)
    if layer.supports_cache and layer.position.supports_cache:
        has_sums = getattr(layer, "norm", False)
        for borders in ([0, 3, 4, LENGTH], range(LENGTH + 1)):
            with without_norm(layer):
                output = layer(x, padding_mask=mask, use_causal_mask=True)
                found = decode(layer, x, mask, borders)
            if has_sums:  # of any size, without their norm
                near_by_size(found, output)
            else:
                near(found, output, 2e-5)


def decode(layer, x, mask, borders):
    borders, outputs = list(borders), []
    cache = layer.init_cache(BATCH, LENGTH + 2)
    for start, stop in zip(borders, borders[1:], strict=False):
        rows = slice(start, stop)
        output, cache = layer(
            x[:, rows], padding_mask=mask[:, rows], cache=cache, start=start
        )
        outputs.append(to_numpy(output))
    return np.concatenate(outputs, axis=1)


@pytest.mark.parametrize(("flavour", "encoding"), list(pairs()))
def test_blocks_and_the_dense_weights_agree(flavour, encoding, rng, x):
    """What is computed piece by piece is that of the whole matrix."""
    layer, case = make(flavour, encoding, rng), FIRST[flavour]
    hooks = positions.describe()[encoding]["hooks"]
    if not (layer.supports_bias and case.weights_make_output):
        pytest.skip("has no weights that are the output's")
    if "values" in hooks:
        pytest.skip("adds to the values")
    if flavour == "differential":
        pytest.skip("changes what was mixed before it is projected")
    mask = padding(rng)
    masks = {
        "padding_mask": mask,
        "use_causal_mask": layer.supports_causal_mask,
    }
    weights = to_numpy(layer.attention_weights(x, **masks))
    key, value = layer.project_source(x, x)
    value = to_numpy(value)
    heads = weights.shape[1] // value.shape[2]
    value = np.repeat(value, heads, axis=2)
    mixed = np.einsum("bhts,bshd->bthd", weights, value)
    expected = to_numpy(layer.project_output(ops.convert_to_tensor(mixed), x))
    np.testing.assert_allclose(to_numpy(layer(x, **masks)), expected, atol=2e-5)


@pytest.mark.parametrize(("flavour", "encoding"), list(pairs()))
def test_the_encoding_counts_and_learns(flavour, encoding, rng, x):
    layer = make(flavour, encoding, rng)
    masks = {"use_causal_mask": layer.supports_causal_mask}
    value, found = gradients(
        lambda x: ops.sum(layer(x, **masks) ** 2), x, layer=layer
    )
    assert np.isfinite(value)
    assert all(np.isfinite(gradient).all() for gradient in found)
    weights = layer.trainable_variables
    own = {id(variable) for variable in layer.position.trainable_variables}
    assert own <= {id(variable) for variable in weights}
    for variable, gradient in zip(weights, found[1:], strict=True):
        if id(variable) in own:
            assert np.abs(gradient).max() > 0, variable.path
    output, position = to_numpy(layer(x, **masks)), layer.position
    for hook in ("rotate", "bias", "bias_in", "values", "values_in", "scale"):
        nothing = getattr(positions.PositionalEncoding, hook)
        setattr(position, hook, nothing.__get__(position))
    assert np.abs(to_numpy(layer(x, **masks)) - output).max() > 1e-5


@pytest.mark.parametrize("encoding", PAIRS["multi_head"])
def test_only_the_distance_counts(encoding, rng, x):
    if encoding in ABSOLUTE:
        pytest.skip("depends on where a query stands, by its definition")
    layer = make("multi_head", encoding, rng)
    masks = {"use_causal_mask": causal_only(encoding)}
    found = [to_numpy(layer(x, start=start, **masks)) for start in (0, 1, 101)]
    near(found[1], found[0])
    near(found[2], found[0])


# One that looks up, one that computes, two that use the contents.
ALWAYS_IN_PIECES = "t5_relative", "alibi", "shaw", "cope"


def in_pieces():
    """Encodings of scores with flavours that work piece by piece."""
    for flavour in ("sliding_window", "longformer", "bigbird"):
        for encoding, refusal in PAIRS[flavour].items():
            hooks = positions.describe()[encoding]["hooks"]
            if refusal is None and "bias" in hooks:
                always = (
                    flavour == "sliding_window" and encoding in ALWAYS_IN_PIECES
                )
                yield pytest.param(
                    flavour, encoding, marks=() if always else pytest.mark.slow
                )


@pytest.mark.skipif(BACKEND != "tensorflow", reason="reads TensorFlow's graph")
@pytest.mark.parametrize(("flavour", "encoding"), list(in_pieces()))
@pytest.mark.full
def test_a_bias_is_never_that_of_all_pairs(flavour, encoding, rng):
    layer = make(flavour, encoding, rng)
    causal = layer.supports_causal_mask
    short, long = (largest_tensor(layer, n, causal) for n in (SHORT, LONG))
    assert math.log(long / short) / math.log(LONG / SHORT) < 1.1


@pytest.mark.parametrize("flavour", PAIRS)
def test_other_pairs_are_refused_by_name(flavour):
    for encoding, refusal in PAIRS[flavour].items():
        if refusal is None:
            continue
        names = type(positions.get(encoding)).__name__, FIRST[flavour].name
        cls = attention.describe()[names[1]]["class_name"]
        with pytest.raises(ValueError, match=cls) as error:
            make(flavour, encoding)
        message = str(error.value)
        assert names[0] in message and ("use " in message or ";" in message)
        with pytest.raises(ValueError, match=cls):
            TransformerEncoder(
                23, 1, DIM, NUM_HEADS, attention=flavour, position=encoding
            )
