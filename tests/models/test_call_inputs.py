"""Tensors that a model passes on by name: kinds, positions and masks."""

import numpy as np
import pytest

from keras_attention import (
    EncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.models.call_inputs import embed
from tests.models import small
from tests.tools import near, randomize, to_numpy

PADDING = 1  # of RoBERTa


def roberta(rng):
    """An encoder with the embeddings of RoBERTa, and theirs, of one copy."""
    modeling = pytest.importorskip(
        "transformers.models.roberta.modeling_roberta", reason="the oracle"
    )
    import torch

    config = modeling.RobertaConfig(
        vocab_size=23,
        hidden_size=12,
        max_position_embeddings=13,
        type_vocab_size=3,
        pad_token_id=PADDING,
        layer_norm_eps=1e-4,
    )
    theirs = modeling.RobertaEmbeddings(config).eval()
    model = TransformerEncoder(
        23,
        1,
        12,
        3,
        embedding={
            "class_name": "tokens",
            "config": {"scale": False, "padding_id": 1, "num_segments": 3},
        },
        position={
            "class_name": "learned",
            "config": {"max_length": 11, "offset": 2, "skips_padding": True},
        },
        embedding_normalization={
            "class_name": "layer_norm",
            "config": {"epsilon": 1e-4},
        },
        residual="post_norm",
    )
    randomize(model, rng)
    for ours, parameter in (
        (model.embedding.embedding.embeddings, theirs.word_embeddings.weight),
        (model.embedding.segments, theirs.token_type_embeddings.weight),
        (model.position.table, theirs.position_embeddings.weight),
        (model.embedding_norm.gamma, theirs.LayerNorm.weight),
        (model.embedding_norm.beta, theirs.LayerNorm.bias),
    ):
        parameter.data = torch.tensor(to_numpy(ours))
    return model, theirs


def test_embeddings_are_those_of_roberta(rng):
    model, theirs = roberta(rng)
    import torch

    ids = rng.integers(2, 23, (3, 9))
    ids[0, 6:] = ids[1, :2] = ids[2, 4] = PADDING  # wherever it stands
    kinds = rng.integers(0, 3, ids.shape)
    with torch.no_grad():
        expected = theirs(torch.tensor(ids), torch.tensor(kinds)).numpy()
    inputs = {"padding_mask": ids != PADDING, "segment_ids": kinds}
    near(embed(model, ids, **inputs), expected)
    places = rng.integers(0, 11, ids.shape)
    with torch.no_grad():
        expected = theirs(
            torch.tensor(ids),
            torch.tensor(kinds),
            position_ids=torch.tensor(places + 2),
        ).numpy()
    near(embed(model, ids, position_ids=places, **inputs), expected)
    # The call passes them on, by name and in a dictionary.
    whole = model(ids, segment_ids=kinds, position_ids=places)
    named = {"token_ids": ids, "segment_ids": kinds, "position_ids": places}
    near(model(named), whole, atol=0, rtol=0)
    assert np.abs(to_numpy(model(ids)) - to_numpy(whole)).max() > 1e-3


def test_a_dense_mask_hides_what_a_padding_mask_hides(rng):
    model = small.encoder(rng)
    ids = small.ids(rng)
    seen = np.repeat((ids != 0)[:, None], ids.shape[1], axis=1)
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids)}
    expected = to_numpy(model(ids))
    found = to_numpy(model({**inputs, "attention_mask": seen}))
    near(found[ids != 0], expected[ids != 0])


def test_a_decoder_reads_a_prefix_in_both_directions(rng):
    model = small.decoder(rng)
    ids = small.ids(rng, ragged=False)
    order = np.tril(np.ones((1, 7, 7), bool))
    near(model(ids, attention_mask=order), model(ids))
    prefix = order.copy()
    prefix[:, :4, :4] = True
    hidden = to_numpy(model(ids, attention_mask=prefix))
    where = np.arange(7) == 3
    other = small.changed(rng, ids, where[None])
    moved = to_numpy(model(other, attention_mask=prefix)) - hidden
    assert (np.abs(moved).max(-1) > 1e-4).all()
    where = np.arange(7) == 5
    other = small.changed(rng, ids, where[None])
    moved = to_numpy(model(other, attention_mask=prefix)) - hidden
    near(moved[:, :5], 0.0 * moved[:, :5])


def test_global_tokens_are_those_of_the_call(rng):
    attention = {
        "class_name": "longformer",
        "config": {"window_size": 1, "num_global_tokens": 0},
    }
    model = small.encoder(rng, attention=attention, num_layers=1)
    ids = small.ids(rng, ragged=False)
    marked = np.zeros(ids.shape, bool)
    marked[:, 3] = True
    other = small.changed(rng, ids, np.arange(7)[None] == 3)
    for inputs, reach in (({}, 3), ({"global_mask": marked}, 7)):
        moved = to_numpy(model(other, **inputs)) - to_numpy(
            model(ids, **inputs)
        )
        assert (np.abs(moved).max((0, 2)) > 1e-5).sum() == reach


def test_a_pair_hands_on_global_tokens_of_its_source(rng):
    attention = {
        "class_name": "longformer",
        "config": {"window_size": 1, "num_global_tokens": 0},
    }
    encoder = small.encoder(rng, attention=attention, num_layers=1)
    decoder = small.decoder(rng, cross_attention="multi_head")
    model = EncoderDecoder(encoder, decoder)
    source = small.ids(rng, ragged=False)
    target = source[:, :4]
    marked = np.zeros(source.shape, bool)
    marked[:, 3] = True
    expected = decoder.logits(
        decoder(target, memory=encoder(source, global_mask=marked))
    )
    inputs = {"source_ids": source, "target_ids": target}
    found = model({**inputs, "source_global_mask": marked})
    near(found, expected)
    assert np.abs(to_numpy(found) - to_numpy(model(inputs))).max() > 1e-4
    memory = model.init_memory(source, global_mask=marked)
    step, _ = model.step(target, model.init_cache(len(source), 4), memory)
    near(step, expected[:, -1])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"segment_ids": np.zeros((2, 5), int)}, "num_segments=None"),
        ({"global_mask": np.zeros((2, 5), bool)}, "MultiHead.*global"),
        ({"attention_mask": np.zeros((2, 5, 5))}, "attention_mask.*boolean"),
    ],
)
def test_what_no_part_takes_is_refused(rng, inputs, message):
    model = small.encoder(rng, position="rotary")
    with pytest.raises(ValueError, match=message):
        model(small.ids(rng, 5, 2), **inputs)


def test_positions_beyond_the_table_are_refused(rng):
    model = small.encoder(
        rng, position={"class_name": "learned", "config": {"max_length": 6}}
    )
    with pytest.raises(ValueError, match="positions.*max_length=6.*to 6"):
        model(np.array([[3, 4]]), position_ids=np.array([[0, 6]]))


def test_a_mask_has_no_place_beside_segments_or_a_cache(rng):
    model = small.decoder(rng, position="transformer_xl", segment_memory=4)
    ids = small.ids(rng)
    seen = np.ones((1, 7, 7), bool)
    with pytest.raises(ValueError, match="segments leave no place"):
        model(ids, attention_mask=seen, segments=model.init_segments(3))
    cache = model.init_cache(3, 9)
    with pytest.raises(ValueError, match="With a cache.*attention_mask"):
        model(ids, attention_mask=seen, cache=cache)


def test_an_embedding_of_ones_own_may_ask_for_the_start(rng):
    import keras

    from keras_attention import TokenEmbedding

    class Shifted(TokenEmbedding):
        def call(self, inputs, reverse=False, start=0, training=None):
            x = super().call(inputs, reverse=reverse, training=training)
            return x if reverse else x + keras.ops.cast(start, x.dtype)

    model = TransformerDecoder(
        23, 1, 12, 3, embedding=Shifted(23, 12), position=None, dropout=0.0
    )
    ids = small.ids(rng, ragged=False)
    cache = model.init_cache(3, 7)
    hidden, cache = model(ids[:, :4], cache=cache)
    plain = to_numpy(embed(model, ids))
    near(embed(model, ids, start=2), plain + 2.0)
    near(hidden, model(ids)[:, :4])
