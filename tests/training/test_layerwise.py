"""AdamW with a rate for each weight, beside the parameter groups of torch."""

import keras
import numpy as np
import pytest

from keras_attention import (
    Classifier,
    EncoderDecoder,
    RecurrentEncoder,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.training import LayerwiseAdamW, adamw_for
from keras_attention.training.layerwise import is_decayed, layer_rates
from tests.tools import near, to_numpy


@pytest.fixture
def model():
    encoder = TransformerEncoder(13, 2, 6, 2, dropout=0.0, position="learned")
    return Classifier(encoder, num_classes=3, dropout=0.0)


def expected_rates(model, decay):
    """By where a weight lies: the embeddings are three below the head."""
    encoder = model.encoder
    parts = [
        (encoder.embedding, 3),
        (encoder.position, 3),
        (encoder.blocks[0], 2),
        (encoder.blocks[1], 1),
        (encoder.final_norm, 0),
        (model.dense, 0),
    ]
    found = {id(w): decay**n for part, n in parts for w in part.weights}
    return [found[id(weight)] for weight in model.trainable_weights]


def test_rates_fall_from_the_head_to_the_embeddings(model):
    near(layer_rates(model, 0.5), expected_rates(model, 0.5))


def test_each_stack_counts_from_its_own_end():
    encoder = TransformerEncoder(13, 3, 6, 2)
    decoder = TransformerDecoder(
        13, 1, 6, 2, cross_attention="multi_head", tie_embeddings=False
    )
    model = EncoderDecoder(encoder, decoder)
    rates = layer_rates(model, 0.5)
    found = dict(zip(map(id, model.trainable_weights), rates, strict=True))

    def of(part):
        return {found[id(weight)] for weight in part.weights}

    assert of(encoder.blocks[0]) == {0.125}
    assert of(encoder.embedding) == {0.0625}
    assert of(decoder.blocks[0]) == {0.5}
    # The table of tokens, and the matrix that makes logits.
    assert of(decoder.embedding) == {0.25, 1.0}


def test_biases_and_normalizations_do_not_decay(model):
    left_out = {
        w.path.split("/")[-1] for w in model.weights if not is_decayed(w)
    }
    assert left_out == {"bias", "beta", "gamma"}
    for weight in model.trainable_weights:
        name = weight.path.split("/")[-1]
        assert is_decayed(weight) == (name not in left_out), weight.path


@pytest.mark.parametrize(
    "layer_decay", [pytest.param(1.0, marks=pytest.mark.full), 0.6]
)
def test_updates_are_those_of_torch_with_a_group_for_each_weight(
    model, layer_decay
):
    torch = pytest.importorskip("torch", reason="the oracle")
    weights, rate = model.trainable_weights, 0.03
    twins = [torch.tensor(to_numpy(weight).copy()) for weight in weights]
    groups = [
        {
            "params": [twin],
            "lr": rate * factor,
            "weight_decay": 0.2 if len(twin.shape) > 1 and not bias else 0.0,
        }
        for twin, factor, bias in zip(
            twins,
            expected_rates(model, layer_decay),
            [weight.name == "bias" for weight in weights],
            strict=True,
        )
    ]
    oracle = torch.optim.AdamW(groups, betas=(0.8, 0.9), eps=1e-12)
    optimizer = adamw_for(
        model,
        rate,
        weight_decay=0.2,
        layer_decay=layer_decay,
        beta_1=0.8,
        beta_2=0.9,
        epsilon=1e-12,
    )
    generator = np.random.default_rng(2)
    for _ in range(3):
        drawn = [
            generator.normal(size=weight.shape).astype("float32")
            for weight in weights
        ]
        optimizer.apply(
            [keras.ops.convert_to_tensor(x) for x in drawn], weights
        )
        for twin, gradient in zip(twins, drawn, strict=True):
            twin.grad = torch.tensor(gradient)
        oracle.step()
    for weight, twin in zip(weights, twins, strict=True):
        near(weight, twin)


@pytest.mark.full
def test_a_first_step_of_fit_is_as_large_as_each_rate(model):
    """Adam's first step is the rate itself, whatever the gradient."""
    model.compile(
        adamw_for(model, 0.01, weight_decay=0.0, layer_decay=0.5),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    before = [to_numpy(weight).copy() for weight in model.trainable_weights]
    rows = np.arange(1, 13).reshape(4, 3)
    model.fit(rows, np.array([0, 1, 2, 1]), batch_size=4, verbose=0)
    moved = [
        np.abs(to_numpy(weight) - old).max()
        for weight, old in zip(model.trainable_weights, before, strict=True)
    ]
    factors = expected_rates(model, 0.5)
    for weight, far, factor in zip(
        model.trainable_weights, moved, factors, strict=True
    ):
        # What is added to all keys alike has no gradient.
        if not weight.path.endswith("key/bias"):
            near(far / 0.01, factor, rtol=1e-2)


def test_an_optimizer_comes_back_from_its_configuration(model):
    made = adamw_for(model, 0.01, layer_decay=0.5, weight_decay=0.3)
    again = LayerwiseAdamW.from_config(made.get_config())
    assert (again.rates, again.decayed) == (made.rates, made.decayed)
    model.trainable = False
    with pytest.raises(ValueError, match="Received: a model with 0"):
        again.build(model.trainable_weights)


def test_models_without_blocks_have_no_layer_decay():
    model = Classifier(RecurrentEncoder(13, 1, 6), num_classes=3)
    with pytest.raises(ValueError, match="Received: Classifier"):
        adamw_for(model, 0.1, layer_decay=0.9)
    with pytest.raises(ValueError, match="layer_decay must be"):
        adamw_for(model, 0.1, layer_decay=1.1)
