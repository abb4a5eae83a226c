"""Residual paths of a block."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    FeedForward,
    MultiHeadAttention,
    OutputNorm,
    ParallelResidual,
    PostNorm,
    PreNorm,
    Residual,
    SandwichNorm,
    TransformerBlock,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.layers import residuals
from tests.models import small
from tests.tools import gradients, near, randomize, to_numpy

DIM = 12
NAMES = ["pre_norm", "post_norm", "sandwich_norm", "output_norm", "parallel"]
SCALES = {"residual_scale": 1.25, "branch_scale": 0.75}
PATHS = {
    **{name: name for name in NAMES},
    "two norms": ParallelResidual(shared_norm=False),
    "scaled pre_norm": PreNorm(**SCALES),
    "scaled post_norm": PostNorm(**SCALES),
    "scaled sandwich_norm": SandwichNorm(**SCALES),
    "scaled output_norm": OutputNorm(**SCALES),
    "scaled parallel": ParallelResidual(**SCALES),
}


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, 5, DIM)).astype("float32")


@pytest.fixture
def memory(rng):
    return rng.normal(size=(2, 7, DIM)).astype("float32")


def make(rng, residual, cross=False, **options):
    block = TransformerBlock(
        MultiHeadAttention(3),
        FeedForward(17, "relu"),
        MultiHeadAttention(2) if cross else None,
        residual=residual,
        **options,
    )
    block.build((None, None, DIM))
    return randomize(block, rng)


def formula(name, norms, parts, x, a=1.0, b=1.0):
    """What the papers write, with `a` times `x` and `b` times each part."""
    if name == "parallel":
        return a * x + b * sum(part(norms[0](x)) for part in parts)
    if name == "two norms":
        pairs = zip(norms, parts, strict=True)
        return a * x + b * sum(part(norm(x)) for norm, part in pairs)
    for index, part in enumerate(parts):
        if name == "pre_norm":
            x = a * x + b * part(norms[index](x))
        elif name == "post_norm":
            x = norms[index](a * x + b * part(x))
        elif name == "output_norm":
            x = a * x + b * norms[index](part(x))
        else:
            before, after = norms[2 * index : 2 * index + 2]
            x = a * x + b * after(part(before(x)))
    return x


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_norms_and_sums_stand_where_they_are_said_to(
    rng, x, memory, path, cross
):
    block = make(rng, PATHS[path], cross)
    parts = [
        lambda x: block.attention(x, use_causal_mask=True),
        lambda x: block.cross_attention(x, memory),
        block.feed_forward,
    ]
    if not cross:
        del parts[1]
    scales = (1.25, 0.75) if path.startswith("scaled") else (1.0, 1.0)
    name = path.removeprefix("scaled ")
    start = ops.convert_to_tensor(x)
    expected = formula(name, block.norms, parts, start, *scales)
    arguments = {"memory": memory} if cross else {}
    near(block(x, use_causal_mask=True, **arguments), expected, 1e-6)


@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_a_cache_and_rows_of_the_past_give_the_full_pass(
    rng, x, memory, path, cross
):
    block = make(rng, PATHS[path], cross)
    source = {"memory": memory} if cross else {}
    expected = to_numpy(block(x, use_causal_mask=True, **source))
    cache, outputs = block.init_cache(2, 5), []
    for start, stop in ((0, 2), (2, 3), (3, 5)):
        piece = x[:, start:stop]
        output, cache = block(piece, cache=cache, start=start, **source)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), expected)
    near(block(x[:, 3:], past=x[:, :3], **source), expected[:, 3:])


@pytest.mark.parametrize("path", [*NAMES, "two norms"])
def test_every_weight_gets_a_gradient(rng, x, path):
    block = make(rng, PATHS[path], dropout=0.1)

    def loss(x):
        return ops.sum(ops.square(block(x, training=True)))

    _, found = gradients(loss, x, layer=block)
    # A bias of all keys changes no softmax.
    names = [None, *(v.path for v in block.trainable_variables)]
    for name, gradient in zip(names, found, strict=True):
        if name is None or not name.endswith("key/bias"):
            assert np.abs(gradient).max() > 1e-6, name


@pytest.mark.full
def test_dropout_acts_on_what_is_added(rng, x):
    for residual in (*NAMES, PATHS["two norms"]):
        block = make(rng, residual, dropout=0.9999)
        dropped = to_numpy(block(x, training=True))
        expected = x
        if residual == "post_norm":
            first, second = block.norms
            expected = second(first(ops.convert_to_tensor(x)))
        near(dropped, expected, 1e-5)


@pytest.mark.few
@pytest.mark.parametrize("residual", PATHS.values(), ids=PATHS)
def test_a_configuration_makes_the_same_model(rng, residual):
    model = small.encoder(rng, residual=residual)
    again = TransformerEncoder.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    again.set_weights(model.get_weights())
    ids = small.ids(rng)
    near(again(ids), model(ids), 0)
    config = keras.saving.serialize_keras_object(residuals.get(residual))
    block = make(rng, config)
    assert type(block.residual) is type(residuals.get(residual))
    assert block.residual.residual_scale == (
        1.25 if residual not in NAMES and residual._given & set(SCALES) else 1.0
    )


@pytest.mark.parametrize("residual", PATHS.values(), ids=PATHS)
def test_a_template_is_cloned_for_each_block(rng, residual):
    model = small.decoder(rng, residual=residual, normalization="rms_norm")
    first, second = (block.residual for block in model.blocks)
    assert first is not second and first is not residual
    assert not set(map(id, first.norms)) & set(map(id, second.norms))
    assert {type(norm).__name__ for norm in first.norms} == {"RMSNormalization"}


@pytest.mark.full
def test_only_post_norm_needs_no_norm_at_the_end(rng):
    for residual in NAMES:
        norm = small.encoder(rng, residual=residual).final_norm
        assert (norm is None) == (residual == "post_norm")


def test_weights_have_paths_to_lay_them_out_by(rng):
    expected = {
        "pre_norm": ["attention_norm", "cross_attention_norm"],
        "post_norm": ["attention_norm", "cross_attention_norm"],
        "sandwich_norm": ["attention_norm", "cross_attention_output_norm"],
        "output_norm": ["attention_output_norm", "feed_forward_output_norm"],
        "parallel": ["input_norm"],
    }
    for residual, names in expected.items():
        block = make(rng, residual, cross=True, name="block")
        paths = [v.path for v in block.weights]
        assert len(set(paths)) == len(paths)
        assert {f"block/{name}/gamma" for name in names} <= set(paths)


@pytest.mark.full
def test_keras_files_and_quantized_presets_give_the_same(
    rng, tmp_path, quick_collection
):
    ids = small.ids(rng)
    model = small.decoder(rng, residual="sandwich_norm")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again(ids), model(ids), 1e-6)


@keras.saving.register_keras_serializable(package="tests")
class ReZero(Residual):
    """Bachlechner et al. 2020: what a part returns times a learned number."""

    def build(self, input_shape):
        super().build(input_shape)
        self.alpha = self.add_weight(shape=(), initializer="zeros")

    def after(self, part, x, output, training=None):
        return super().after(part, x, self.alpha * output, training)


@pytest.mark.full
def test_a_path_of_ones_own_has_weights_and_is_saved(rng, x, tmp_path):
    block = make(rng, ReZero())
    block.residual.alpha.assign(0.0)
    near(block(x), x, 0)
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, make(rng, ReZero())(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert float(to_numpy(again.layers[1].residual.alpha)) != 0
    near(again(x), model(x), 1e-6)
    decoder = small.decoder(rng, residual=ReZero())
    assert len(decoder.blocks[0].norms) == 0
    decoder.save_weights(tmp_path / "own.weights.h5")
    other = small.decoder(rng, residual=ReZero())
    other.load_weights(tmp_path / "own.weights.h5")
    ids = small.ids(rng)
    near(other(ids), decoder(ids), 0)


@pytest.mark.full
def test_in_half_precision_a_block_stays_in_it(rng, x):
    for residual in PATHS.values():
        block = make(rng, residual, dtype="mixed_bfloat16")
        assert keras.backend.standardize_dtype(block(x).dtype) == "bfloat16"


@pytest.mark.parametrize("name", ["prenorm", "pre-norm", "PreNorm", 3, None])
def test_an_unknown_name_lists_the_known(name):
    known = "Known names: output_norm, parallel, post_norm, pre_norm, sand"
    message = f"Unknown residual name: '{name}'. {known}"
    if not isinstance(name, str):
        message = f"Expected residual as a name.*Received: {name}"
    for make_it in (
        lambda: TransformerBlock(
            MultiHeadAttention(3), FeedForward(5), residual=name
        ),
        lambda: TransformerDecoder(7, 1, 6, 2, residual=name),
    ):
        with pytest.raises(ValueError, match=message):
            make_it()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="Expected a Residual as residual.*Fe"):
        TransformerEncoder(7, 1, 6, 2, residual=FeedForward(3))
    for option in SCALES:
        for wrong in (0.0, -1.0, float("nan"), "2", None):
            with pytest.raises(ValueError, match=f"{option} must be a finite"):
                PreNorm(**{option: wrong})
    with pytest.raises(ValueError, match="shared_norm must be True or False"):
        ParallelResidual(shared_norm="yes")


def test_an_override_of_earlier_versions_is_refused():
    class Mine(TransformerBlock):
        def residual(self, index, part, x, training=None):
            return x + part(x)

    with pytest.raises(ValueError, match="Mine overrides residual.*subclass"):
        Mine(MultiHeadAttention(3), FeedForward(5))
