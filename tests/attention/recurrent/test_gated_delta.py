"""The gated delta rule against Qwen3-Next, `fla` and its definition."""

import importlib.util

import numpy as np
import pytest
from keras import ops

from keras_attention import GatedDeltaAttention
from tests.attention.recurrent.recurrences import (
    from_fla,
    normalized,
    padding,
    pieces,
    project,
    run_torch,
    sigmoid,
    swish,
)
from tests.tools import (
    BACKEND,
    gradients,
    near,
    randomize,
    run_python,
    to_numpy,
)

BATCH, LENGTH, DIM, HEADS = 2, 29, 13, 6


def make(rng, **options):
    layer = GatedDeltaAttention(
        HEADS, 5, **{"num_key_heads": 2, "value_head_dim": 7, **options}
    )
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


def convolved(layer, name, x):
    if not layer.conv_size:
        return swish(x)
    kernel = to_numpy(getattr(layer, f"{name}_convolution").kernel)
    rows = np.pad(x, [(0, 0), (len(kernel) - 1, 0), (0, 0), (0, 0)])
    length = x.shape[1]
    taps = [rows[:, i : i + length] * tap for i, tap in enumerate(kernel)]
    return swish(sum(taps))


def parts(layer, x, mask):
    """Query, key, value, g and beta in float64; queries are not scaled."""
    x = x.astype("float64")
    hide = lambda y: np.where(
        mask.reshape(*mask.shape, *[1] * (y.ndim - 2)), y, 0
    )
    heads = []
    for name in ("query", "key", "value"):
        rows = project(getattr(layer, f"{name}_dense"), x)
        if name != "query" or layer.conv_size:
            rows = hide(rows)
        heads.append(convolved(layer, name, rows))
    for place in (0, 1):
        square = (heads[place] ** 2).sum(axis=-1, keepdims=True)
        unit = heads[place] / np.sqrt(square + 1e-6)
        heads[place] = unit.repeat(HEADS // unit.shape[2], axis=2)
    rate, bias = to_numpy(layer.decay_rate), to_numpy(layer.decay_bias)
    logits = project(layer.decay_dense, x) + bias
    decay = -np.exp(rate) * np.log1p(np.exp(logits))
    strength = sigmoid(project(layer.strength_dense, x))
    return *heads, hide(decay), hide(strength)


def rule(query, key, value, decay, strength, own=True):
    """The recurrence one position after the other."""
    state = np.zeros(
        (*key.shape[:1], key.shape[2], key.shape[3], value.shape[3])
    )
    outputs = []
    read = lambda x: np.einsum("bhd,bhde->bhe", x, state)
    for t in range(key.shape[1]):
        state = state * np.exp(decay[:, t])[..., None, None]
        before = read(query[:, t])
        new = strength[:, t, :, None] * (value[:, t] - read(key[:, t]))
        state = state + key[:, t, :, :, None] * new[..., None, :]
        outputs.append(read(query[:, t]) if own else before)
    return np.stack(outputs, axis=1) / np.sqrt(key.shape[-1])


def joined(layer, output, x):
    output = normalized(output, centered=False) * to_numpy(layer.norm_scale)
    output = output * swish(project(layer.gate_dense, x))
    dense = layer.output_dense
    output = np.einsum("bthd,hdm->btm", output, to_numpy(dense.kernel))
    return output + to_numpy(dense.bias)


@pytest.mark.parametrize(
    "options", [{"chunk_size": 8}, {"conv_size": 3, "chunk_size": 64}]
)
def test_definition_of_both_passes(rng, x, options):
    layer = make(rng, **options)
    mask = padding(rng, x.shape[:2])
    forward = rule(*parts(layer, x, mask))
    found = layer(x, padding_mask=mask, use_causal_mask=True)
    near(found, joined(layer, forward, x))
    turned = parts(layer, x[:, ::-1], mask[:, ::-1])
    backward = rule(*turned, own=False)[:, ::-1]
    found = layer(x, padding_mask=mask)
    near(found, joined(layer, forward + backward, x))


@pytest.mark.parametrize("shape", [(2, 29), (1, 101)])
def test_the_rule_agrees_with_fla(rng, shape):
    layer = make(rng, chunk_size=16)
    x = rng.normal(size=(*shape, DIM)).astype("float32")
    naive = from_fla("gated_delta_rule/naive.py")
    mask = padding(rng, shape)
    query, key, value, decay, strength = parts(layer, x, mask)
    expected, state = run_torch(
        naive.naive_recurrent_gated_delta_rule,
        query,
        key,
        value,
        strength,
        decay,
        output_final_state=True,
    )
    near(
        layer(x, padding_mask=mask, use_causal_mask=True),
        joined(layer, expected, x),
    )
    _, cache = pieces(layer, x, [0, 17, 18, shape[1]], mask)
    near(cache["state"], state)


@pytest.fixture(scope="module")
def qwen():
    pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.qwen3_next import modeling_qwen3_next

    return modeling_qwen3_next


@pytest.mark.parametrize("form", ["chunk", "recurrent"])
def test_the_rule_agrees_with_qwen(rng, x, qwen, form):
    layer = make(rng, chunk_size=4)
    theirs = getattr(qwen, f"torch_{form}_gated_delta_rule")
    query, key, value, decay, strength = parts(
        layer, x, np.ones(x.shape[:2], bool)
    )
    expected, state = run_torch(
        lambda q, k, v, g, b: theirs(
            q, k, v, g=g, beta=b, output_final_state=True
        ),
        query,
        key,
        value,
        decay,
        strength,
    )
    near(layer(x, use_causal_mask=True), joined(layer, expected, x))
    _, cache = pieces(layer, x, [0, 5, LENGTH])
    near(cache["state"], state)


def qwen_pair(rng, qwen, key_heads, value_heads, key_dim, value_dim):
    """Our layer and Qwen3-Next's, with the same random weights."""
    import torch

    config = qwen.Qwen3NextConfig(
        hidden_size=DIM,
        linear_num_key_heads=key_heads,
        linear_num_value_heads=value_heads,
        linear_key_head_dim=key_dim,
        linear_value_head_dim=value_dim,
        linear_conv_kernel_dim=4,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
    )
    theirs = qwen.Qwen3NextGatedDeltaNet(config, 0).eval()
    for parameter in theirs.parameters():
        noise = torch.tensor(rng.normal(size=tuple(parameter.shape)))
        parameter.data = 0.4 * noise.float() + 0.1
    ours = GatedDeltaAttention(
        value_heads,
        key_dim,
        num_key_heads=key_heads,
        value_head_dim=value_dim,
        conv_size=4,
        use_bias=False,
    )
    ours.build((None, None, DIM))
    copy_qwen(ours, theirs)
    return ours, theirs


def copy_qwen(ours, theirs):
    """Copies the weights; theirs stand together by key head."""
    weights = {k: v.numpy() for k, v in theirs.state_dict().items()}
    keys, values = theirs.num_k_heads, theirs.num_v_heads
    key_dim, value_dim = theirs.head_k_dim, theirs.head_v_dim
    share = values // keys
    wide = share * value_dim
    joint = weights["in_proj_qkvz.weight"].reshape(keys, -1, DIM)
    ends = np.cumsum([key_dim, key_dim, wide, wide])[:-1]
    names = ["query", "key", "value", "gate"]
    for name, part in zip(names, np.split(joint, ends, axis=1), strict=True):
        dense = getattr(ours, f"{name}_dense")
        kernel = part.reshape(-1, DIM).T
        dense.kernel.assign(kernel.reshape(dense.kernel.shape))
    joint = weights["in_proj_ba.weight"].reshape(keys, -1, DIM)
    for name, part in (
        ("strength", joint[:, :share]),
        ("decay", joint[:, share:]),
    ):
        dense = getattr(ours, f"{name}_dense")
        dense.kernel.assign(part.reshape(-1, DIM).T)
    taps = weights["conv1d.weight"][:, 0].T
    ends = np.cumsum([keys * key_dim, keys * key_dim])
    for name, part in zip(names, np.split(taps, ends, axis=1), strict=False):
        kernel = getattr(ours, f"{name}_convolution").kernel
        kernel.assign(part.reshape(kernel.shape))
    ours.decay_rate.assign(weights["A_log"])
    ours.decay_bias.assign(weights["dt_bias"])
    ours.norm_scale.assign(weights["norm.weight"])
    kernel = weights["out_proj.weight"].T
    ours.output_dense.kernel.assign(
        kernel.reshape(ours.output_dense.kernel.shape)
    )


@pytest.mark.full
@pytest.mark.parametrize("sizes", [(2, 6, 5, 7), (3, 3, 8, 8)])
def test_the_whole_layer_agrees_with_qwen(rng, qwen, sizes):
    ours, theirs = qwen_pair(rng, qwen, *sizes)
    x = rng.normal(size=(BATCH, 71, DIM)).astype("float32")
    near(ours(x, use_causal_mask=True), run_torch(theirs, x))
    # Theirs zeroes the inputs of padding, but lets the state decay there.
    mask = np.arange(71) >= np.array([[0], [9]])
    expected = run_torch(lambda x, m: theirs(x, attention_mask=m), x, mask)
    output = ours(x, padding_mask=mask, use_causal_mask=True)
    near(to_numpy(output)[mask], expected[mask])
    output, _ = pieces(ours, x, [0, 1, 2, 31, 70, 71], mask)
    near(output[mask], expected[mask])


def test_repeated_keys_lose_no_digits(rng):
    # The powers of a chunk's products then reach 1e18; their sum is 1.
    layer = make(rng, num_key_heads=HEADS)
    layer.decay_rate.assign(np.full(HEADS, -20.0))
    layer.strength_dense.bias.assign(np.full(HEADS, 20.0))
    x = np.repeat(rng.normal(size=(1, 1, DIM)), 128, axis=1).astype("float32")
    forward = rule(*parts(layer, x, np.ones((1, 128), bool)))
    near(layer(x, use_causal_mask=True), joined(layer, forward, x))


def test_strong_decays_neither_overflow_nor_stop_gradients(rng, x):
    layer = make(rng)
    layer.decay_rate.assign(np.linspace(-9.0, 9.0, HEADS))
    forward = rule(*parts(layer, x, np.ones(x.shape[:2], bool)))
    near(layer(x, use_causal_mask=True), joined(layer, forward, x))
    _, found = gradients(
        lambda x: ops.sum(layer(x, use_causal_mask=True) ** 2), x, layer=layer
    )
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert np.abs(found[0]).max() > 1e-3


def test_padding_decays_nothing_and_leaves_a_gap_to_the_convolution(rng, x):
    mask = np.ones((BATCH, LENGTH), bool)
    mask[:, 4:11] = False
    kept = mask[0]
    for size, same in ((None, True), (3, False)):
        layer = make(rng, conv_size=size)
        output = layer(x, padding_mask=mask, use_causal_mask=True)
        expected = to_numpy(layer(x[:, kept], use_causal_mask=True))
        difference = np.abs(to_numpy(output)[:, kept] - expected)
        assert (difference.max() < 1e-5) == same


def test_decays_at_the_start_are_the_papers(rng):
    layer = GatedDeltaAttention(500, 2)
    layer.build((None, None, 8))
    rate = np.exp(to_numpy(layer.decay_rate))
    step = np.log1p(np.exp(to_numpy(layer.decay_bias)))
    assert 0.01 <= rate.min() and 14 < rate.max() <= 16
    near(np.mean(rate), 8, 1)
    assert 0.001 <= step.min() * 1.0001 and step.max() < 0.1001
    near(np.mean(np.log10(step)), -2, 0.1)


FIT = """
import keras, numpy as np
from keras_attention import GatedDeltaAttention
model = keras.Sequential([keras.Input((64, 8)), GatedDeltaAttention(2)])
model.compile("sgd", "mse")
x = np.random.default_rng(0).normal(size=(64, 64, 8))
history = model.fit(x, x, batch_size=16, epochs=8, verbose=0).history
assert np.isfinite(history["loss"]).all()
"""


@pytest.mark.full
@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed"
)
def test_fit_on_jax_ends_in_a_fresh_process():
    """The two passes' solvers once waited for each other on two cores."""
    run_python(FIT, backend="jax", timeout=600)


@pytest.mark.skipif(BACKEND != "jax", reason="a program of JAX")
def test_a_step_on_jax_calls_no_solver_of_lapack(rng, x):
    import jax

    layer = make(rng)
    step = jax.jit(jax.grad(lambda x: ops.sum(layer(x) ** 2)))
    program = step.lower(x).as_text()
    assert "dot_general" in program
    assert "lapack" not in program and "triangular_solve" not in program


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_key_heads": 4}, "multiple of num_key_heads"),
        ({"num_key_heads": 0}, "num_key_heads must be"),
        ({"conv_size": 1}, "conv_size must be an integer of 2 or more"),
        ({"conv_size": 4, "position": "rotary"}, "conv_size beside Rotary"),
        ({"chunk_size": 3}, "chunk_size must be a power of two"),
        ({"num_kv_heads": 2}, "num_kv_heads"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GatedDeltaAttention(HEADS, **options)
