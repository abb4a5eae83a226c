"""Trained models with another flavour of attention."""

import numpy as np
import pytest

from keras_attention import (
    BigBirdAttention,
    BlockSparseAttention,
    CausalLM,
    Classifier,
    EncoderDecoder,
    LearnedEncoding,
    LongformerAttention,
    MaskedLM,
    MultiHeadAttention,
    RotaryEmbedding,
    SlidingWindowAttention,
    TransformerDecoder,
    TransformerEncoder,
    VectorEmbedding,
    convert_attention,
    enable_lora,
)
from tests.models import small
from tests.tools import near, only, randomize, to_numpy

LENGTH = 23
LEARNED = {"class_name": "learned", "config": {"max_length": 29, "offset": 2}}
# Each sees all of a text of that length.
COVERING = {
    "sliding_window": SlidingWindowAttention(2, window_size=LENGTH),
    "longformer": LongformerAttention(2, window_size=LENGTH),
    "block_sparse": BlockSparseAttention(2, layout="dense", block_size=5),
    "bigbird": BigBirdAttention(2, block_size=8),
    "several": ["multi_head", SlidingWindowAttention(2, window_size=LENGTH)],
}


def encoder(rng, position="rotary", **options):
    options = {"num_layers": 1, "hidden_dim": 12, "num_heads": 2, **options}
    return randomize(TransformerEncoder(53, position=position, **options), rng)


def ids(rng, length=LENGTH):
    return rng.integers(1, 53, (2, length))


@pytest.mark.parametrize("name", only(("longformer",), COVERING), ids=str)
@pytest.mark.parametrize(
    "position", only(("rotary",), ("rotary", "alibi", "t5_relative", "learned"))
)
def test_a_flavour_that_sees_the_whole_text_gives_the_same(rng, name, position):
    position = LEARNED if position == "learned" else position
    model = encoder(rng, position, num_layers=2)
    token_ids = ids(rng)
    token_ids[1, 17:] = 0
    kept = token_ids > 0
    expected = to_numpy(model(token_ids))
    converted = convert_attention(model, COVERING[name])
    near(to_numpy(converted(token_ids))[kept], expected[kept])
    # The given model is another, and as it was.
    randomize(converted, rng)
    near(model(token_ids), expected)


def test_a_narrow_window_sees_less(rng):
    model = encoder(rng)
    token_ids = ids(rng)
    narrow = SlidingWindowAttention(2, window_size=2)
    converted = convert_attention(model, narrow)
    assert converted.blocks[0].attention.window_size == 2
    error = np.abs(to_numpy(converted(token_ids)) - to_numpy(model(token_ids)))
    assert error.max() > 1e-2


def decoder():
    return TransformerDecoder(53, 1, 12, 2, position="rotary")


MODELS = {
    "decoder": lambda rng: decoder(),
    "language model": lambda rng: CausalLM(decoder()),
    "masked": lambda rng: MaskedLM(encoder(rng)),
    "classifier": lambda rng: Classifier(encoder(rng), 3, hidden_dim=5),
    "shared": small.encoder_decoder,
    "not shared": lambda rng: small.encoder_decoder(rng, shared=False),
}


@pytest.mark.parametrize("name", only(("classifier", "shared"), MODELS))
def test_each_model_keeps_its_class_and_what_it_computes(rng, name):
    model = MODELS[name](rng)
    inputs = small.ids(rng)
    if isinstance(model, EncoderDecoder):
        inputs = small.pairs(rng)
    randomize(model, rng)
    model.compile("sgd", "mse")
    converted = convert_attention(model, "sliding_window")
    near(converted(inputs), model(inputs))
    assert type(converted) is type(model) and not converted.compiled
    part = getattr(converted, "encoder", getattr(converted, "decoder", None))
    part = converted if part is None else part
    assert isinstance(part.blocks[0].attention, SlidingWindowAttention)
    if isinstance(model, EncoderDecoder):
        assert converted.share_embeddings == model.share_embeddings
        mixer = converted.decoder.blocks[0].attention
        assert isinstance(mixer, MultiHeadAttention)


def test_a_converted_model_is_saved_and_read(rng, tmp_path):
    model = convert_attention(encoder(rng, dtype="float32"), "longformer")
    model.save_to_preset(tmp_path)
    token_ids = ids(rng)
    near(TransformerEncoder.from_preset(tmp_path)(token_ids), model(token_ids))


def test_arguments_carry_over_unless_they_are_given(rng):
    mixer = MultiHeadAttention(
        4, 6, num_kv_heads=2, scale=0.3, qk_norm=True, use_bias=["key", "value"]
    )
    model = encoder(rng, num_heads=4, attention=mixer, dtype="mixed_bfloat16")
    found = convert_attention(model, "longformer").blocks[0].attention
    assert (found.num_heads, found.head_dim, found.num_kv_heads) == (4, 6, 2)
    assert found.scale == 0.3 and found.qk_norm is True
    assert found.use_bias == ["key", "value", "global_key", "global_value"]
    assert found.compute_dtype == "bfloat16"
    near(
        found.global_key_dense.kernel,
        model.blocks[0].attention.key_dense.kernel,
    )
    given = SlidingWindowAttention(4, scale=0.7)
    assert convert_attention(model, given).blocks[0].attention.scale == 0.7


def test_key_and_value_heads_are_averaged_in_groups(rng):
    model = encoder(rng, num_heads=4, hidden_dim=24)
    grouped = MultiHeadAttention(4, num_kv_heads=2)
    converted = convert_attention(model, grouped)
    for old, new in zip(model.blocks, converted.blocks, strict=True):
        for name in ("key_dense", "value_dense"):
            before, after = (getattr(x.attention, name) for x in (old, new))
            for weight in ("kernel", "bias"):
                heads = to_numpy(getattr(before, weight))
                means = [heads[..., i : i + 2, :].mean(-2) for i in (0, 2)]
                near(getattr(after, weight), np.stack(means, axis=-2))
    # Repeating heads changes nothing.
    again = convert_attention(converted, MultiHeadAttention(4, num_kv_heads=4))
    token_ids = ids(rng)
    near(again(token_ids), converted(token_ids))


def test_learned_positions_are_copied_behind_their_offset(rng):
    model = encoder(rng, LEARNED)
    converted = convert_attention(model, "sliding_window", max_length=70)
    old, new = (to_numpy(x.position.table) for x in (model, converted))
    assert new.shape == (72, 12)
    near(new[:31], old)
    near(new[31:60], old[2:])
    near(new[60:], old[2:14])
    assert converted(ids(rng, 70)).shape == (2, 70, 12)
    with pytest.raises(ValueError, match="no less than that of the model, 29"):
        convert_attention(model, "sliding_window", max_length=20)


def test_rotary_positions_are_scaled_from_the_published_length(rng):
    model = encoder(rng)
    with pytest.raises(ValueError, match="does not say for which length"):
        convert_attention(model, None, max_length=4096)
    model.published = {"max_position_embeddings": 2048}
    position = convert_attention(model, None, max_length=8192).position
    assert position.scaling["type"] == "yarn"
    assert position.scaling["factor"] == 4.0
    assert position.scaling["original_max_length"] == 2048
    same = convert_attention(model, None, max_length=1024)
    assert same.position.scaling is None and same.published is None
    linear = RotaryEmbedding(scaling={"type": "linear", "factor": 2.0})
    model = encoder(rng, linear)
    model.published = {"max_position_embeddings": 2048}
    position = convert_attention(model, None, max_length=6144).position
    assert position.scaling == {"type": "linear", "factor": 6.0}


def test_another_position_takes_the_place_with_a_warning(rng):
    model = encoder(rng, LEARNED)
    with pytest.warns(UserWarning, match="RotaryEmbedding takes the place of "):
        converted = convert_attention(model, None, position="rotary")
    assert isinstance(converted.position, RotaryEmbedding)
    # Of the same class, it has the same weights.
    again = convert_attention(model, None, position=LearnedEncoding(29, 2))
    token_ids = ids(rng)
    near(again(token_ids), model(token_ids))


def test_flavours_that_compute_something_else_warn(rng):
    model = encoder(rng, attention=MultiHeadAttention(2, scale=0.4))
    with pytest.warns(UserWarning, match="LinearAttention computes.*scale=0.4"):
        converted = convert_attention(model, "linear")
    old, new = (x.blocks[0].attention for x in (model, converted))
    near(new.value_dense.kernel, old.value_dense.kernel)


def test_what_does_not_carry_over_is_one_message(rng):
    model = encoder(rng)
    message = "do not carry over to TalkingHeads.*nothing for its score_mixing"
    with pytest.raises(ValueError, match=message):
        convert_attention(model, "talking_heads")
    with pytest.raises(ValueError, match="a global_query/kernel too many"):
        convert_attention(convert_attention(model, "longformer"), "multi_head")
    fewer = MultiHeadAttention(6, num_kv_heads=2)
    model = encoder(rng, num_heads=6, attention=fewer)
    with pytest.raises(ValueError, match="a key/kernel of the shape"):
        convert_attention(model, MultiHeadAttention(6, num_kv_heads=3))


def test_models_that_cannot_be_converted_are_refused(rng):
    model = encoder(rng)
    with pytest.raises(ValueError, match="takes a TransformerEncoder.*Vector"):
        convert_attention(VectorEmbedding(3), "linear")
    with pytest.raises(ValueError, match="Unknown attention name.*'linear'"):
        convert_attention(model, "liner")
    with pytest.raises(ValueError, match="max_length extends the positions"):
        convert_attention(model, None, position="alibi", max_length=64)
    with pytest.raises(ValueError, match="not causal"):
        decoder = TransformerDecoder(53, 1, 12, 2)
        convert_attention(decoder, "longformer")
    enable_lora(model, 2)
    with pytest.raises(ValueError, match="merge_lora"):
        convert_attention(model, "linear")
