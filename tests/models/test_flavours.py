"""Every registered flavour in a model, by its name alone."""

import numpy as np
import pytest

from keras_attention import (
    EncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
    attention,
)
from keras_attention.generation import greedy_search
from tests.models import small
from tests.tools import near, only, to_numpy

FLAVOURS = attention.describe()
MIXERS = [name for name in FLAVOURS if FLAVOURS[name]["kind"] == "mixer"]
OTHERS = [name for name in FLAVOURS if name not in MIXERS]


def with_property(name, wanted=True):
    return [f for f in MIXERS if FLAVOURS[f][name] == wanted]


def of_each_kind(names):
    """One of each kind by default.

    `contract/test_layers_made.py` calls every flavour with its defaults, and
    the contract shows what models rely on.
    """
    kinds = {"multi_head", "sliding_window", "linear", "gated_delta", "lsh"}
    return only(kinds, names)


@pytest.mark.few
@pytest.mark.parametrize("name", of_each_kind(MIXERS))
def test_an_encoder_by_name(rng, name, tmp_path):
    encoder = small.encoder(rng, attention=name)
    for length in (7, 1):
        tokens = small.ids(rng, length, ragged=length > 1)
        hidden = to_numpy(encoder(tokens))
        assert hidden.shape == (3, length, small.DIM)
        assert np.isfinite(hidden).all()
    tokens = small.ids(rng)
    other = small.changed(rng, tokens, tokens == 0)
    found = encoder(other, padding_mask=tokens != 0)
    near(to_numpy(found)[tokens != 0], to_numpy(encoder(tokens))[tokens != 0])
    encoder.save_to_preset(tmp_path)
    again = TransformerEncoder.from_preset(tmp_path)
    near(again(tokens), encoder(tokens), 1e-6)


@pytest.mark.full
@pytest.mark.parametrize("name", of_each_kind(with_property("causal_mask")))
def test_a_decoder_by_name(rng, name):
    decoder = small.decoder(rng, attention=name, dropout=0.0)
    tokens = small.ids(rng, ragged=False)
    hidden = decoder(tokens)
    if not FLAVOURS[name]["cache"]:
        with pytest.raises(ValueError, match="cache"):
            decoder.init_cache(3, 9)
        return
    cache = decoder.init_cache(3, 9)
    result = greedy_search(
        decoder.step, cache, tokens[:, :4], max_length=9, end_id=None
    )
    found = to_numpy(result["token_ids"])
    logits = to_numpy(decoder.logits(decoder(found)))
    np.testing.assert_array_equal(found[:, 4:], logits[:, 3:-1].argmax(axis=-1))
    assert hidden.shape[1] == tokens.shape[1]


@pytest.mark.parametrize("name", with_property("causal_mask", False))
def test_what_is_not_causal_is_refused_by_a_decoder(rng, name):
    with pytest.raises(ValueError, match="causal"):
        small.decoder(rng, attention=name)


@pytest.mark.full
@pytest.mark.parametrize(
    "name", only({"multi_head", "linear"}, with_property("cross_attention"))
)
def test_cross_attention_by_name(rng, name):
    model = small.encoder_decoder(rng, cross_attention=name)
    assert isinstance(model, EncoderDecoder)
    pairs = small.pairs(rng)
    logits = to_numpy(model(pairs))
    assert np.isfinite(logits).all()
    source = pairs["source_ids"]
    other = {**pairs, "source_ids": source % (small.VOCABULARY - 1) + 1}
    other["source_padding_mask"] = source != 0
    assert np.abs(to_numpy(model(other)) - logits).max() > 1e-4


@pytest.mark.parametrize("name", with_property("cross_attention", False))
def test_what_attends_to_itself_alone_is_refused_across(rng, name):
    with pytest.raises(ValueError, match="cross-attention"):
        small.decoder(rng, cross_attention=name)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_mixer_is_refused(name):
    with pytest.raises(ValueError, match="mixer"):
        TransformerEncoder(**small.SIZES, attention=name)


def test_a_list_of_flavours_alternates(rng):
    names = ["multi_head", MIXERS[0]]
    encoder = small.encoder(rng, attention=names)
    kinds = [type(block.attention).__name__ for block in encoder.blocks]
    assert kinds == [FLAVOURS[name]["class_name"] for name in names]
    assert isinstance(small.decoder(rng), TransformerDecoder)
