"""What a model is made of, and what it refuses to be made of."""

import keras
import numpy as np
import pytest

from keras_attention import (
    EncoderDecoder,
    MultiHeadAttention,
    RotaryEmbedding,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.attention.reference import EveryHook
from tests.models import small
from tests.tools import near, to_numpy

SIZES = small.SIZES


@keras.saving.register_keras_serializable(package="tests")
class EveryBlock(EveryHook):
    """An encoding that each block learns for itself."""

    shared = False


@pytest.mark.full
def test_a_position_is_shared_or_one_a_block(rng):
    shared = small.encoder(rng, position=EveryHook())
    assert {id(b.attention.position) for b in shared.blocks} == {
        id(shared.position)
    }
    own = small.encoder(rng, position=EveryBlock())
    positions = [block.attention.position for block in own.blocks]
    assert len({id(p) for p in positions}) == len(positions)
    learned = sum(int(np.prod(w.shape)) for w in positions[0].weights)
    assert own.count_params() - shared.count_params() == learned
    tokens = small.ids(rng)
    for model in (shared, own):
        again = TransformerEncoder.from_config(model.get_config())
        again.set_weights(model.get_weights())
        near(again(tokens), model(tokens), 0)


def test_a_position_of_the_attention_stays_its_own(rng):
    template = MultiHeadAttention(3, position=RotaryEmbedding(base=7.0))
    model = small.encoder(rng, attention=template, position="sinusoidal")
    for block in model.blocks:
        assert block.attention.position.base == 7.0
    tokens = small.ids(rng)
    plain = small.encoder(rng)
    plain.set_weights(model.get_weights())
    difference = to_numpy(plain(tokens)) - to_numpy(model(tokens))
    assert np.abs(difference).max() > 1e-3


def test_cross_attention_is_cycled_and_carries_no_position(rng):
    model = small.decoder(
        rng,
        num_layers=3,
        position="rotary",
        cross_attention=[MultiHeadAttention(3, num_kv_heads=1), "multi_head"],
    )
    kv_heads = [block.cross_attention.num_kv_heads for block in model.blocks]
    assert kv_heads == [1, 3, 1]
    for block in model.blocks:
        assert not block.cross_attention.position.acts_in_attention


def test_no_position_leaves_the_order_of_a_source_open(rng):
    model = small.encoder(rng, position=None)
    tokens = small.ids(rng, ragged=False)
    order = rng.permutation(7)
    near(model(tokens[:, order]), to_numpy(model(tokens))[:, order])


@pytest.mark.parametrize("tied", [True, False])
def test_logits_use_the_embedding_or_a_matrix_of_their_own(rng, tied):
    model = small.decoder(rng, tie_embeddings=tied)
    hidden = rng.normal(size=(2, 3, small.DIM)).astype("float32")
    matrix = to_numpy(model.embedding.weights[-1])
    near(model.logits(hidden), hidden @ (matrix.T if tied else matrix))
    other = small.decoder(rng, tie_embeddings=True)
    extra = 0 if tied else small.VOCABULARY * small.DIM
    assert model.count_params() - other.count_params() == extra
    again = TransformerDecoder.from_config(model.get_config())
    assert again.count_params() == model.count_params()


@pytest.mark.parametrize("shared", [True, False])
def test_number_of_weights_of_a_translator(rng, shared):
    dim, middle, vocabulary = small.DIM, 17, small.VOCABULARY
    model = small.encoder_decoder(rng, shared)
    attention = 4 * (dim * dim + dim)
    feed_forward = 2 * dim * middle + middle + dim
    norm = 2 * dim
    encoder = 2 * (attention + feed_forward + 2 * norm) + norm
    decoder = 2 * (2 * attention + feed_forward + 3 * norm) + norm
    embeddings = (1 if shared else 2) * vocabulary * dim
    weights = {id(w): w for w in model.trainable_variables}
    count = sum(int(np.prod(w.shape)) for w in weights.values())
    assert count == encoder + decoder + embeddings
    assert len(weights) == len(model.trainable_variables)


def test_paths_do_not_depend_on_what_was_made_before(rng):
    paths = []
    for _ in range(2):
        model = TransformerDecoder(
            **SIZES,
            cross_attention="multi_head",
            position="learned",
            name="decoder",
        )
        paths.append([w.path for w in model.weights])
    assert paths[0] == paths[1]
    assert all(path.startswith("decoder/") for path in paths[0])
    for name in (
        "decoder/embedding/embedding/embeddings",
        "decoder/position/table",
        "decoder/block_0/attention_norm/gamma",
        "decoder/block_1/cross_attention_norm/beta",
        "decoder/final_norm/gamma",
    ):
        assert name in paths[0]


@pytest.mark.full
def test_a_memory_of_another_width(rng):
    wide = TransformerEncoder(**{**SIZES, "hidden_dim": 18})
    decoder = TransformerDecoder(
        **SIZES, cross_attention="multi_head", memory_dim=18
    )
    model = EncoderDecoder(wide, decoder)
    again = EncoderDecoder.from_config(model.get_config())
    again.set_weights(model.get_weights())
    inputs = small.pairs(rng)
    near(again(inputs), model(inputs), 0)


class Pooling(MultiHeadAttention):
    kind = "pooling"


class TwoSided(MultiHeadAttention):
    supports_causal_mask = False


class Selfish(MultiHeadAttention):
    supports_cross_attention = False


def embedding(**options):
    sizes = {"vocabulary_size": small.VOCABULARY, "hidden_dim": small.DIM}
    return TokenEmbedding(**{**sizes, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": []}, "list"),
        ({"attention": ["multi_head", "no_such"]}, "no_such.*multi_head"),
        ({"attention": [MultiHeadAttention(2)]}, "num_heads=2.*num_heads=3"),
        ({"attention": keras.layers.Dense(3)}, "Dense"),
        ({"attention": Pooling(3)}, "mixer.*Pooling"),
        ({"attention": TwoSided(3)}, "TwoSided.*causal"),
        ({"cross_attention": []}, "list"),
        ({"cross_attention": Selfish(3)}, "Selfish.*cross"),
        ({"cross_attention": Pooling(3)}, "mixer.*Pooling"),
        ({"position": keras.layers.Dense(3)}, "Dense"),
        ({"position": "rotary", "num_heads": 4}, "even.*head_dim=3"),
        ({"feed_forward": "mlp"}, "mlp.*swiglu"),
        ({"normalization": "batch"}, "batch.*rms_norm"),
        ({"embedding": "words"}, "words.*tokens"),
        ({"embedding": embedding(vocabulary_size=7)}, "vocabulary_size=7"),
        ({"embedding": embedding(hidden_dim=6)}, "hidden_dim=6"),
        (
            {"embedding": embedding(), "tie_embeddings": False},
            "tie_weights=False",
        ),
        ({"num_heads": 0}, "num_heads.*0"),
        ({"hidden_dim": 12.0}, "hidden_dim.*12.0"),
        ({"dropout": -0.5}, "dropout.*-0.5"),
        ({"intermediate_dim": -3}, "intermediate_dim.*-3"),
        ({"vocabulary_size": 0}, "vocabulary_size.*0"),
    ],
)
def test_parts_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        TransformerDecoder(**{**SIZES, **options})


@pytest.mark.parametrize("name", ["window_size", "num_head", "causal"])
def test_an_argument_that_nobody_knows_is_refused(name):
    with pytest.raises((TypeError, ValueError), match=name):
        TransformerEncoder(**SIZES, **{name: 3})


@pytest.mark.full
def test_inputs_that_nobody_knows_are_refused(rng):
    tokens = small.ids(rng)
    with pytest.raises(ValueError, match="token_ids.*tokens"):
        small.encoder(rng)({"tokens": tokens})
    with pytest.raises(ValueError, match="mask"):
        small.encoder(rng)({"token_ids": tokens, "mask": tokens > 0})
    model = small.encoder_decoder(rng)
    with pytest.raises(ValueError, match="target_ids"):
        model({"source_ids": tokens})
    with pytest.raises(ValueError, match="source_ids"):
        model({"target_ids": tokens})


def test_ids_outside_the_vocabulary_are_refused_on_either_side(rng):
    model = small.encoder_decoder(rng)
    inputs = small.pairs(rng)
    for name in inputs:
        for wrong in (-1, small.VOCABULARY):
            tokens = inputs[name].copy()
            tokens[2, 1] = wrong
            with pytest.raises(ValueError, match=f"vocabulary_size.*{wrong}"):
                model({**inputs, name: tokens})


def test_sharing_that_is_not_so_is_refused():
    encoder = TransformerEncoder(**SIZES)
    crossing = {**SIZES, "cross_attention": "multi_head"}
    own = TransformerDecoder(**crossing)
    shared = TransformerDecoder(**crossing, embedding=encoder.embedding)
    with pytest.raises(ValueError, match="share_embeddings=True"):
        EncoderDecoder(encoder, own, share_embeddings=True)
    with pytest.raises(ValueError, match="share_embeddings=False"):
        EncoderDecoder(encoder, shared, share_embeddings=False)
