"""Padding and causality of whole models."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import TokenEmbedding
from tests.models import small
from tests.tools import gradients, near, to_numpy

PARTS = {
    "before": {},
    "after": {"residual": "post_norm", "position": "rotary"},
}


@pytest.fixture(params=PARTS)
def parts(request):
    return PARTS[request.param]


def test_contents_of_padding_do_not_matter(rng, parts):
    model = small.encoder_decoder(rng, **parts)
    inputs = small.pairs(rng)
    masks = {
        "source_padding_mask": rng.random((3, 5)) < 0.6,
        "target_padding_mask": rng.random((3, 7)) < 0.6,
    }
    masks["source_padding_mask"][2] = False
    expected = to_numpy(model({**inputs, **masks}))
    assert np.isfinite(expected).all()
    for side in ("source", "target"):
        mask = masks[f"{side}_padding_mask"]
        tokens = inputs[f"{side}_ids"]
        other = small.changed(rng, tokens, ~mask)
        assert (other != tokens).any()
        output = to_numpy(model({**inputs, f"{side}_ids": other, **masks}))
        keep = mask if side == "target" else np.ones((3, 7), bool)
        near(output[keep], expected[keep], 1e-6)


@pytest.mark.full
def test_the_mask_of_a_source_is_made_of_the_padding_id(rng, parts):
    model = small.encoder_decoder(rng, **parts)
    inputs = small.pairs(rng)
    mask = inputs["source_ids"] != 0
    near(model(inputs), model({**inputs, "source_padding_mask": mask}), 0)
    near(model(*inputs.values()), model(inputs), 0)


@pytest.mark.full
def test_no_target_token_is_hidden_because_of_its_value(rng, parts):
    model = small.encoder_decoder(rng, **parts)
    inputs = small.pairs(rng, ragged=False)
    inputs["target_ids"][:, [0, 3]] = 0
    shown = np.ones((3, 7), bool)
    near(model(inputs), model({**inputs, "target_padding_mask": shown}))
    hidden = model({**inputs, "target_padding_mask": inputs["target_ids"] != 0})
    assert np.abs(to_numpy(model(inputs)) - to_numpy(hidden)).max() > 1e-3


@pytest.mark.full
def test_padding_behind_a_target_needs_no_mask(rng, parts):
    model = small.encoder_decoder(rng, **parts)
    inputs = small.pairs(rng)
    mask = inputs["target_ids"] != 0
    masked = to_numpy(model({**inputs, "target_padding_mask": mask}))
    near(to_numpy(model(inputs))[mask], masked[mask], 1e-6)


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_a_decoder_of_vectors_honours_their_implicit_mask(rng):
    model = small.decoder(rng, embedding="vectors", dropout=0.0)
    x = rng.normal(size=(2, 5, 4)).astype("float32")
    x[1, 1:3] = 0
    mask = np.any(x != 0, axis=-1)
    near(model(keras.layers.Masking()(x)), model(x, padding_mask=mask))


def test_another_padding_id(rng):
    embedding = TokenEmbedding(small.VOCABULARY, small.DIM, padding_id=4)
    model = small.encoder(rng, embedding=embedding)
    tokens = small.ids(rng)
    tokens[0, 2] = 4
    mask = tokens != 4
    near(model(tokens), model(tokens, padding_mask=mask), 0)


def test_padding_gets_no_gradient(rng, parts):
    model = small.encoder_decoder(rng, shared=False, **parts)
    inputs = small.pairs(rng)
    inputs["source_ids"][inputs["source_ids"] == 5] = 6
    inputs["source_ids"][1, -3:] = 5
    mask = inputs["source_ids"] != 5

    def loss():
        logits = model({**inputs, "source_padding_mask": mask})
        return ops.sum(logits**2)

    _, found = gradients(loss, layer=model)
    variables = model.trainable_variables
    place = [v is model.encoder.embedding.weights[0] for v in variables]
    table = found[place.index(True)]
    assert not table[5].any()
    assert table[inputs["source_ids"][0, 0]].any()


def test_future_targets_do_not_change_the_past(rng, parts):
    model = small.encoder_decoder(rng, **parts)
    inputs = small.pairs(rng, ragged=False)
    expected = to_numpy(model(inputs))
    for place in range(1, 7):
        late = np.arange(7)[None] >= place
        tokens = small.changed(rng, inputs["target_ids"], late)
        output = to_numpy(model({**inputs, "target_ids": tokens}))
        near(output[:, :place], expected[:, :place], 1e-6)
        assert np.abs(output - expected)[:, place].max() > 1e-3


@pytest.mark.full
def test_sources_without_a_token_give_finite_logits(rng, parts):
    model = small.encoder_decoder(rng, **parts)
    inputs = small.pairs(rng)
    inputs["source_ids"][1] = 0
    inputs["target_ids"][2] = 0
    assert np.isfinite(to_numpy(model(inputs))).all()


@pytest.mark.full
def test_rows_of_a_batch_do_not_touch(rng, parts):
    model = small.encoder_decoder(rng, **parts)
    inputs = small.pairs(rng)
    together = to_numpy(model(inputs))
    for row in range(3):
        alone = {name: x[row : row + 1] for name, x in inputs.items()}
        near(model(alone), together[row : row + 1])


@pytest.mark.full
def test_the_implicit_mask_of_vectors_is_honoured(rng):
    model = small.encoder(rng, embedding="vectors", dropout=0.0)
    x = rng.normal(size=(2, 5, 4)).astype("float32")
    x[1, 3:] = 0
    mask = np.any(x != 0, axis=-1)
    masked = model(keras.layers.Masking()(x))
    near(masked, model(x, padding_mask=mask))
    inputs = keras.Input((None, 4))
    outputs = model(keras.layers.Masking()(inputs))
    near(keras.Model(inputs, outputs)(x), masked)
