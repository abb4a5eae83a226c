"""Options of multi-head attention agree with the models that have them."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import MultiHeadAttention, RotaryEmbedding
from tests.attention.reference import EveryHook
from tests.tools import few, gradients, in_graph, near, randomize, to_numpy

BATCH, LENGTH, DIM, HEADS, KV_HEADS, HEAD_DIM = 2, 11, 24, 6, 2, 8
OPTIONS = {
    "qk_norm": True,
    "logit_softcap": 2.0,
    "gate": True,
    "sink_logits": True,
}


def make(rng, fraction=1.0, **options):
    from tests.attention.hugging_face import THETA

    layer = MultiHeadAttention(
        HEADS,
        HEAD_DIM,
        KV_HEADS,
        position=RotaryEmbedding(base=THETA, fraction=fraction),
        **{"use_bias": False, **options},
    )
    layer.build((None, None, DIM))
    return layer


def qwen3(rng):
    from tests.attention import hugging_face

    theirs, call = hugging_face.make(rng, "qwen3", "Qwen3", **SIZES)
    ours = make(rng, qk_norm=True)
    hugging_face.copy_projections(ours, theirs)
    ours.query_norm.scale.assign(theirs.q_norm.weight.detach().numpy())
    ours.key_norm.scale.assign(theirs.k_norm.weight.detach().numpy())
    return ours, call


def gemma2(rng):
    from tests.attention import hugging_face

    theirs, call = hugging_face.make(
        rng,
        "gemma2",
        "Gemma2",
        **SIZES,
        query_pre_attn_scalar=HEAD_DIM,
        attn_logit_softcapping=1.5,
    )
    ours = make(rng, logit_softcap=1.5)
    hugging_face.copy_projections(ours, theirs)
    return ours, call


def qwen3_next(rng):
    from tests.attention import hugging_face

    rope = {"partial_rotary_factor": 0.5}
    theirs, call = hugging_face.make(
        rng, "qwen3_next", "Qwen3Next", **SIZES, rope=rope
    )
    ours = make(rng, fraction=0.5, qk_norm=True, gate=True)
    for dense, linear in (
        (ours.key_dense, theirs.k_proj),
        (ours.value_dense, theirs.v_proj),
        (ours.output_dense, theirs.o_proj),
    ):
        hugging_face.copy(dense, linear)
    # One map gives each head's query and then its gate.
    rows = np.arange(HEADS * 2 * HEAD_DIM).reshape(HEADS, 2, HEAD_DIM)
    hugging_face.copy(ours.query_dense, theirs.q_proj, rows[:, 0].ravel())
    hugging_face.copy(ours.gate_dense, theirs.q_proj, rows[:, 1].ravel())
    # They store what is added to one.
    ours.query_norm.scale.assign(1 + theirs.q_norm.weight.detach().numpy())
    ours.key_norm.scale.assign(1 + theirs.k_norm.weight.detach().numpy())
    return ours, call


def gpt_oss(rng):
    from tests.attention import hugging_face

    theirs, call = hugging_face.make(rng, "gpt_oss", "GptOss", **SIZES)
    ours = make(rng, sink_logits=True, use_bias=True)
    hugging_face.copy_projections(ours, theirs)
    ours.sinks.assign(theirs.sinks.detach().numpy())
    return ours, call


SIZES = {
    "hidden_size": DIM,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD_DIM,
}


@pytest.mark.few
@pytest.mark.parametrize("model", [qwen3, gemma2, qwen3_next, gpt_oss])
def test_an_option_is_that_of_a_model(rng, model):
    hugging_face = pytest.importorskip("tests.attention.hugging_face")
    ours, theirs = model(rng)
    for length in (LENGTH, 5):
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


@pytest.mark.parametrize("causal", [False, True])
def test_off_by_one_is_a_key_and_value_of_zeros(rng, causal):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs = torch.nn.MultiheadAttention(
        DIM, HEADS, batch_first=True, add_zero_attn=True
    ).eval()
    ours = MultiHeadAttention(HEADS, off_by_one=True)
    ours.build((None, None, DIM))
    randomize(ours, rng, 0.5)
    denses = (ours.query_dense, ours.key_dense, ours.value_dense)
    kernel = [to_numpy(d.kernel).reshape(DIM, -1).T for d in denses]
    bias = [to_numpy(d.bias).reshape(-1) for d in denses]
    output = to_numpy(ours.output_dense.kernel).reshape(-1, DIM).T
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(np.concatenate(kernel)))
        theirs.in_proj_bias.copy_(torch.tensor(np.concatenate(bias)))
        theirs.out_proj.weight.copy_(torch.tensor(output))
        theirs.out_proj.bias.copy_(
            torch.tensor(to_numpy(ours.output_dense.bias))
        )
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    padding = rng.random((BATCH, LENGTH)) < 0.6
    padding[1] = False  # only the zeros are left
    later = torch.tensor(~np.tril(np.ones((LENGTH, LENGTH), bool)))
    tensor = torch.tensor(x)
    with torch.no_grad():
        expected, weights = theirs(
            tensor,
            tensor,
            tensor,
            key_padding_mask=torch.tensor(~padding),
            attn_mask=later if causal else None,
            average_attn_weights=False,
        )
    arguments = {"padding_mask": padding, "use_causal_mask": causal}
    near(ours(x, **arguments), expected.numpy())
    found = ours.attention_weights(x, **arguments)
    near(found, weights.numpy()[..., :-1])


@pytest.mark.parametrize("hooks", [False, True])
@pytest.mark.parametrize("graph", few([False, True], mark="full"))
def test_blocks_of_queries_give_all_gradients(rng, hooks, graph):
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    weights = ops.convert_to_tensor(rng.normal(size=x.shape), "float32")
    padding = rng.random((BATCH, LENGTH)) < 0.6
    results = []
    for block_size in (None, 4):
        position = EveryHook() if hooks else None
        layer = MultiHeadAttention(
            HEADS,
            num_kv_heads=KV_HEADS,
            position=position,
            query_block_size=block_size,
            **OPTIONS,
        )
        layer.build(x.shape)
        if results:
            layer.set_weights(results[0][0].get_weights())
        else:
            randomize(layer, rng)

        def loss(x, layer=layer):
            output = layer(x, padding_mask=padding, use_causal_mask=True)
            return ops.sum(output * weights)

        loss = in_graph(loss) if graph else loss
        _, found = gradients(loss, x, layer=layer)
        names = ["x", *(v.path for v in layer.trainable_variables)]
        names = ["/".join(name.split("/")[-2:]) for name in names]
        results.append((layer, dict(zip(names, found, strict=True))))
    (_, expected), (layer, found) = results
    pairs = zip(found.values(), expected.values(), strict=True)
    for gradient, other in pairs:
        near(gradient, other)
    own = ("query_norm/scale", "key_norm/scale", "gate/kernel")
    for name in (f"{layer.name}/sinks", *own):
        assert np.abs(found[name]).max() > 1e-4, name


def test_a_frozen_sink_works_in_blocks_too(rng):
    layer = MultiHeadAttention(HEADS, query_block_size=4, sink_logits=True)
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    layer.build(x.shape)
    layer.sinks.assign(rng.normal(size=(HEADS,)))
    expected = to_numpy(layer(x))
    layer.trainable = False
    near(layer(x), expected, 1e-6)
    _, (found,) = gradients(lambda x: ops.sum(layer(x) ** 2), x)
    assert np.abs(found).max() > 0


def test_a_sink_takes_what_no_key_deserves(rng):
    layer = MultiHeadAttention(HEADS, sink_logits=True, use_bias=False)
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    plain = MultiHeadAttention(HEADS, use_bias=False)
    for one in (layer, plain):
        one.build(x.shape)
    plain.set_weights(layer.get_weights()[1:])
    for sink, expected in ((-1e4, to_numpy(plain(x))), (1e4, 0.0 * x)):
        layer.sinks.assign([sink] * HEADS)
        near(layer(x), expected)
        _, (found,) = gradients(lambda x: ops.sum(layer(x) ** 2), x)
        assert np.isfinite(found).all()


def test_a_cap_leaves_the_bias_of_a_position_whole(rng):
    layer = MultiHeadAttention(HEADS, position=EveryHook(), logit_softcap=1e-6)
    x = rng.normal(size=(1, LENGTH, DIM)).astype("float32")
    layer.build(x.shape)
    layer.position.slopes.assign([3.0] * HEADS)
    weights = to_numpy(layer.attention_weights(x))
    distance = np.arange(LENGTH)[:, None] - np.arange(LENGTH)
    raised = np.exp(3.0 * distance)
    near(weights[0, 0], raised / raised.sum(axis=-1, keepdims=True))


def test_queries_of_any_size_are_normalized(rng):
    layer = MultiHeadAttention(HEADS, qk_norm=True, use_bias=False)
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    layer.build(x.shape)
    expected = to_numpy(layer.attention_weights(x))
    near(layer.attention_weights(100 * x), expected, 1e-4)


@pytest.mark.parametrize("block_size", [None, 4])
def test_a_subclass_with_scores_of_its_own_is_heard(rng, block_size):
    class Even(MultiHeadAttention):
        def scores(self, query, key, visible, position):
            return 0.0 * super().scores(query, key, visible, position)

    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    layer = Even(HEADS, query_block_size=block_size)
    layer.build(x.shape)
    value = layer.value_dense(x.mean(axis=1, keepdims=True))
    expected = layer.project_output(value, x[:, :1])
    near(layer(x), np.repeat(to_numpy(expected), LENGTH, axis=1))


@pytest.mark.parametrize("cap", [0, -1.0])
def test_a_cap_that_is_not_positive_is_refused(cap):
    with pytest.raises(ValueError, match=rf"logit_softcap .* {cap}"):
        MultiHeadAttention(HEADS, logit_softcap=cap)


def test_two_sinks_are_refused():
    with pytest.raises(ValueError, match="off_by_one.*sink_logits"):
        MultiHeadAttention(HEADS, sink_logits=True, off_by_one=True)


@pytest.mark.full
def test_a_model_trains_all_options(rng):
    inputs = keras.Input((None, DIM))
    layer = MultiHeadAttention(
        HEADS, dropout=0.1, query_block_size=4, **OPTIONS
    )
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    before = to_numpy(layer.sinks)
    history = model.fit(x, 0.1 * x, epochs=5, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert np.all(to_numpy(layer.sinks) != before)
