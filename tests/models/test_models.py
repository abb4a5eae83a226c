"""Encoder, decoder and encoder-decoder."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    EncoderDecoder,
    MultiHeadAttention,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.tools import few

VOCABULARY = 23
SIZES = (VOCABULARY, 2, 12, 3)


def numpy(x):
    return ops.convert_to_numpy(x)


def ids(rng, *shape):
    return rng.integers(1, VOCABULARY, shape).astype("int32")


def translator(shared=True, **parts):
    encoder = TransformerEncoder(*SIZES, dropout=0.0, **parts)
    if shared:
        parts = {**parts, "embedding": encoder.embedding}
    decoder = TransformerDecoder(
        *SIZES, dropout=0.0, cross_attention="multi_head", **parts
    )
    return EncoderDecoder(encoder, decoder)


@pytest.mark.full
@pytest.mark.parametrize("jit", few(["auto", False]))
def test_fit_takes_one_dictionary_and_learns(jit, rng):
    keras.utils.set_random_seed(3)
    model = translator()
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit,
    )
    source_ids = ids(rng, 4, 5)
    start = np.ones((4, 1), "int32")
    inputs = {
        "source_ids": source_ids,
        "target_ids": np.concatenate([start, source_ids[:, :-1]], axis=1),
    }
    history = model.fit(inputs, source_ids, epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.2


def test_one_template_makes_layers_of_their_own_and_a_list_is_cycled():
    wide, narrow = (MultiHeadAttention(3, num_kv_heads=n) for n in (3, 1))
    encoder = TransformerEncoder(VOCABULARY, 3, 12, 3, attention=[wide, narrow])
    layers = [block.attention for block in encoder.blocks]
    assert [layer.num_kv_heads for layer in layers] == [3, 1, 3]
    assert len({id(layer.query_dense.kernel) for layer in layers}) == 3
    assert not wide.built


def test_variables_have_paths_that_layout_maps_can_match():
    decoder = TransformerDecoder(
        *SIZES, cross_attention="multi_head", name="decoder"
    )
    paths = {variable.path for variable in decoder.trainable_variables}
    assert "decoder/block_1/attention/query/kernel" in paths
    assert "decoder/block_0/cross_attention/attention_output/bias" in paths
    assert "decoder/block_0/feed_forward/up/kernel" in paths
    assert len(paths) == len(decoder.trainable_variables)


def test_weights_are_as_many_as_the_formula_says():
    vocabulary, layers, dim, middle = 31, 3, 20, 50
    encoder = TransformerEncoder(
        vocabulary, layers, dim, 4, intermediate_dim=middle
    )
    attention = 4 * (dim * dim + dim)
    feed_forward = 2 * dim * middle + middle + dim
    block = attention + feed_forward + 2 * 2 * dim
    expected = vocabulary * dim + layers * block + 2 * dim
    trainable = sum(int(np.prod(w.shape)) for w in encoder.trainable_variables)
    assert trainable == expected


@pytest.mark.full
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_float32(policy, rng):
    model = translator(shared=False)
    half = EncoderDecoder(
        TransformerEncoder(*SIZES, dropout=0.0, dtype=policy),
        TransformerDecoder(
            *SIZES, dropout=0.0, cross_attention="multi_head", dtype=policy
        ),
    )
    half.set_weights(model.get_weights())
    source_ids, target_ids = ids(rng, 2, 5), ids(rng, 2, 3)
    expected = numpy(model(source_ids, target_ids))
    got = half(source_ids, target_ids)
    assert keras.backend.standardize_dtype(got.dtype) == policy[6:]
    got = numpy(ops.cast(got, "float32"))
    np.testing.assert_allclose(got, expected, atol=0.15)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: TransformerEncoder(9, 1, 16, 3), "hidden_dim=16, num_heads=3"),
        (lambda: TransformerEncoder(9, 0, 16, 4), "num_layers"),
        (lambda: TransformerEncoder(0, 1, 16, 4), "vocabulary_size"),
        (lambda: TransformerEncoder(*SIZES, dropout=1.0), "dropout"),
        (lambda: TransformerEncoder(*SIZES, attention="mha"), "multi_head"),
        (lambda: TransformerEncoder(*SIZES, position="rope"), "rotary"),
        (lambda: TransformerEncoder(*SIZES, feed_forward="x"), "swiglu"),
        (lambda: TransformerEncoder(*SIZES, normalization="x"), "rms_norm"),
        (lambda: TransformerEncoder(*SIZES, memory_dim=3), "memory_dim"),
        (
            lambda: TransformerEncoder(*SIZES, attention=MultiHeadAttention(2)),
            "num_heads=2",
        ),
        (
            lambda: EncoderDecoder(
                TransformerEncoder(*SIZES), TransformerDecoder(*SIZES)
            ),
            "cross_attention",
        ),
        (
            lambda: EncoderDecoder(
                TransformerEncoder(VOCABULARY, 1, 8, 2),
                TransformerDecoder(*SIZES, cross_attention="multi_head"),
            ),
            "memory_dim",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_preset_of_another_class_is_refused(tmp_path):
    TransformerEncoder(*SIZES).save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="TransformerEncoder, not a"):
        TransformerDecoder.from_preset(tmp_path)
