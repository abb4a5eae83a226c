"""The options of softmax attention, in every flavour that takes them."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    BigBirdAttention,
    BlockSparseAttention,
    DifferentialAttention,
    LatentAttention,
    LongformerAttention,
    MultiHeadAttention,
    RotaryEmbedding,
    SlidingWindowAttention,
    attention,
)
from keras_attention.attention.windows import band_call
from tests.attention.flex import flex_attention, mix_heads
from tests.tools import few, gradients, in_graph, near, randomize, to_numpy

BATCH, DIM, HEADS, KV_HEADS, HEAD_DIM = 2, 24, 6, 2, 8
WINDOW = {"window_size": 3}
FLAVOURS = {
    "multi_head": (MultiHeadAttention, {"query_block_size": 4}),
    "window": (SlidingWindowAttention, WINDOW),
    "dilated": (SlidingWindowAttention, {"window_size": 2, "dilation": 3}),
    "streaming": (SlidingWindowAttention, {**WINDOW, "num_sinks": 2}),
    "block_sparse": (BlockSparseAttention, {"block_size": 4}),
    "bigbird": (BigBirdAttention, {"block_size": 4, "num_random_blocks": 1}),
}
OPTIONS = {
    "scores": {
        "scale": 0.8,
        "logit_softcap": 1.5,
        "sink_logits": True,
        "use_bias": ["query", "value", "gate"],
        "gate": True,
    },
    "layer_norm": {"qk_norm": "layer_norm", "off_by_one": True},
    "all_heads": {
        "qk_norm": {"class_name": "rms_norm", "config": {"epsilon": 0.01}},
        "qk_norm_over": "all_heads",
        "logit_softcap": 0.7,
    },
}


@pytest.fixture
def small_blocks(monkeypatch):
    """Lets short sequences have several blocks of a band."""
    monkeypatch.setattr(band_call, "_BLOCK_SIZE", 4)
    monkeypatch.setattr("keras_attention.attention.windows.band._AT_ONCE", 1)


def make(rng, flavour, **options):
    cls, own = FLAVOURS[flavour]
    layer = cls(HEADS, HEAD_DIM, KV_HEADS, **own, **options)
    layer.build((None, None, DIM))
    return randomize(layer, rng, 0.4)


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def pattern(rng, flavour, x, **arguments):
    """Which keys a layer of the flavour sees: where plain weights are not 0."""
    plain = make(rng, flavour)
    return to_numpy(plain.attention_weights(x, **arguments)) > 0


@pytest.mark.full
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_is_flex_attention(rng, small_blocks, flavour, options, causal):
    layer = make(rng, flavour, **OPTIONS[options])
    x = draw(rng, 21)
    arguments = {"use_causal_mask": causal}
    expected = flex_attention(layer, x, pattern(rng, flavour, x, **arguments))
    near(layer(x, **arguments), expected)
    weights = to_numpy(layer.attention_weights(x, **arguments))
    value = np.repeat(to_numpy(layer.value_dense(x)), HEADS // KV_HEADS, 2)
    mixed = np.einsum("bhts,bshd->bthd", weights, value)
    near(layer.project_output(mixed, x), expected)


@pytest.mark.few
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    "flavour", [f for f in FLAVOURS if f != "multi_head"] + ["multi_head"]
)
def test_a_cache_gives_the_full_pass(rng, small_blocks, flavour, options):
    position = RotaryEmbedding()
    layer = make(rng, flavour, position=position, **OPTIONS[options])
    x = draw(rng, 19)
    expected = to_numpy(layer(x, use_causal_mask=True))
    cache, outputs = layer.init_cache(BATCH, 19), []
    for start, stop in ((0, 7), (7, 8), (8, 9), (9, 17), (17, 19)):
        output, cache = layer(x[:, start:stop], cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), expected)


@pytest.mark.few
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("flavour", ["window", "streaming", "block_sparse"])
def test_gradients_are_those_of_all_scores_at_once(
    rng, small_blocks, flavour, graph
):
    options = {
        **OPTIONS["scores"],
        "qk_norm": True,
        "position": RotaryEmbedding(),
    }
    layer = make(rng, flavour, **options)
    dense = MultiHeadAttention(
        HEADS, HEAD_DIM, KV_HEADS, query_block_size=None, **options
    )
    dense.build((None, None, DIM))
    dense.set_weights(layer.get_weights())
    x, upstream = draw(rng, 21), draw(rng, 21)
    padding = rng.random((BATCH, 21)) < 0.7
    mask = pattern(rng, flavour, x, use_causal_mask=True)[:, 0]
    results = []
    for one, arguments in (
        (layer, {"use_causal_mask": True}),
        (dense, {"attention_mask": mask}),
    ):

        def loss(x, one=one, arguments=arguments):
            output = one(x, padding_mask=padding, **arguments)
            return ops.sum(output * ops.convert_to_tensor(upstream))

        loss = in_graph(loss) if graph else loss
        results.append(gradients(loss, x, layer=one)[1])
    paths = ["x", *(v.path for v in layer.trainable_variables)]
    for path, found, expected in zip(paths, *results, strict=True):
        near(found, expected, 2e-5)
        assert np.abs(expected).max() > 1e-4, path


@pytest.mark.parametrize("flavour", few(["multi_head", "window"], mark="full"))
def test_a_sink_of_a_small_share_has_an_exact_gradient(
    rng, small_blocks, flavour
):
    layer = make(rng, flavour, sink_logits=True)
    layer.sinks.assign(np.linspace(-12, -9, HEADS))
    dense = MultiHeadAttention(
        HEADS, HEAD_DIM, KV_HEADS, query_block_size=None, sink_logits=True
    )
    dense.build((None, None, DIM))
    dense.set_weights(layer.get_weights())
    x, upstream = draw(rng, 21), ops.convert_to_tensor(draw(rng, 21))
    mask = pattern(rng, flavour, x, use_causal_mask=True)[:, 0]
    found = []
    for one, arguments in (
        (layer, {"use_causal_mask": True}),
        (dense, {"attention_mask": mask}),
    ):

        def loss(x, one=one, arguments=arguments):
            return ops.sum(
                one(x, **arguments) * ops.convert_to_tensor(upstream)
            )

        _, gradient = gradients(in_graph(loss), x, layer=one)
        index = [v is one.sinks for v in one.trainable_variables].index(True)
        found.append(gradient[1 + index])
    near(found[0], found[1], atol=0.0, rtol=2e-4)


@pytest.mark.parametrize("flavour", few(["multi_head", "window"], mark="full"))
def test_sinks_of_half_precision_have_one_gradient(rng, small_blocks, flavour):
    layer = make(rng, flavour, sink_logits=True, dtype="float16")
    x = draw(rng, 21).astype("float16")

    def loss(x):
        both = (layer(x, use_causal_mask=True), layer(x[:, :1]))
        return sum(ops.sum(ops.cast(y, "float32")) for y in both)

    _, found = gradients(in_graph(loss), x, layer=layer)
    assert all(np.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("options", OPTIONS)
def test_marked_tokens_have_normalizations_of_their_own(rng, options):
    layer = LongformerAttention(
        HEADS,
        HEAD_DIM,
        KV_HEADS,
        window_size=2,
        **{**OPTIONS[options], "use_bias": True},
    )
    layer.build((None, None, DIM))
    randomize(layer, rng, 0.4)
    x = draw(rng, 13)
    distance = np.abs(np.arange(13)[:, None] - np.arange(13))
    near_by = distance <= 2
    near_by[:, 0] = True
    found = to_numpy(layer(x))
    near(found[:, 1:], flex_attention(layer, x, near_by)[:, 1:])
    # The first token attends with projections of its own.
    for name in ("query", "key", "value"):
        dense = getattr(layer, f"global_{name}_dense")
        getattr(layer, f"{name}_dense").set_weights(dense.get_weights())
        if layer.qk_norm and name != "value":
            norm = getattr(layer, f"global_{name}_norm")
            getattr(layer, f"{name}_norm").set_weights(norm.get_weights())
    expected = flex_attention(layer, x, np.ones((13, 13), bool))
    near(found[:, :1], expected[:, :1])


@pytest.mark.parametrize("options", ["scores", "layer_norm", "all_heads"])
def test_each_of_two_maps_has_the_options(rng, options):
    layer = DifferentialAttention(
        HEADS, 2 * HEAD_DIM, KV_HEADS, **OPTIONS[options]
    )
    layer.build((None, None, DIM))
    randomize(layer, rng, 0.4)
    x, mask = draw(rng, 13), causal_pattern(13)
    query = np.split(to_numpy(layer.project_query(x)), 2, axis=2)
    key, value = map(to_numpy, layer.project_source(x, x))
    # Of what the normalizations give, the lengths are known.
    if options == "layer_norm":
        raw = to_numpy(layer.query_dense(x))
        raw = raw - raw.mean(axis=-1, keepdims=True)
        raw /= np.sqrt((raw**2).mean(axis=-1, keepdims=True) + 1e-5)
        gamma, beta = map(to_numpy, layer.query_norm.weights)
        near(np.concatenate(query, axis=2), gamma * raw + beta, 1e-4)
    sinks = [None, None]
    if layer.sink_logits:
        sinks = np.split(to_numpy(layer.sinks), 2)
    first, second = (
        mix_heads(layer, *heads, value, mask, sink)
        for *heads, sink in zip(query, np.split(key, 2, 2), sinks, strict=True)
    )
    share = [to_numpy(x) for x in layer.lambdas]
    share = np.exp(share[0] @ share[1]) - np.exp(share[2] @ share[3]) + 0.2
    expected = layer.project_output(first - share * second, x)
    near(layer(x, use_causal_mask=True), expected)
    cached(layer, x, expected)


@pytest.mark.full
@pytest.mark.parametrize("options", [OPTIONS["scores"], {"off_by_one": True}])
def test_what_latent_attention_compresses_has_the_options(rng, options):
    layer = LatentAttention(
        HEADS,
        HEAD_DIM,
        kv_rank=16,
        rope_dim=4,
        value_dim=6,
        position=RotaryEmbedding(),
        **{
            **options,
            "use_bias": ["rope", "gate"] if "gate" in options else True,
        },
    )
    layer.build((None, None, DIM))
    randomize(layer, rng, 0.4)
    x = draw(rng, 13)
    query, key = (
        layer.rotate(part, layer.position, ops.arange(13), role)
        for part, role in (
            (layer.project_query(x), "query"),
            (layer.project_source(x, x)[0], "key"),
        )
    )
    value = layer.value_dense(layer.project_source(x, x)[1][:, :, 0])
    mask = causal_pattern(13)
    mixed = mix_heads(layer, query, layer.expand_key(key), value, mask)
    expected = layer.project_output(mixed, x)
    near(layer(x, use_causal_mask=True), expected)
    cached(layer, x, expected)  # whose steps never expand what is compressed


@pytest.mark.full
def test_the_scale_of_yarn_in_latent_attention(rng):
    """DeepSeek multiplies the scores by the square of YaRN's growth."""
    pytest.importorskip("tests.attention.hugging_face")
    from tests.attention.exact import test_latent

    growth = {"factor": 8.0, "mscale": 1.0, "mscale_all_dim": 1.0}
    rope = {"rope_type": "yarn", "original_max_position_embeddings": 4}
    ours, theirs = test_latent.pair(
        rng,
        None,
        True,
        rope={**rope, **growth},
        scale=(0.1 * np.log(8.0) + 1.0) ** 2 * (4 + 7) ** -0.5,
        scaling={"type": "yarn", "original_max_length": 4, **growth},
    )
    x = draw(rng, 13)
    expected = theirs(x, np.tile(causal_pattern(13), (BATCH, 1, 1)))
    near(ours(x, use_causal_mask=True), expected)
    cached(ours, x, expected)


def causal_pattern(length):
    return np.tril(np.ones((length, length), bool))


def cached(layer, x, expected):
    """Compares a full pass with steps of one and of several tokens."""
    length = x.shape[1]
    cache, outputs = layer.init_cache(BATCH, length), []
    for start, stop in ((0, 6), (6, 7), (7, 8), (8, length)):
        output, cache = layer(x[:, start:stop], cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), expected)


def windowed(rng, model, prefix, options, **theirs_options):
    """A window layer of a published model, and ours with its weights."""
    from tests.attention import hugging_face

    theirs, call = hugging_face.make(
        rng,
        model,
        prefix,
        hidden_size=DIM,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        head_dim=HEAD_DIM,
        sliding_window=4,
        **theirs_options,
    )
    assert theirs.sliding_window == 4
    ours = SlidingWindowAttention(
        HEADS,
        HEAD_DIM,
        KV_HEADS,
        window_size=3,
        position=RotaryEmbedding(base=hugging_face.THETA),
        **{"use_bias": False, **options},
    )
    ours.build((None, None, DIM))
    hugging_face.copy_projections(ours, theirs)
    return ours, theirs, call


def copy_norms(ours, theirs, added=0.0):
    """Copies scales, to which some models add one when they use them."""
    for norm, other in (
        (ours.query_norm, theirs.q_norm),
        (ours.key_norm, theirs.k_norm),
    ):
        norm.scale.assign(added + other.weight.detach().numpy())


def gemma2(rng):
    ours, _, call = windowed(
        rng,
        "gemma2",
        "Gemma2",
        {"scale": 5**-0.5, "logit_softcap": 1.5},
        query_pre_attn_scalar=5,
        attn_logit_softcapping=1.5,
    )
    return ours, call


def gemma3(rng):
    ours, theirs, call = windowed(
        rng,
        "gemma3",
        "Gemma3",
        {"scale": 5**-0.5, "qk_norm": "rms_norm"},
        query_pre_attn_scalar=5,
        kind="sliding_attention",
        config="Gemma3Text",
    )
    copy_norms(ours, theirs, added=1.0)
    return ours, call


def gpt_oss(rng):
    options = {"sink_logits": True, "use_bias": True}
    ours, theirs, call = windowed(rng, "gpt_oss", "GptOss", options)
    ours.sinks.assign(theirs.sinks.detach().numpy())
    return ours, call


QWEN = {
    "use_sliding_window": True,
    "layer_types": ["sliding_attention"],
    "num_hidden_layers": 1,
}


def qwen2(rng):
    """Biases of queries, keys and values alone."""
    ours, _, call = windowed(
        rng,
        "qwen2",
        "Qwen2",
        {"use_bias": ["query", "key", "value"]},
        **QWEN,
    )
    return ours, call


def qwen3(rng):
    ours, theirs, call = windowed(
        rng,
        "qwen3",
        "Qwen3",
        {"qk_norm": True},
        **QWEN,
    )
    copy_norms(ours, theirs)
    return ours, call


def olmo3(rng):
    rms_norm = {"class_name": "rms_norm", "config": {"epsilon": 1e-5}}
    ours, theirs, call = windowed(
        rng,
        "olmo3",
        "Olmo3",
        {"qk_norm": rms_norm, "qk_norm_over": "all_heads"},
        kind="sliding_attention",
    )
    copy_norms(ours, theirs)
    return ours, call


@pytest.mark.few
@pytest.mark.parametrize(
    "model", [gemma2, gemma3, gpt_oss, qwen2, qwen3, olmo3]
)
def test_window_layers_of_published_models(rng, model):
    pytest.importorskip("tests.attention.hugging_face")
    ours, theirs = model(rng)
    x = draw(rng, 13)
    places = np.arange(13)
    distance = places[:, None] - places
    mask = np.tile((distance >= 0) & (distance < 4), (BATCH, 1, 1))
    expected = theirs(x, mask)
    near(ours(x, use_causal_mask=True), expected)
    cache, outputs = ours.init_cache(BATCH, 13), []
    for start in range(13):
        output, cache = ours(x[:, start : start + 1], cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), expected)


@pytest.mark.parametrize("flavour", ["differential", "latent", "longformer"])
def test_options_leave_and_come_back_in_a_configuration(rng, flavour):
    options = dict(OPTIONS["scores"], use_bias=["query", "gate"])
    if flavour != "latent":
        norm = keras.layers.LayerNormalization(epsilon=0.1, center=False)
        options.update(qk_norm=norm, qk_norm_over="all_heads")
    layer = attention.get(flavour, num_heads=2, **options)
    layer.build((None, None, DIM))
    randomize(layer, rng)
    copy = type(layer).from_config(layer.get_config())
    copy.build((None, None, DIM))
    copy.set_weights(layer.get_weights())
    x = draw(rng, 9)
    near(copy(x), to_numpy(layer(x)), 1e-6)
    assert layer.query_dense.bias is not None
    assert layer.output_dense.bias is None


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"qk_norm": "rmsnorm"},
            "Unknown qk_norm.*'rmsnorm'.*Did you mean 'rms_norm'",
        ),
        ({"qk_norm": 3}, "Expected qk_norm"),
        ({"qk_norm": keras.layers.BatchNormalization()}, "qk_norm.*last axis"),
        (
            {"qk_norm": keras.layers.LayerNormalization(axis=1)},
            "qk_norm.*last axis.*axis=1",
        ),
        ({"qk_norm_over": "heads"}, "qk_norm_over.*head.*all_heads.*'heads'"),
        ({"scale": 0.0}, "scale .*0.0"),
        ({"scale": True}, "scale .*True"),
        ({"logit_softcap": -1.0}, "logit_softcap .*-1.0"),
        ({"gate": "yes"}, "gate must be True or False.*'yes'"),
        ({"use_bias": ["querry"]}, "use_bias.*'querry'.*Did you mean 'query'"),
        ({"use_bias": "query"}, "use_bias must be.*'query'"),
        ({"sink_logits": True, "off_by_one": True}, "use one of them"),
        ({"qk_norm_over": "all_heads"}, "qk_norm_over='all_heads' needs qk_n"),
        ({"use_bias": ["gate"]}, "'gate' with gate=True.*gate=False"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    for flavour in ("multi_head", "sliding_window", "bigbird"):
        with pytest.raises(ValueError, match=message):
            attention.get(flavour, num_heads=2, **options)


def test_latent_attention_has_no_keys_to_normalize():
    with pytest.raises(ValueError, match="LatentAttention does not.*qk_norm"):
        attention.get("latent", num_heads=2, qk_norm=True)
