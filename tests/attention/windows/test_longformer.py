"""Longformer against Hugging Face's, and its choice of global tokens."""

import numpy as np
import pytest

from keras_attention import LongformerAttention
from tests.attention import reference
from tests.attention.windows.test_band import see
from tests.tools import (
    BACKEND,
    compiled,
    gradients,
    near,
    randomize,
    to_numpy,
)

BATCH, DIM, HEADS = 2, 24, 6
SIZES = [(13, 2), (277, 7)]


def make(rng, **options):
    layer = LongformerAttention(HEADS, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def marks(rng, length):
    """Another number of global tokens in every row, one of them padding."""
    padding = np.ones((BATCH, length), bool)
    padding[1, -4:] = False
    mask = np.zeros((BATCH, length), bool)
    mask[0, [1, 5, length - 1]] = mask[1, [0, 8, 7, 2, length - 1]] = True
    return mask, padding


def hugging_face(layer, window_size):
    """The attention of Longformer with the weights of a layer of ours."""
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.longformer import modeling_longformer

    config = modeling_longformer.LongformerConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        attention_window=[2 * window_size],
        attention_probs_dropout_prob=0.0,
    )
    theirs = modeling_longformer.LongformerSelfAttention(config, 0).eval()
    for name in ("query", "key", "value"):
        for one, dense in (
            (name, getattr(layer, f"{name}_dense")),
            (f"{name}_global", getattr(layer, f"global_{name}_dense")),
        ):
            linear = getattr(theirs, one)
            kernel = to_numpy(dense.kernel).reshape(DIM, DIM)
            linear.weight.data = torch.tensor(kernel.T)
            linear.bias.data = torch.tensor(to_numpy(dense.bias).reshape(DIM))

    def call(x, padding, is_global, has_global=True):
        """Pads to whole windows and attends, as their model does."""
        missing = -x.shape[1] % (2 * window_size)
        x = torch.tensor(np.pad(x, [(0, 0), (0, missing), (0, 0)]))
        padding, is_global = (
            torch.tensor(np.pad(m, [(0, 0), (0, missing)]))
            for m in (padding, is_global & padding)
        )
        mask = torch.where(padding, 0.0, -10000.0)
        mask = torch.where(is_global, 10000.0, mask)
        with torch.no_grad():
            return theirs(
                x,
                attention_mask=mask,
                is_index_masked=mask < 0,
                is_index_global_attn=mask > 0,
                is_global_attn=has_global,
            )[0].numpy()

    return call


@pytest.mark.parametrize("size", SIZES)
def test_marked_tokens(rng, size):
    length, window_size = size
    layer = make(rng, window_size=window_size, max_global_tokens=5)
    x, (mask, padding) = draw(rng, length), marks(rng, length)
    expected = hugging_face(layer, window_size)(x, padding, mask)[:, :length]
    expected = expected.reshape(BATCH, length, HEADS, -1)
    expected = to_numpy(layer.project_output(expected, x))
    found = to_numpy(layer(x, global_mask=mask, padding_mask=padding))
    near(found[padding], expected[padding])


@pytest.mark.parametrize("size", SIZES)
def test_first_tokens(rng, size):
    length, window_size = size
    layer = make(rng, window_size=window_size, num_global_tokens=3)
    x, (_, padding) = draw(rng, length), marks(rng, length)
    padding[1, 1] = False
    first = np.repeat(np.arange(length)[None] < 3, BATCH, axis=0)
    expected = hugging_face(layer, window_size)(x, padding, first)[:, :length]
    expected = expected.reshape(BATCH, length, HEADS, -1)
    expected = to_numpy(layer.project_output(expected, x))
    found = to_numpy(layer(x, padding_mask=padding))
    near(found[padding], expected[padding])
    # Which places are marked is all that differs.
    marked = layer(x, global_mask=first, padding_mask=padding)
    near(to_numpy(marked)[padding], expected[padding])


def test_no_token_may_be_global(rng):
    length, window_size = SIZES[0]
    layer = make(rng, window_size=window_size, num_global_tokens=0)
    x, (_, padding) = draw(rng, length), marks(rng, length)
    oracle = hugging_face(layer, window_size)
    found = to_numpy(layer(x, padding_mask=padding))
    # Theirs takes another way for none at all.
    expected = oracle(x, padding, np.zeros_like(padding), False)[:, :length]
    expected = expected.reshape(BATCH, length, HEADS, -1)
    expected = to_numpy(layer.project_output(expected, x))
    near(found[padding], expected[padding])
    weights = to_numpy(layer.attention_weights(x, padding_mask=padding))
    sums = weights.sum(axis=-1).transpose(0, 2, 1)[padding]
    near(sums, np.ones_like(sums))


@pytest.mark.parametrize("length", [19, 141])
def test_a_position_is_asked_by_both_kinds_of_tokens(rng, length, monkeypatch):
    # The vectors of a test position end at 64.
    monkeypatch.setattr(reference, "MOST", length)
    position, count = reference.EveryHook(), 2
    options = {"window_size": 1, "dilation": 3, "num_global_tokens": count}
    layer = make(rng, position=position, **options)
    x, (_, padding) = draw(rng, length), marks(rng, length)
    query, (key, value) = layer.project_query(x), layer.project_source(x, x)
    mask = see(length, 1, 3, False, count) & padding[:, None]
    expected, weights = reference.attention(
        *map(to_numpy, (query, key, value)), mask, position
    )
    own = [
        to_numpy(dense(x))
        for dense in (
            layer.global_query_dense,
            layer.global_key_dense,
            layer.global_value_dense,
        )
    ]
    mask = np.broadcast_to(padding[:, None], (BATCH, length, length))
    of_global, global_weights = reference.attention(*own, mask, position)
    expected[:, :count] = of_global[:, :count]
    weights[:, :, :count] = global_weights[:, :, :count]
    expected = layer.project_output(expected.astype("float32"), x)
    near(layer(x, padding_mask=padding), expected, 1e-4)
    near(layer.attention_weights(x, padding_mask=padding), weights)
    with pytest.raises(ValueError, match="global_mask"):
        layer(x, global_mask=padding)


def test_weights_of_marked_tokens_make_the_output(rng):
    length = 13
    layer = make(rng, window_size=2, max_global_tokens=5)
    x, (mask, padding) = draw(rng, length), marks(rng, length)
    arguments = {"global_mask": mask, "padding_mask": padding}
    weights = to_numpy(layer.attention_weights(x, **arguments))
    near(weights.sum(axis=-1), np.ones((BATCH, HEADS, length)))
    value = to_numpy(layer.project_source(x, x)[1])
    own = to_numpy(layer.global_value_dense(x))
    is_global = (mask & padding)[..., None, None]
    mix = lambda v: np.einsum("bhts,bshd->bthd", weights, v)
    output = np.where(is_global, mix(own), mix(value)).astype("float32")
    near(layer(x, **arguments), layer.project_output(output, x))


@pytest.mark.full
def test_too_many_marked_tokens(rng):
    layer = make(rng, window_size=1, max_global_tokens=2)
    x, mask = draw(rng, 11), np.zeros((BATCH, 11), bool)
    mask[0, 2:5] = True
    with pytest.raises(ValueError, match=r"max_global_tokens=2.*Received: 3"):
        layer(x, global_mask=mask)
    if BACKEND == "torch":
        return
    # Unknown while it is compiled: the last one is an ordinary token.
    fewer = mask.copy()
    fewer[0, 4] = False
    call = compiled(lambda x, mask: layer(x, global_mask=mask))
    near(call(x, mask), layer(x, global_mask=fewer))


def test_gradients_reach_what_marked_tokens_use(rng):
    layer = make(rng, window_size=2, max_global_tokens=6)
    x, (mask, padding) = draw(rng, 13), marks(rng, 13)

    def loss(x):
        output = layer(x, global_mask=mask, padding_mask=padding)
        return (output[0] ** 2).sum() if BACKEND == "torch" else _sum(output[0])

    _, (of_x, *_) = gradients(loss, x, layer=layer)
    assert np.all(of_x[1] == 0) and np.all(np.abs(of_x[0]).max(axis=-1) > 0)


def _sum(x):
    from keras import ops

    return ops.sum(x**2)


@pytest.mark.full
def test_a_mask_goes_through_a_functional_model(rng):
    import keras

    layer = make(rng, window_size=2)
    inputs = keras.Input((None, DIM)), keras.Input((None,), dtype="bool")
    model = keras.Model(inputs, layer(inputs[0], global_mask=inputs[1]))
    x, (mask, _) = draw(rng, 13), marks(rng, 13)
    near(model([x, mask]), layer(x, global_mask=mask))


@pytest.mark.parametrize(
    "options",
    [
        {"window_size": 0},
        {"dilation": 0},
        {"num_global_tokens": -1},
        {"max_global_tokens": 0},
    ],
)
def test_sizes_without_sense_are_refused(options):
    (name,) = options
    with pytest.raises(ValueError, match=name):
        LongformerAttention(HEADS, **options)


def test_what_is_not_honoured_says_what_to_use(rng):
    layer, x = make(rng), draw(rng, 5)
    for call in (layer, layer.attention_weights):
        with pytest.raises(ValueError, match="num_sinks"):
            call(x, use_causal_mask=True)
        with pytest.raises(ValueError, match="global_mask must have the shape"):
            call(x, global_mask=np.ones((BATCH, 4), bool))
        with pytest.raises(ValueError, match="global_mask must be boolean"):
            call(x, global_mask=np.ones((BATCH, 5), "float32"))
