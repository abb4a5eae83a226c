"""Sliding windows: their cache, their options, and what others compute."""

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    LongformerAttention,
    RotaryEmbedding,
    SlidingWindowAttention,
)
from tests.attention import reference
from tests.attention.windows.test_band import see
from tests.contract.test_growth import largest_tensor
from tests.tools import BACKEND, gradients, near, randomize, to_numpy

BATCH, DIM, HEADS, THETA = 2, 24, 6, 77.0
# The first fits into one block, the second is three blocks of queries.
SIZES = [(11, 3), (269, 5)]


def make(rng, length, **options):
    layer = SlidingWindowAttention(HEADS, **options)
    layer.build((BATCH, length, DIM))
    return randomize(layer, rng)


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def heads(layer, x):
    """What the layer's projections make of `x`, for another's attention."""
    query, (key, value) = layer.project_query(x), layer.project_source(x, x)
    return [to_numpy(t) for t in (query, key, value)]


def feed(layer, x, borders, **options):
    cache, outputs = layer.init_cache(BATCH, options.pop("max_length", 99)), []
    for start, stop in zip(borders, borders[1:], strict=False):
        piece = {k: v[:, start:stop] for k, v in options.items()}
        output, cache = layer(
            x[:, start:stop], cache=cache, start=start, **piece
        )
        outputs.append(to_numpy(output))
    return np.concatenate(outputs, axis=1)


@pytest.mark.few
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_flex_attention(rng, size, causal):
    torch = pytest.importorskip("torch", reason="the oracle")
    from torch.nn.attention import flex_attention as flex

    (length, window_size), dilation, sinks = size, 2, 3
    options = {"dilation": dilation, "num_sinks": sinks, "num_kv_heads": 2}
    layer = make(rng, length, window_size=window_size, **options)
    x, padding = draw(rng, length), rng.random((BATCH, length)) < 0.8
    padding[:, 0] = True  # flex gives no zeros to rows that see nothing
    counts = torch.tensor(padding)

    def visible(b, h, q, k):
        near_by = ((q - k).abs() <= window_size * dilation) & (
            (q - k) % dilation == 0
        )
        allowed = counts[b, k] & (near_by | (k < sinks))
        return allowed & (k <= q) if causal else allowed

    mask = flex.create_block_mask(visible, BATCH, None, length, length, "cpu")
    query, key, value = (
        torch.tensor(t).transpose(1, 2) for t in heads(layer, x)
    )
    expected = flex.flex_attention(
        query, key, value, block_mask=mask, enable_gqa=True
    )
    expected = expected.transpose(1, 2).detach().numpy()
    near(
        layer(x, padding_mask=padding, use_causal_mask=causal),
        layer.project_output(expected, x),
    )


def test_local_attention(rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    local = pytest.importorskip("local_attention", reason="the oracle")
    for (length, window_size), causal in zip(SIZES, (True, False), strict=True):
        theirs = local.LocalAttention(
            window_size, causal=causal, autopad=True, exact_windowsize=True
        )
        layer = make(rng, length, window_size=window_size)
        x, padding = draw(rng, length), np.ones((BATCH, length), bool)
        padding[1, -3:] = False
        parts = [torch.tensor(t).transpose(1, 2) for t in heads(layer, x)]
        expected = theirs(*parts, mask=torch.tensor(padding))
        expected = expected.transpose(1, 2).numpy()
        found = layer(x, padding_mask=padding, use_causal_mask=causal)
        expected = layer.project_output(expected, x)
        near(to_numpy(found)[padding], to_numpy(expected)[padding])


def copy_linear(rng, pairs):
    """Draws the weights of torch's layers and gives ours the same."""
    import torch

    for ours, theirs in pairs:
        weight = rng.normal(size=theirs.weight.shape) * 0.3
        theirs.weight.data = torch.tensor(weight.astype("float32"))
        ours.kernel.assign(weight.T.reshape(ours.kernel.shape))


@pytest.mark.parametrize("size", SIZES)
def test_mistral(rng, size):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers import masking_utils
    from transformers.models.mistral import modeling_mistral

    length, window_size = size
    config = modeling_mistral.MistralConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
        head_dim=DIM // HEADS,
        sliding_window=window_size + 1,  # it counts the query itself
        rope_parameters={"rope_type": "default", "rope_theta": THETA},
    )
    config._attn_implementation = "eager"
    theirs = modeling_mistral.MistralAttention(config, layer_idx=0).eval()
    turn = modeling_mistral.MistralRotaryEmbedding(config)
    ours = make(
        rng,
        length,
        window_size=window_size,
        num_kv_heads=2,
        use_bias=False,
        position=RotaryEmbedding(base=THETA),
    )
    copy_linear(
        rng,
        [
            (ours.query_dense, theirs.q_proj),
            (ours.key_dense, theirs.k_proj),
            (ours.value_dense, theirs.v_proj),
            (ours.output_dense, theirs.o_proj),
        ],
    )
    x = draw(rng, length)
    padding = np.arange(length)[None] >= np.array([[0], [4]])
    positions = torch.arange(length)[None]
    embedded = torch.tensor(x)
    mask = masking_utils.create_sliding_window_causal_mask(
        config, embedded, torch.tensor(padding), None
    )
    with torch.no_grad():
        expected = theirs(embedded, turn(embedded, positions), mask)[0].numpy()
    found = ours(x, padding_mask=padding, use_causal_mask=True)
    near(to_numpy(found)[padding], expected[padding])
    borders = [0, 2, 3, 4, length]
    found = feed(ours, x, borders, padding_mask=padding)
    near(found[padding], expected[padding])


@pytest.mark.parametrize("size", SIZES)
def test_modern_bert(rng, size):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers import masking_utils
    from transformers.models.modernbert import modeling_modernbert

    length, window_size = size
    rope = {"rope_type": "default", "rope_theta": THETA}
    config = modeling_modernbert.ModernBertConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        local_attention=2 * window_size,
        layer_types=["full_attention", "sliding_attention"],
        num_hidden_layers=2,
        rope_parameters={
            "full_attention": dict(rope),
            "sliding_attention": dict(rope),
        },
    )
    config._attn_implementation = "eager"
    theirs = modeling_modernbert.ModernBertAttention(config, layer_idx=1).eval()
    turn = modeling_modernbert.ModernBertRotaryEmbedding(config)
    ours = make(
        rng,
        length,
        window_size=window_size,
        use_bias=False,
        position=RotaryEmbedding(base=THETA),
    )
    copy_linear(rng, [(ours.output_dense, theirs.Wo)])
    weight = rng.normal(size=(3, DIM, DIM)).astype("float32") * 0.3
    theirs.Wqkv.weight.data = torch.tensor(weight.reshape(3 * DIM, DIM))
    for dense, own in zip(
        (ours.query_dense, ours.key_dense, ours.value_dense),
        weight,
        strict=True,
    ):
        dense.kernel.assign(own.T.reshape(dense.kernel.shape))
    x, padding = draw(rng, length), np.ones((BATCH, length), bool)
    padding[1, -4:] = False
    embedded, positions = torch.tensor(x), torch.arange(length)[None]
    mask = masking_utils.create_bidirectional_sliding_window_mask(
        config, embedded, torch.tensor(padding)
    )
    with torch.no_grad():
        turned = turn(embedded, positions, "sliding_attention")
        expected = theirs(embedded, turned, mask)[0].numpy()
    found = ours(x, padding_mask=padding)
    near(to_numpy(found)[padding], expected[padding])


@pytest.mark.full
def test_a_ring_goes_round_with_true_positions(rng):
    length = 37
    x = draw(rng, length)
    for dilation, sinks in ((1, 0), (1, 3), (3, 2)):
        position = reference.EveryHook()
        layer = make(
            rng,
            length,
            window_size=4,
            dilation=dilation,
            num_sinks=sinks,
            position=position,
        )
        mask = np.broadcast_to(
            see(length, 4, dilation, True, sinks), (BATCH, length, length)
        )
        expected, _ = reference.attention(
            *heads(layer, x), mask, position, causal=True
        )
        expected = layer.project_output(expected.astype("float32"), x)
        near(layer(x, use_causal_mask=True), expected)
        borders = [0, 1, 2, 3, 10, 11, 12, 35, length]
        near(feed(layer, x, borders, max_length=length), expected)
        near(feed(layer, x, range(length + 1), max_length=length), expected)


def test_the_ring_has_no_end_and_a_short_one_has(rng):
    layer = make(rng, 20, window_size=3)
    x = draw(rng, 20)
    expected = layer(x, use_causal_mask=True)
    # Room for four is all that this window needs.
    near(feed(layer, x, range(21), max_length=4), expected)
    with pytest.raises(ValueError, match="max_length=3"):
        feed(layer, x, [0, 2, 4], max_length=3)
    with pytest.raises(ValueError, match="start"):
        layer(x[:, :1], cache=layer.init_cache(BATCH, 4), start=-1)


def test_a_window_over_everything_is_exact_attention(rng):
    from keras_attention import MultiHeadAttention

    x = draw(rng, 13)
    layer = make(rng, 13, window_size=12)
    exact = MultiHeadAttention(HEADS)
    exact.build(x.shape)
    exact.set_weights(layer.get_weights())
    for causal in (False, True):
        arguments = {"use_causal_mask": causal}
        near(layer(x, **arguments), exact(x, **arguments))


@pytest.mark.parametrize(
    "options",
    [
        {"window_size": 0},
        {"window_size": 2.5},
        {"dilation": 0},
        {"num_sinks": -1},
        {"num_sinks": True},
    ],
)
def test_sizes_without_sense_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        SlidingWindowAttention(HEADS, **options)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's XLA")
@pytest.mark.parametrize(
    "cls",
    [
        SlidingWindowAttention,
        pytest.param(LongformerAttention, marks=pytest.mark.slow),
    ],
)
def test_xla_trains_a_graph_for_any_length(rng, cls):
    import tensorflow as tf

    layer = cls(HEADS, window_size=2)
    layer.build((None, None, DIM))

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, DIM])], jit_compile=True
    )
    def differentiate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = ops.sum(layer(x) ** 2)
        return loss, tape.gradient(loss, x)

    for length in (1, 13):
        x = draw(rng, length)
        loss, (slope,) = gradients(lambda x: ops.sum(layer(x) ** 2), x)
        found, gradient = differentiate(x)
        near(found, loss, 1e-4)
        near(gradient, slope, 1e-4)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="reads TensorFlow's graph")
def test_a_large_window_does_not_make_all_scores_at_once():
    layer = SlidingWindowAttention(64, 2, window_size=2048)
    layer.build((None, None, DIM))
    assert largest_tensor(layer, 4300, True) < 2**27 < 64 * 4300**2
