"""A block and its parts."""

import keras
import numpy as np
import pytest

from keras_attention import (
    FeedForward,
    MultiHeadAttention,
    TransformerBlock,
)
from tests.tools import near, randomize, to_numpy

DIM, MEMORY_DIM = 12, 10


def make(rng, cross=False, **options):
    block = TransformerBlock(
        MultiHeadAttention(3),
        FeedForward(17, "relu"),
        MultiHeadAttention(2) if cross else None,
        **options,
    )
    block.build((None, None, DIM))
    return randomize(block, rng)


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 5, DIM)).astype("float32")


@pytest.fixture
def memory(rng):
    return rng.normal(size=(2, 7, DIM)).astype("float32")


def test_building_twice_changes_nothing(rng, x):
    block = make(rng)
    weights, expected = block.weights, to_numpy(block(x))
    block.build((None, None, DIM))
    assert list(map(id, block.weights)) == list(map(id, weights))
    near(block(x), expected, 0)


@pytest.mark.parametrize("residual", ["pre_norm", "post_norm"])
def test_normalization_stands_where_it_is_said_to(rng, x, memory, residual):
    block = make(rng, cross=True, residual=residual)
    parts = [
        lambda x: block.attention(x, use_causal_mask=True),
        lambda x: block.cross_attention(x, memory),
        block.feed_forward,
    ]
    expected = keras.ops.convert_to_tensor(x)
    for part, norm in zip(parts, block.norms, strict=True):
        if residual == "pre_norm":
            expected = expected + part(norm(expected))
        else:
            expected = norm(expected + part(expected))
    near(block(x, memory=memory, use_causal_mask=True), expected, 1e-6)


@pytest.mark.parametrize("cross", [False, True])
def test_a_cache_and_a_memory_give_the_full_pass(rng, x, memory, cross):
    block = make(rng, cross=cross)
    mask = np.array([[1] * 5, [1, 1, 0, 1, 0]], bool)
    source_mask = np.arange(7)[None] < np.array([[7], [3]])
    expected = block(
        x,
        padding_mask=mask,
        memory=memory if cross else None,
        memory_padding_mask=source_mask if cross else None,
        use_causal_mask=True,
    )
    cache, outputs = block.init_cache(2, 5), []
    held = block.init_memory(memory, source_mask) if cross else None
    for start, stop in ((0, 2), (2, 3), (3, 5)):
        output, cache = block(
            x[:, start:stop],
            padding_mask=mask[:, start:stop],
            memory=held,
            cache=cache,
            start=start,
        )
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), expected)


def test_config_makes_the_same_block(rng, x):
    block = make(
        rng, residual="post_norm", normalization="rms_norm", dropout=0.1
    )
    again = TransformerBlock.from_config(block.get_config())
    assert again.get_config() == block.get_config()
    again.build(x.shape)
    again.set_weights(block.get_weights())
    near(again(x), block(x), atol=0)


def test_parts_keep_their_precision_through_a_configuration():
    block = TransformerBlock(
        MultiHeadAttention(3), FeedForward(5), dtype="mixed_bfloat16"
    )
    again = TransformerBlock.from_config(block.get_config())
    for one in (block, again):
        policies = {part.dtype_policy.name for part in one.norms}
        assert policies == {"mixed_bfloat16"}
        assert one.attention.dtype_policy.name == "float32"
        assert one.feed_forward.dtype_policy.name == "float32"


@pytest.mark.full
def test_keras_file_gives_the_same_model(rng, x, tmp_path):
    inputs = keras.Input((None, DIM))
    memory = keras.Input((None, DIM))
    output = make(rng, cross=True)(inputs, memory=memory)
    output = make(rng)(output, use_causal_mask=True)
    model = keras.Model([inputs, memory], output)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    source = rng.normal(size=(2, 7, DIM)).astype("float32")
    near(again([x, source]), model([x, source]), 1e-6)


def test_blocks_may_share_a_part(rng, x):
    attention, feed_forward = MultiHeadAttention(3), FeedForward(5)
    first = TransformerBlock(attention, feed_forward)
    second = TransformerBlock(attention, feed_forward)
    second(first(x))
    assert second.attention.query_dense is first.attention.query_dense
    kernels = {id(v) for block in (first, second) for v in block.weights}
    assert len(kernels) == len(first.weights) + 2 * 2


def test_the_memory_may_have_a_width_of_its_own(rng, x):
    block = make(rng, cross=True, memory_dim=MEMORY_DIM)
    memory = rng.normal(size=(2, 7, MEMORY_DIM)).astype("float32")
    near(block(x, memory=block.init_memory(memory)), block(x, memory=memory))


def test_variables_have_paths_to_lay_them_out_by(rng):
    block = TransformerBlock(
        MultiHeadAttention(3),
        FeedForward(17, "swiglu"),
        MultiHeadAttention(2, name="cross_attention"),
        name="block",
    )
    block.build((None, None, DIM))
    paths = [v.path for v in block.weights]
    assert len(set(paths)) == len(paths)
    for norm in ("attention_norm", "cross_attention_norm", "feed_forward_norm"):
        assert f"block/{norm}/gamma" in paths


def test_memory_is_asked_for_and_not_dropped(rng, x, memory):
    with pytest.raises(ValueError, match="memory"):
        make(rng, cross=True)(x)
    with pytest.raises(ValueError, match="cross_attention"):
        make(rng)(x, memory=memory)


def test_only_mixers_fit():
    class Pooling(MultiHeadAttention):
        kind = "pooling"

    class Selfish(MultiHeadAttention):
        supports_cross_attention = False

    with pytest.raises(ValueError, match="mixer.*Pooling"):
        TransformerBlock(Pooling(2), FeedForward(3))
    with pytest.raises(ValueError, match="mixer.*Pooling"):
        TransformerBlock(MultiHeadAttention(2), FeedForward(3), Pooling(2))
    with pytest.raises(ValueError, match="Selfish.*cross"):
        TransformerBlock(MultiHeadAttention(2), FeedForward(3), Selfish(2))


def test_dropout_acts_in_training_alone(rng, x):
    block = make(rng, dropout=0.5)
    near(block(x), make_same(block)(x), atol=0)
    assert np.abs(to_numpy(block(x, training=True) - block(x))).max() > 1e-2


def make_same(block):
    again = TransformerBlock.from_config({**block.get_config(), "dropout": 0.0})
    again.build((None, None, DIM))
    again.set_weights(block.get_weights())
    return again


def test_the_implicit_mask_goes_on(rng):
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    embedded = keras.layers.Embedding(5, DIM, mask_zero=True)(ids)
    block = make(rng)
    near(
        to_numpy(block(embedded))[ids > 0],
        to_numpy(block(to_numpy(embedded), padding_mask=ids > 0))[ids > 0],
    )


def test_a_mask_beside_held_memory_is_honoured(rng, x, memory):
    block = make(rng, cross=True)
    mask = np.arange(7)[None] < np.array([[7], [3]])
    expected = block(x, memory=memory, memory_padding_mask=mask)
    held = block.init_memory(memory)
    near(block(x, memory=held, memory_padding_mask=mask), expected)


def test_a_name_is_refused_since_it_has_no_sizes():
    with pytest.raises(ValueError, match="feed_forward.*'gelu'"):
        TransformerBlock(MultiHeadAttention(3), "gelu")
    with pytest.raises(ValueError, match="attention.*'multi_head'"):
        TransformerBlock("multi_head", FeedForward(17))
