"""Models of blocks of the user's own."""

import keras
import numpy as np
import pytest

from keras_attention import (
    EncoderDecoder,
    FeedForward,
    MultiHeadAttention,
    TransformerBlock,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.models import small
from tests.tools import near, randomize, to_numpy


@keras.saving.register_keras_serializable(package="tests")
class Macaron(TransformerBlock):
    """Lu et al. 2019: half a feed-forward part goes before attention."""

    def build(self, input_shape):
        super().build(input_shape)
        self.first = FeedForward(17, name="first", dtype=self.dtype_policy)
        self.first.build(input_shape)

    def run(self, x, **inputs):
        return super().run(x + 0.5 * self.first(x), **inputs)


@keras.saving.register_keras_serializable(package="tests")
class Scaled(TransformerBlock):
    """Has an option of its own."""

    def __init__(self, *args, factor=2.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.factor = factor

    def run(self, x, **inputs):
        return super().run(self.factor * x, **inputs)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


BLOCKS = {
    "template": lambda: Macaron(),
    "configuration": lambda: {"class_name": "tests>Macaron", "config": {}},
    "option": lambda: Scaled(factor=3.0, residual="sandwich_norm"),
}


@pytest.fixture(params=BLOCKS)
def block(request):
    return BLOCKS[request.param]()


def test_every_layer_has_one_of_its_own(rng, block):
    for model in (
        small.encoder(rng, block=block),
        small.decoder(rng, block=block, cross_attention="multi_head"),
    ):
        assert [b.name for b in model.blocks] == ["block_0", "block_1"]
        assert len({type(b) for b in model.blocks}) == 1
        assert type(model.blocks[0]) is not TransformerBlock
        assert model.blocks[0] is not block
        ids = [id(v) for b in model.blocks for v in b.weights]
        assert len(set(ids)) == len(ids)
    assert getattr(model.blocks[1], "factor", 3.0) == 3.0


def test_it_computes_what_it_says(rng):
    model = small.encoder(rng, block=Macaron(), position=None)
    ids = small.ids(rng, ragged=False)
    x = model.embedding(ids)
    for block in model.blocks:
        assert isinstance(block, Macaron)
        x = x + 0.5 * block.first(x)
        first, second = block.norms
        x = x + block.attention(first(x))
        x = x + block.feed_forward(second(x))
    near(model(ids), model.final_norm(x))


@pytest.mark.few
def test_a_cache_gives_the_full_pass(rng, block):
    model = small.encoder_decoder(rng, block=block, position="rotary")
    inputs = small.pairs(rng, ragged=False)
    expected = to_numpy(model(inputs))
    memory = model.init_memory(inputs["source_ids"])
    cache = model.init_cache(3, 7)
    for start in range(7):
        piece = inputs["target_ids"][:, start : start + 1]
        logits, cache = model.step(piece, cache, memory, start)
        near(logits, expected[:, start])


@pytest.mark.full
def test_it_is_trained_saved_and_loaded(rng, tmp_path, block):
    decoder = small.decoder(rng, block=block)
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, decoder.logits(decoder(ids)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    texts = small.ids(rng, 8, ragged=False)
    before = [to_numpy(v) for v in decoder.trainable_variables]
    model.fit(texts[:, :-1], texts[:, 1:], verbose=0)
    after = [to_numpy(v) for v in decoder.trainable_variables]
    pairs = zip(before, after, strict=True)
    assert all(np.abs(a - b).max() > 0 for a, b in pairs)
    model.save(tmp_path / "model.keras")
    decoder.save_to_preset(tmp_path / "folder")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again(texts), model(texts), 1e-6)
    again = TransformerDecoder.from_preset(tmp_path / "folder")
    assert again.get_config() == decoder.get_config()
    near(again(texts), decoder(texts), 1e-6)


def test_what_the_template_says_counts_and_the_rest_is_the_models(rng):
    model = small.encoder(
        rng,
        block=Scaled(normalization="rms_norm"),
        residual="post_norm",
        dropout=0.3,
        attention=MultiHeadAttention(3, num_kv_heads=1),
        position="rotary",
    )
    block = model.blocks[1]
    assert type(block.norms[0]).__name__ == "RMSNormalization"
    assert type(block.residual).__name__ == "PostNorm"
    assert (block.dropout, block.attention.num_kv_heads) == (0.3, 1)
    assert block.attention.position is model.position
    assert model.final_norm is None
    template = Scaled(residual="post_norm")
    assert small.encoder(rng, block=template).final_norm is None


def test_half_precision_reaches_it(rng):
    model = small.encoder(rng, block=Macaron(), dtype="mixed_bfloat16")
    assert model.blocks[0].first.compute_dtype == "bfloat16"
    output = model(small.ids(rng))
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"


def test_what_cannot_serve_is_refused():
    def encoder(block):
        return TransformerEncoder(7, 1, 6, 2, block=block)

    attention, feed_forward = MultiHeadAttention(2), FeedForward(5)
    with pytest.raises(ValueError, match="The attention of blocks is made by"):
        encoder(Macaron(attention, feed_forward))
    with pytest.raises(ValueError, match="Expected a TransformerBlock as blo"):
        encoder(feed_forward)
    with pytest.raises(ValueError, match="Unknown block name: 'macaron'"):
        encoder("macaron")
    with pytest.raises(ValueError, match='residual="post_norm" in place of'):
        config = {"norm_first": False}
        encoder({"class_name": "tests>Macaron", "config": config})

    @keras.saving.register_keras_serializable(package="tests")
    class Closed(TransformerBlock):
        def __init__(self, attention=None, feed_forward=None, name=None):
            super().__init__(attention, feed_forward, name=name)

    with pytest.raises(ValueError, match=r"Closed must take.*residual.*kwarg"):
        encoder(Closed())
    with pytest.raises(ValueError, match="A block needs attention"):
        TransformerBlock(None, feed_forward).build((None, None, 6))


@pytest.mark.full
def test_a_model_of_both_halves_is_made_of_it(rng):
    encoder = small.encoder(rng, block=Macaron())
    decoder = TransformerDecoder(
        **small.SIZES, cross_attention="multi_head", block=Scaled()
    )
    model = randomize(EncoderDecoder(encoder, decoder), rng)
    inputs = small.pairs(rng)
    again = EncoderDecoder.from_config(model.get_config())
    again.set_weights(model.get_weights())
    near(again(inputs), model(inputs), 0)
