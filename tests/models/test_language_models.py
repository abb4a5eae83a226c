"""Models whose calls give logits of tokens."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    CausalLM,
    EncoderDecoder,
    MaskedLM,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.generation import Generator
from tests.models import small
from tests.tools import near, only, randomize, to_numpy

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def causal(rng, **options):
    return CausalLM(small.decoder(rng, **options))


def masked(rng, **options):
    encoder = small.encoder(rng, normalization="rms_norm")
    return randomize(MaskedLM(encoder, **options), rng)


def test_a_causal_model_gives_the_logits_of_its_decoder(rng):
    model = causal(rng)
    ids = small.ids(rng)
    expected = model.decoder.logits(model.decoder(ids))
    near(model(ids), expected, atol=0, rtol=0)
    near(model({"token_ids": ids}), expected, atol=0, rtol=0)
    assert model.vocabulary_size == small.VOCABULARY


def test_a_causal_model_keeps_a_cache(rng):
    model = causal(rng, position="rotary")
    ids = small.ids(rng, ragged=False)
    whole = to_numpy(model(ids))
    cache = model.init_cache(3, 7)
    logits, cache = model(ids[:, :4], cache=cache)
    near(logits, whole[:, :4])
    for place in range(4, 7):
        step, cache = model.step(ids[:, place : place + 1], cache, start=place)
        near(step, whole[:, place])


def test_a_causal_model_reads_in_segments(rng):
    model = causal(rng, position="transformer_xl", segment_memory=7)
    ids = small.ids(rng, ragged=False)
    segments = model.init_segments(3)
    first, segments = model(ids[:, :3], segments=segments)
    second, _ = model(ids[:, 3:], segments=segments)
    whole = to_numpy(model(ids))
    near(np.concatenate([to_numpy(first), to_numpy(second)], 1), whole)


def test_a_causal_model_generates(rng):
    model = causal(rng)
    prompt = small.ids(rng, 3, ragged=False)
    settings = {"max_length": 7, "end_id": None, "jit_compile": False}
    found = Generator(model, **settings)(prompt)["token_ids"]
    expected = Generator(model.decoder, **settings)(prompt)["token_ids"]
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="token_ids.*vocabulary_size=23"):
        Generator(model, **settings)(prompt + 23)


def definition(model, hidden):
    """The head of BERT in NumPy."""
    kernel, bias = map(to_numpy, (model.transform.kernel, model.transform.bias))
    x = hidden @ kernel + bias
    x = to_numpy(keras.activations.gelu(ops.array(x), approximate=False))
    if model.norm is not None:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5)
        x = x * to_numpy(model.norm.gamma) + to_numpy(model.norm.beta)
    table = to_numpy(model.encoder.embedding.embedding.embeddings)
    logits = x @ table.T
    return logits + to_numpy(model.bias) if model.use_bias else logits


@pytest.mark.parametrize(
    "options", [{}, {"normalization": None, "use_bias": False}]
)
def test_a_masked_model_has_the_head_of_bert(rng, options):
    model = masked(rng, **options)
    ids = small.ids(rng)
    expected = definition(model, to_numpy(model.encoder(ids)))
    near(model(ids), expected, 2e-5)
    places = rng.integers(0, 7, (3, 2))
    some = np.take_along_axis(expected, places[..., None], axis=1)
    near(model(ids, mask_positions=places), some, 2e-5)
    named = {"token_ids": ids, "mask_positions": places}
    near(model(named), some, 2e-5)


@pytest.mark.parametrize("make", [causal, masked])
def test_a_language_model_comes_back(rng, make, tmp_path):
    model, ids = make(rng), small.ids(rng)
    expected = to_numpy(model(ids))
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    for again in (
        type(model).from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        near(again(ids), expected, 1e-6)


@pytest.mark.full
@pytest.mark.parametrize("make", only([causal], [causal, masked]))
def test_a_language_model_learns(rng, make):
    model = make(rng)
    model.compile(keras.optimizers.Adam(0.02), LOSS)
    ids = small.ids(rng, 8, 4, ragged=False)
    if make is causal:
        given, wanted = ids[:, :-1], ids[:, 1:]
    else:
        places = rng.integers(0, 8, (4, 3))
        wanted = np.take_along_axis(ids, places, axis=1)
        given = {"token_ids": ids, "mask_positions": places}
    history = model.fit(given, wanted, epochs=15, verbose=0, shuffle=False)
    loss = history.history["loss"]
    assert loss[-1] < 0.7 * loss[0]


def test_activations_of_other_kinds(rng):
    model = masked(rng, activation=keras.activations.silu)
    again = MaskedLM.from_config(model.get_config())
    again.set_weights(model.get_weights())
    ids = small.ids(rng)
    near(again(ids), model(ids), 1e-6)


def test_parts_that_do_not_fit_are_refused(rng):
    crossing = small.decoder(rng, cross_attention="multi_head")
    with pytest.raises(ValueError, match="cross_attention.*EncoderDecoder"):
        CausalLM(crossing)
    encoder = small.encoder(rng)
    with pytest.raises(ValueError, match="TransformerDecoder.*Encoder"):
        CausalLM(encoder)
    pair = EncoderDecoder(encoder, crossing)
    with pytest.raises(ValueError, match="Received: EncoderDecoder"):
        CausalLM(pair)
    with pytest.raises(ValueError, match="tokens.*Received: EncoderDecoder"):
        MaskedLM(pair)
    with pytest.raises(ValueError, match="'swiglu', a gated form"):
        MaskedLM(encoder, activation="swiglu")
    with pytest.raises(ValueError, match="activation: 'gulu'.*mean 'glu'"):
        MaskedLM(encoder, activation="gulu")
    images = TransformerEncoder(
        None,
        1,
        12,
        3,
        embedding={
            "class_name": "patches",
            "config": {"patch_size": 2, "hidden_dim": 12},
        },
    )
    with pytest.raises(ValueError, match="embedding of tokens"):
        MaskedLM(images)


def test_a_configuration_makes_them(rng):
    decoder, encoder = small.decoder(rng), small.encoder(rng)
    for model in (CausalLM(decoder), MaskedLM(encoder)):
        again = type(model).from_config(model.get_config())
        assert again.get_config() == model.get_config()
    assert isinstance(CausalLM(decoder).decoder, TransformerDecoder)
