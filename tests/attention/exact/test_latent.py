"""Latent attention agrees with Hugging Face's DeepSeek-V3."""

import numpy as np
import pytest

from keras_attention import LatentAttention, RotaryEmbedding
from keras_attention.attention.exact import latent
from tests.attention.reference import Biased
from tests.tools import BACKEND, near, randomize, to_numpy

BATCH, DIM, HEADS, SIZES = 2, 24, 3, {"kv_rank": 13, "value_dim": 5}
ROPE, HEAD = 4, 7


def pair(rng, query_rank, interleaved, rope=None, scale=None, scaling=None):
    from tests.attention import hugging_face

    theirs, call = hugging_face.make(
        rng,
        "deepseek_v3",
        "DeepseekV3",
        hidden_size=DIM,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        q_lora_rank=query_rank,
        kv_lora_rank=SIZES["kv_rank"],
        qk_rope_head_dim=ROPE,
        qk_nope_head_dim=HEAD,
        v_head_dim=SIZES["value_dim"],
        rope_interleave=interleaved,
        rope=rope or {},
    )
    ours = LatentAttention(
        HEADS,
        HEAD,
        rope_dim=ROPE,
        query_rank=query_rank,
        use_bias=False,
        scale=scale,
        position=RotaryEmbedding(
            base=hugging_face.THETA, interleaved=interleaved, scaling=scaling
        ),
        **SIZES,
    )
    ours.build((None, None, DIM))
    copy, numpy = hugging_face.copy, lambda w: w.detach().numpy()
    if query_rank is None:
        copy(ours.query_dense, theirs.q_proj)
    else:
        copy(ours.query_compress_dense, theirs.q_a_proj)
        ours.query_norm.scale.assign(numpy(theirs.q_a_layernorm.weight))
        copy(ours.query_dense, theirs.q_b_proj)
    # They compress and make the rotated key in one map, expand to keys and
    # values in another.
    both, rank = theirs.kv_a_proj_with_mqa, SIZES["kv_rank"]
    copy(ours.compress_dense, both, np.arange(rank))
    copy(ours.rope_dense, both, rank + np.arange(ROPE))
    ours.compress_norm.scale.assign(numpy(theirs.kv_a_layernorm.weight))
    rows = np.arange(HEADS * (HEAD + SIZES["value_dim"])).reshape(HEADS, -1)
    copy(ours.key_dense, theirs.kv_b_proj, rows[:, :HEAD].ravel())
    copy(ours.value_dense, theirs.kv_b_proj, rows[:, HEAD:].ravel())
    copy(ours.output_dense, theirs.o_proj)
    return ours, call


@pytest.mark.parametrize("query_rank", [None, 11])
@pytest.mark.parametrize("interleaved", [True, False])
def test_numbers_of_deepseek(rng, query_rank, interleaved):
    hugging_face = pytest.importorskip("tests.attention.hugging_face")
    ours, theirs = pair(rng, query_rank, interleaved)
    for length in (11, 5):
        x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
        for padding, mask in hugging_face.masks(BATCH, length):
            output = ours(x, padding_mask=padding, use_causal_mask=True)
            rows = mask.any(axis=-1)
            near(to_numpy(output)[rows], theirs(x, mask)[rows])
    cache, outputs = ours.init_cache(BATCH, length + 2), []
    for start in range(length):
        output, cache = ours(x[:, start : start + 1], cache=cache, start=start)
        outputs.append(to_numpy(output))
    causal = np.tril(np.ones((BATCH, length, length), bool))
    near(np.concatenate(outputs, axis=1), theirs(x, causal))


def make(rng, **options):
    options = {"position": "rotary", "rope_dim": ROPE, **SIZES, **options}
    layer = LatentAttention(HEADS, HEAD, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def decode(layer, x, padding, borders):
    cache, outputs = layer.init_cache(BATCH, x.shape[1] + 3), []
    for start, stop in zip(borders, borders[1:], strict=False):
        output, cache = layer(
            x[:, start:stop],
            padding_mask=padding[:, start:stop],
            cache=cache,
            start=start,
        )
        outputs.append(to_numpy(output))
    return np.concatenate(outputs, axis=1)


@pytest.mark.parametrize("position", ["rotary", None, Biased])
def test_compressed_and_expanded_steps_agree(rng, monkeypatch, position):
    position = position() if position is Biased else position
    layer = make(rng, position=position)
    x = rng.normal(size=(BATCH, 11, DIM)).astype("float32")
    padding = rng.random((BATCH, 11)) < 0.7
    padding[1, :3] = False
    expected = layer(x, padding_mask=padding, use_causal_mask=True)
    used, original = [], latent.attend_to_compressed

    def spy(*arguments):
        used.append(1)
        return original(*arguments)

    monkeypatch.setattr(latent, "attend_to_compressed", spy)
    for few in (True, False):
        monkeypatch.setattr(latent, "is_cheaper", lambda *_, few=few: few)
        for borders in ([0, 1, 2, 5, 11], [0, 11]):
            used.clear()
            near(decode(layer, x, padding, borders), expected)
            acts = isinstance(position, Biased)
            steps = len(borders) - 1 if few and not acts else 0
            assert len(used) == steps


def test_few_queries_are_cheaper_compressed(rng):
    layer = make(rng)
    # A query costs 2 * 13 - 7 - 5 = 14 more, a key 13 * (7 + 5) less.
    for length, expected in ((1, True), (11, True), (12, False)):
        query = np.zeros((BATCH, length, HEADS, HEAD + ROPE), "float32")
        assert latent.is_cheaper(layer, query) == expected


def test_no_step_expands_the_cache(rng):
    if BACKEND != "tensorflow":
        pytest.skip("reads TensorFlow's graph")
    import tensorflow as tf

    layer, length = make(rng), 101
    cache = layer.init_cache(BATCH, length)
    step = tf.function(lambda x, cache: layer(x, cache=cache, start=3))
    graph = step.get_concrete_function(tf.zeros((BATCH, 1, DIM)), cache).graph
    sizes = [
        tensor.shape.num_elements()
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.shape.is_fully_defined()
    ]
    assert max(sizes) == BATCH * length * SIZES["kv_rank"]


def test_adapters_act_on_compressed_steps_too(rng):
    layer = make(rng)
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    for dense in (layer.key_dense, layer.value_dense):
        dense.enable_lora(2)
        shape = dense.lora_kernel_b.shape
        dense.lora_kernel_b.assign(rng.normal(size=shape))
    expected = layer(x, use_causal_mask=True)
    padding = np.ones((BATCH, 7), bool)
    near(decode(layer, x, padding, list(range(8))), expected)


@pytest.mark.usefixtures("quick_collection")
def test_quantized_steps_are_those_of_the_full_pass(rng):
    layer = make(rng)
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    for dense in (layer.key_dense, layer.value_dense):
        dense.quantize("int8")
    expected = layer(x, use_causal_mask=True)
    padding = np.ones((BATCH, 7), bool)
    near(decode(layer, x, padding, list(range(8))), expected)


def test_widths_that_are_not_given_are_those_of_the_paper():
    layer = LatentAttention(4)
    layer.build((None, None, 4 * 128))
    found = (layer.head_dim, layer.kv_rank, layer.rope_dim, layer.value_dim)
    assert found == (128, 512, 64, 128)
    assert layer.query_rank is None


@pytest.mark.parametrize(
    "name", ["kv_rank", "rope_dim", "value_dim", "query_rank"]
)
def test_widths_that_are_not_positive_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} .* 0"):
        LatentAttention(HEADS, **{name: 0})


def test_fewer_key_heads_are_refused():
    with pytest.raises(ValueError, match="kv_rank.*num_kv_heads=1"):
        LatentAttention(HEADS, num_kv_heads=1)


def test_a_width_that_makes_no_pairs_is_refused():
    layer = LatentAttention(HEADS, HEAD, rope_dim=3, position="rotary")
    with pytest.raises(ValueError, match="even"):
        layer.build((None, None, DIM))
