"""Encoder, decoder and encoder-decoder."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_attention import (
    EncoderDecoder,
    FeedForward,
    LearnedEncoding,
    MultiHeadAttention,
    RotaryEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)

VOCABULARY = 23
SIZES = (VOCABULARY, 2, 12, 3)
PARTS = {
    "plain": {},
    "post": {"norm_first": False, "feed_forward": "relu"},
    "llama": {
        "attention": MultiHeadAttention(3, 4, 1, use_bias=False),
        "position": RotaryEmbedding(),
        "feed_forward": FeedForward(17, "swiglu", use_bias=False),
        "normalization": "rms_norm",
    },
    "learned": {"position": LearnedEncoding(max_length=19)},
}


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


@pytest.mark.parametrize("parts", PARTS)
def test_an_encoder_ignores_padding_and_its_content(parts, rng):
    encoder = TransformerEncoder(*SIZES, **PARTS[parts])
    token_ids = ids(rng, 2, 7)
    token_ids[1, 5:] = 0
    hidden = numpy(encoder(token_ids))
    assert hidden.shape == (2, 7, 12)
    alone = numpy(encoder(token_ids[1:, :5]))
    np.testing.assert_allclose(hidden[1:, :5], alone, atol=2e-6)
    other = token_ids.copy()
    other[1, 5:] = 3
    masked = numpy(encoder(other, padding_mask=token_ids != 0))
    np.testing.assert_allclose(masked[:, :5], hidden[:, :5], atol=2e-6)
    as_dict = numpy(encoder({"token_ids": token_ids}))
    np.testing.assert_array_equal(as_dict, hidden)


@pytest.mark.parametrize("parts", PARTS)
def test_a_decoder_sees_the_past_alone(parts, rng):
    decoder = TransformerDecoder(*SIZES, **PARTS[parts])
    token_ids = ids(rng, 2, 7)
    hidden = numpy(decoder(token_ids))
    token_ids[:, 4:] = ids(rng, 2, 3)
    changed = numpy(decoder(token_ids))
    np.testing.assert_allclose(changed[:, :4], hidden[:, :4], atol=2e-6)
    assert np.abs(changed[:, 4:] - hidden[:, 4:]).max() > 1e-3
    logits = decoder.logits(ops.convert_to_tensor(hidden))
    assert numpy(logits).shape == (2, 7, VOCABULARY)


@settings(max_examples=6)
@given(cuts=st.sets(st.integers(1, 10)))
@pytest.mark.parametrize("parts", PARTS)
def test_any_split_through_the_cache_gives_the_full_pass(parts, cuts):
    generator = np.random.default_rng(len(cuts))
    model = translator(**PARTS[parts])
    source_ids, target_ids = ids(generator, 2, 5), ids(generator, 2, 11)
    source_ids[0, 3:] = 0
    full = numpy(model(source_ids, target_ids))
    cache = model.init_cache(2, 13)
    memory = model.init_memory(ops.convert_to_tensor(source_ids))
    edges = [0, *sorted(cuts), 11]
    for start, stop in zip(edges, edges[1:], strict=False):
        piece = ops.convert_to_tensor(target_ids[:, start:stop])
        logits, cache = model.step(piece, cache, memory, start)
        np.testing.assert_allclose(numpy(logits), full[:, stop - 1], atol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("parts", PARTS)
def test_files_and_presets_give_back_the_same(parts, shared, tmp_path, rng):
    model = translator(shared, **PARTS[parts])
    inputs = {"source_ids": ids(rng, 2, 5), "target_ids": ids(rng, 2, 3)}
    expected = numpy(model(inputs))
    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    from_config = EncoderDecoder.from_config(model.get_config())
    from_config.set_weights(model.get_weights())
    for again in (
        keras.saving.load_model(tmp_path / "model.keras"),
        EncoderDecoder.from_preset(tmp_path / "preset"),
        from_config,
    ):
        assert again.count_params() == model.count_params()
        assert again.share_embeddings == shared
        np.testing.assert_array_equal(numpy(again(inputs)), expected)


def test_a_preset_of_a_trained_model_leaves_the_optimizer_out(tmp_path, rng):
    model = translator()
    inputs = {"source_ids": ids(rng, 2, 5), "target_ids": ids(rng, 2, 3)}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=False)
    model.fit(inputs, inputs["target_ids"], verbose=0)
    model.save_to_preset(tmp_path)
    again = EncoderDecoder.from_preset(tmp_path)
    np.testing.assert_array_equal(numpy(again(inputs)), numpy(model(inputs)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "model.weights.h5",
    ]


def test_a_preset_is_the_same_in_a_fresh_process(tmp_path, rng):
    model = translator()
    source_ids, target_ids = ids(rng, 2, 5), ids(rng, 2, 3)
    np.savez(tmp_path / "ids.npz", source=source_ids, target=target_ids)
    model.save_to_preset(tmp_path / "preset")
    script = (
        "import sys, numpy as np, keras\n"
        "from keras_attention import EncoderDecoder\n"
        "folder = sys.argv[1]\n"
        "ids = np.load(folder + '/ids.npz')\n"
        "model = EncoderDecoder.from_preset(folder + '/preset')\n"
        "logits = model(ids['source'], ids['target'])\n"
        "np.save(folder + '/logits.npy', keras.ops.convert_to_numpy(logits))\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"),
        numpy(model(source_ids, target_ids)),
        atol=1e-6,
    )


@pytest.mark.parametrize("jit", [False, "auto"])
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


def test_blocks_share_the_position_of_the_model():
    encoder = TransformerEncoder(*SIZES, position="rotary")
    found = {id(block.attention.position) for block in encoder.blocks}
    assert found == {id(encoder.position)}


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


def test_ids_outside_the_vocabulary_are_refused_in_eager_use():
    encoder = TransformerEncoder(*SIZES)
    for bad in (-1, VOCABULARY):
        with pytest.raises(ValueError, match=f"{VOCABULARY}"):
            encoder(np.array([[1, bad]], "int32"))


def test_a_cache_longer_than_the_positions_is_refused():
    decoder = TransformerDecoder(*SIZES, position=LearnedEncoding(7))
    with pytest.raises(ValueError, match="max_length=7"):
        decoder.init_cache(1, 8)


def test_a_decoder_that_attends_across_asks_for_memory(rng):
    decoder = TransformerDecoder(*SIZES, cross_attention="multi_head")
    with pytest.raises(ValueError, match="needs memory"):
        decoder(ids(rng, 1, 3))


@pytest.mark.parametrize("damage", ["no config", "half", "no weights", "text"])
def test_a_broken_preset_is_one_clear_error(damage, tmp_path):
    TransformerEncoder(*SIZES).save_to_preset(tmp_path)
    config, weights = tmp_path / "config.json", tmp_path / "model.weights.h5"
    if damage == "no config":
        config.unlink()
    elif damage == "half":
        weights.write_bytes(weights.read_bytes()[:3000])
    elif damage == "no weights":
        weights.unlink()
    else:
        config.write_text("{")
    with pytest.raises(ValueError, match=str(tmp_path)):
        TransformerEncoder.from_preset(tmp_path)


def test_a_preset_of_another_class_is_refused(tmp_path):
    TransformerEncoder(*SIZES).save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="TransformerEncoder, not a"):
        TransformerDecoder.from_preset(tmp_path)
