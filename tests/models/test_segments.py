"""A decoder that reads a text in segments and keeps the last of them."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    RotaryEmbedding,
    SlidingWindowAttention,
    TransformerDecoder,
)
from tests.models import small
from tests.tools import compiled, gradients, near, to_numpy

LENGTH, SEGMENT = 15, 5
# Features of turned heads, in linear attention, are no more relative.
FLAVOURS = {
    "multi_head": "rotary",
    "linear": None,
    "sliding_window": "rotary",
    "retention": "rotary",
}


def model(rng, memory=LENGTH, **options):
    options = {"position": "rotary", "dropout": 0.0, **options}
    return small.decoder(rng, segment_memory=memory, **options)


def read(decoder, tokens, segment=SEGMENT, call=None, mask=None):
    """Hidden states of all segments."""
    state = decoder.init_segments(len(tokens))
    call = call or (
        lambda piece, state, mask=None: decoder(
            piece, padding_mask=mask, segments=state
        )
    )
    outputs = []
    for start in range(0, tokens.shape[1], segment):
        rows = slice(start, start + segment)
        piece = ops.convert_to_tensor(tokens[:, rows])
        masks = {} if mask is None else {"mask": mask[:, rows]}
        hidden, state = call(piece, state, **masks)
        outputs.append(to_numpy(hidden))
    return np.concatenate(outputs, axis=1)


@pytest.mark.full
@pytest.mark.parametrize("residual", ["pre_norm", "post_norm"])
@pytest.mark.parametrize("attention", FLAVOURS)
def test_a_memory_for_all_gives_the_full_pass(rng, attention, residual):
    decoder = model(
        rng,
        attention=attention,
        position=FLAVOURS[attention],
        residual=residual,
    )
    tokens = small.ids(rng, LENGTH)
    full = to_numpy(decoder(tokens))
    near(read(decoder, tokens), full)
    near(read(decoder, tokens, 4), full)
    mask = np.ones(tokens.shape, bool)
    mask[2, 3:7] = False
    hidden = to_numpy(decoder(tokens, padding_mask=mask))
    near(read(decoder, tokens, mask=mask), hidden)
    assert np.abs(hidden - full)[2].max() > 1e-3


@pytest.mark.full
def test_compiled_it_is_the_same(rng):
    decoder = model(rng, memory=7)
    tokens = small.ids(rng, LENGTH)
    call = compiled(lambda piece, state: decoder(piece, segments=state))
    near(read(decoder, tokens, call=call), read(decoder, tokens))


def test_it_sees_further_than_its_memory_and_no_further(rng):
    decoder = model(rng, memory=SEGMENT)  # of two layers
    tokens = small.ids(rng, LENGTH, ragged=False)
    output = read(decoder, tokens)

    def last_changes(place):
        where = np.arange(LENGTH) == place
        other = read(decoder, small.changed(rng, tokens, where))
        return np.abs(other - output)[:, -1].max() > 1e-6

    # The last token's second layer sees 5 positions before its segment, whose
    # first layer saw 5 more before theirs.
    assert last_changes(LENGTH - SEGMENT - 1)
    assert last_changes(0)
    shallow = model(rng, memory=SEGMENT, num_layers=1)
    output = read(shallow, tokens)
    first = small.changed(rng, tokens, np.arange(LENGTH) < SEGMENT)
    near(read(shallow, first)[:, -SEGMENT:], output[:, -SEGMENT:], 0, 0)


def test_what_is_kept_is_a_constant_to_the_gradient(rng):
    decoder = model(rng, memory=SEGMENT, num_layers=1)
    block = decoder.blocks[0].name
    tokens = ops.convert_to_tensor(small.ids(rng, SEGMENT, ragged=False))
    state = decoder.init_segments(len(tokens))
    rows = rng.normal(size=state[block].shape).astype("float32")
    mask = ops.ones_like(state["mask"])

    def kept(rows):
        given = {"mask": mask, block: rows}
        _, state = decoder(tokens, segments=given)
        _, state = decoder(tokens, segments=state)
        return ops.sum(decoder(tokens, segments=state)[0] ** 2)

    near(gradients(kept, rows)[1][0], 0 * rows, 0, 0)


@pytest.mark.parametrize("name", ["sinusoidal", "learned"])
def test_absolute_positions_are_refused(rng, name):
    with pytest.raises(ValueError, match="segment_memory.*relative"):
        model(rng, position=name)


@pytest.mark.parametrize("wrong", [-1, 1.5, "7", True])
def test_sizes_that_make_no_sense_are_refused(rng, wrong):
    with pytest.raises(ValueError, match="segment_memory must be an integer"):
        model(rng, memory=wrong)


@pytest.mark.full
def test_a_decoder_without_memory_says_so(rng):
    decoder, other = small.decoder(rng), model(rng)
    with pytest.raises(ValueError, match="construct it with segment_memory"):
        decoder.init_segments(3)
    state = other.init_segments(3)
    with pytest.raises(ValueError, match="construct it with segment_memory"):
        decoder(small.ids(rng), segments=state)
    with pytest.raises(ValueError, match="segments.*shape"):
        model(rng, memory=3)(small.ids(rng), segments=state)


def test_cache_and_start_beside_segments_are_refused(rng):
    decoder = model(rng)
    tokens, state = small.ids(rng), decoder.init_segments(3)
    cache = decoder.init_cache(3, LENGTH)
    with pytest.raises(ValueError, match="in place of a cache"):
        decoder(tokens, segments=state, cache=cache)
    with pytest.raises(ValueError, match="start=4"):
        decoder(tokens, segments=state, start=4)


@pytest.mark.full
def test_its_configuration_and_its_file_keep_it(rng, tmp_path):
    decoder = model(rng, memory=3)
    tokens = small.ids(rng, 4)
    again = TransformerDecoder.from_config(decoder.get_config())
    assert again.segment_memory == 3
    decoder.save(tmp_path / "decoder.keras")
    loaded = keras.models.load_model(tmp_path / "decoder.keras")
    near(read(loaded, tokens, 2), read(decoder, tokens, 2), 1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"attention": SlidingWindowAttention(3, window_size=3, num_sinks=1)},
        {"attention": "bigbird"},
        {"attention": "lsh"},
        {"attention": "linear"},
        {"attention": "gated_linear"},
        {"position": RotaryEmbedding(axes=2)},
        {"position": RotaryEmbedding(axes=2, grid=(3, 3)), "memory": 9},
    ],
)
def test_what_depends_on_the_beginning_is_refused(rng, options):
    with pytest.raises(ValueError, match="does not support segment_memory"):
        model(rng, **options)


def test_a_state_of_another_batch_or_model_is_refused(rng):
    decoder = model(rng)
    state = decoder.init_segments(2)
    with pytest.raises(ValueError, match="segments.*shape"):
        decoder(small.ids(rng, batch_size=3), segments=state)
    cache = decoder.init_cache(3, LENGTH)
    with pytest.raises(ValueError, match="segments must be what init_segm"):
        decoder(small.ids(rng), segments=cache)
