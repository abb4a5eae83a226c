"""BigBird: window, global and random blocks."""

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    BigBirdAttention,
    BlockSparseAttention,
    MultiHeadAttention,
)
from keras_attention.attention.sparse import gathered_blocks
from keras_attention.attention.sparse.random_blocks import hashed
from tests.attention.flex import causal, flex_attention
from tests.attention.reference import EveryHook
from tests.tools import gradients, in_graph, near, randomize, to_numpy

BATCH, HEADS, DIM = 2, 3, 15
HASHES = [1_964_954_434, 273_168_171, 908_816_085]


def make(rng, cls=BigBirdAttention, **options):
    layer = cls(HEADS, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng)


def draw(rng, length):
    return rng.normal(size=(BATCH, length, DIM)).astype("float32")


def layout(layer, number, use_causal_mask=False):
    """The layer's layout as booleans `(heads, number, number)`."""
    rows = ops.arange(number, dtype="int32")
    return to_numpy(layer.block_mask(rows, number, use_causal_mask))


def expand(blocks, size, length):
    return blocks.repeat(size, 1).repeat(size, 2)[None, :, :length, :length]


def without_random(number, window=3, common=(0, -1)):
    """Window and global blocks by definition."""
    i, j = np.ogrid[:number, :number]
    mask = abs(i - j) <= window // 2
    for block in common:
        mask[block] = mask[:, block] = True
    return mask


def oracle(layer, block_size, num_random_blocks):
    """Hugging Face's layer with the same weights."""
    torch = pytest.importorskip("torch", reason="the oracle")
    models = pytest.importorskip(
        "transformers.models.big_bird.modeling_big_bird", reason="the oracle"
    )
    config = models.BigBirdConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        block_size=block_size,
        num_random_blocks=num_random_blocks,
        attention_probs_dropout_prob=0.0,
    )
    # Out of training its random blocks are all the first one.
    theirs = models.BigBirdBlockSparseAttention(config, seed=3).train()
    for name in ("query", "key", "value"):
        ours = getattr(layer, f"{name}_dense")
        weight = to_numpy(ours.kernel).reshape(DIM, DIM).T
        with torch.no_grad():
            dense = getattr(theirs, name)
            dense.weight.copy_(torch.tensor(weight))
            dense.bias.copy_(torch.tensor(to_numpy(ours.bias).reshape(-1)))

    def run(x, padding):
        mask = torch.tensor(padding.astype("float32"))
        blocked, band, of_query, of_key = (
            models.BigBirdModel.create_masks_for_block_sparse_attn(
                mask, block_size
            )
        )
        with torch.no_grad():
            output, *_ = theirs(
                torch.tensor(x), band, of_query, of_key, blocked, blocked
            )
        heads = output.numpy().reshape(*x.shape[:2], HEADS, DIM // HEADS)
        return to_numpy(layer.project_output(heads, x))

    return theirs, run


def test_it_agrees_with_hugging_face_on_our_random_blocks(rng):
    size, number, count = 3, 9, 2
    layer = make(rng, block_size=size, num_random_blocks=count, seed=5)
    theirs, run = oracle(layer, size, count)
    drawn = layout(layer, number) & ~without_random(number)
    # Hugging Face has no random blocks for the first and the last row.
    blocks = [
        np.array([np.flatnonzero(row) for row in head[1:-1]]) for head in drawn
    ]
    theirs._bigbird_block_rand_mask_with_head = lambda **_: blocks
    x, padding = draw(rng, size * number), np.ones((BATCH, size * number), bool)
    near(layer(x), run(x, padding))
    padding[0, -7:] = padding[1, [4, 5, 11]] = False
    output, expected = to_numpy(layer(x, padding_mask=padding)), run(x, padding)
    # It sets the outputs of padding to zero.
    near(output[padding], expected[padding])


def test_a_layout_agrees_with_hugging_face_on_its_random_blocks(rng):
    size, number, count = 2, 13, 3
    drawn = np.zeros((HEADS, number, number), bool)
    base = make(rng, num_random_blocks=0)
    theirs, run = oracle(base, size, count)
    original = theirs._bigbird_block_rand_mask_with_head

    def keep(**options):
        found = original(**options)
        for head, rows in enumerate(found):
            for row, blocks in enumerate(rows, start=1):
                drawn[head, row, blocks] = True
        return found

    theirs._bigbird_block_rand_mask_with_head = keep
    x, padding = draw(rng, size * number), np.ones((BATCH, size * number), bool)
    expected = run(x, padding)
    assert drawn.sum() == HEADS * (number - 2) * count
    assert not (drawn & without_random(number)).any()
    layer = make(
        rng,
        BlockSparseAttention,
        block_size=size,
        layout=drawn | without_random(number),
    )
    layer.set_weights(base.get_weights())
    near(layer(x), expected)


@pytest.mark.parametrize(
    ("length", "options"),
    [
        (37, {"block_size": 3}),
        (
            31,
            {
                "block_size": 2,
                "num_window_blocks": 5,
                "global_blocks": (3, 1, -2),
                "num_random_blocks": 1,
                "num_kv_heads": 1,
            },
        ),
        (11, {"block_size": 2, "global_blocks": (), "num_random_blocks": 0}),
    ],
)
def test_it_agrees_with_flex(rng, length, options):
    layer = make(rng, **options)
    size = options["block_size"]
    x, padding = draw(rng, length), rng.random((BATCH, length)) < 0.7
    number = -(-length // size)
    mask = expand(layout(layer, number), size, length)
    near(layer(x), flex_attention(layer, x, mask))
    mask = mask & padding[:, None, None]
    near(layer(x, padding_mask=padding), flex_attention(layer, x, mask))
    mask = expand(layout(layer, number, True), size, length) & causal(length)
    output = layer(x, use_causal_mask=True)
    near(output, flex_attention(layer, x, mask))


def test_the_layout_is_window_global_and_random_blocks(rng):
    number = 40
    for window, common in ((3, (0, -1)), (1, (0, -1)), (5, (2, 0, -3))):
        layer = make(rng, num_window_blocks=window, global_blocks=common)
        found = layout(layer, number)
        expected = without_random(number, window, common)
        assert found[:, expected].all()
        rest = (found & ~expected).sum(axis=-1)
        sees_all = [block % number for block in common]
        assert (np.delete(rest, sees_all, axis=1) == 3).all()


def test_heads_rows_and_seeds_draw_their_own_blocks(rng):
    layers = [make(rng, seed=seed) for seed in (None, 0, 1, 2**40, -1)]
    unset, zero, *others = (layout(layer, 40) for layer in layers)
    np.testing.assert_array_equal(unset, zero)
    for other in others:
        assert (other != zero).any(axis=-1).mean() > 0.8
    assert (zero[0] != zero[1]).any(axis=-1)[1:-1].mean() > 0.8
    again = BigBirdAttention.from_config(layers[2].get_config())
    np.testing.assert_array_equal(layout(again, 40), others[0])


def test_every_block_is_as_likely(rng):
    layer = BigBirdAttention(500, num_random_blocks=2, global_blocks=(0,))
    rows = ops.full((1,), 7, dtype="int32")
    lists = to_numpy(layer.list_blocks(rows, 16, False))
    counts = np.bincount(lists[lists >= 0], minlength=16)
    assert (counts[[0, 6, 7, 8]] == 500).all()
    free = np.delete(counts, [0, 6, 7, 8])
    assert free.sum() == 1000
    # Chi-square with 11 degrees of freedom: 31.3 one time in a thousand.
    assert ((free - free.mean()) ** 2 / free.mean()).sum() < 31.3


def test_the_hash_is_the_same_everywhere():
    """The numbers that a run on any backend ever gave."""
    numbers = hashed(7, 1, ops.arange(3, dtype="int32"))
    assert to_numpy(numbers).tolist() == HASHES
    assert hashed(2**40 + 7, 1) != hashed(7, 1)


@pytest.mark.few
@pytest.mark.parametrize("length", [1, 2, 3, 5, 7])
def test_short_sequences_are_attended_to_in_full(rng, length):
    """Whatever is window, global and drawn at once counts once."""
    layer = make(rng, block_size=2, num_random_blocks=5)
    dense = make(rng, MultiHeadAttention)
    dense.set_weights(layer.get_weights())
    x = draw(rng, length)
    near(layer(x), dense(x))
    near(layer(x, use_causal_mask=True), dense(x, use_causal_mask=True))


def test_the_past_does_not_depend_on_the_length(rng):
    layer = make(rng, global_blocks=(0, 2, -1))
    short, long = layout(layer, 12, True), layout(layer, 40, True)
    past = np.tri(12, dtype=bool)
    np.testing.assert_array_equal(short & past, long[:, :12, :12] & past)
    assert (short & past)[:, 2:, 2].all()
    counts = (long & np.tri(40, dtype=bool)).sum(axis=-1)
    # Two of the window, two global ones and three drawn.
    assert (counts[:, 8:] == 2 + 2 + 3).all()


@pytest.mark.full
def test_groups_and_positions_of_every_kind(rng, monkeypatch):
    layer = make(rng, block_size=2, num_random_blocks=1, position=EveryHook())
    x, weights = draw(rng, 13), ops.convert_to_tensor(draw(rng, 13))
    loss = in_graph(lambda x: ops.sum(layer(x) * weights))
    value, expected = gradients(loss, x, layer=layer)
    monkeypatch.setattr(gathered_blocks, "_GROUP", 1)
    loss = in_graph(lambda x: ops.sum(layer(x) * weights))
    again, found = gradients(loss, x, layer=layer)
    near(again, value, 1e-4)
    for gradient, other in zip(found, expected, strict=True):
        near(gradient, other, 1e-4)
    heads, values = layer.attention_weights(x), layer.value_dense(x)
    mixed = ops.einsum("bhts,bshd->bthd", heads, values)
    places = ops.arange(13, dtype="int32")
    mixed = mixed + layer.position.values(heads, places, places)
    near(layer(x), layer.output_dense(mixed))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_window_blocks": 2}, "num_window_blocks.*odd.*2"),
        ({"num_window_blocks": 0}, "num_window_blocks.*0"),
        ({"num_random_blocks": -1}, "num_random_blocks.*-1"),
        ({"num_random_blocks": 1.5}, "num_random_blocks.*1.5"),
        ({"global_blocks": 1}, "global_blocks.*1"),
        ({"global_blocks": ("first",)}, "global_blocks.*first"),
        ({"global_blocks": (0.5,)}, "global_blocks.*0.5"),
        ({"block_size": -1}, "block_size.*-1"),
    ],
)
def test_numbers_that_make_no_sense_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BigBirdAttention(HEADS, **options)
