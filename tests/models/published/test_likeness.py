"""Models of our own are written as those of the family that is like them."""

import json

import keras
import numpy as np
import pytest

from keras_attention import (
    EncoderDecoder,
    MultiHeadAttention,
    RecurrentEncoderDecoder,
    TransformerBlock,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.tools import near_by_size, to_numpy
from tests.zoo import oracle


def pair(rng=None, share=True, sizes=(37, 37), tie=True, last=None, **parts):
    """A pair whose sides differ in sizes, all of whose weights matter."""
    encoder = TransformerEncoder(
        sizes[0], 2, 24, 4, intermediate_dim=31, **parts
    )
    own = {"tie_embeddings": tie}
    decoder = TransformerDecoder(
        sizes[1],
        1,
        24,
        4,
        intermediate_dim=29,
        cross_attention="multi_head",
        **({"embedding": encoder.embedding} if share else own),
        **{**parts, **(last or {})},
    )
    model = EncoderDecoder(encoder, decoder)
    for weight in model.weights if rng is not None else ():
        drawn = rng.normal(0, 0.3, weight.shape)
        weight.assign(drawn + (weight.name == "gamma"))
    return model


def layer_norm(epsilon):
    return {"class_name": "layer_norm", "config": {"epsilon": epsilon}}


@keras.saving.register_keras_serializable(package="tests_likeness")
class OwnBlock(TransformerBlock):
    """It might compute anything."""


def read(folder):
    """What `transformers` makes of a folder."""
    package = oracle.transformers()
    content = json.loads((folder / "config.json").read_text())
    cls = getattr(package, content["architectures"][0])
    return cls.from_pretrained(folder).eval()


@pytest.mark.parametrize(
    ("residual", "expected", "options"),
    [
        ("post_norm", "Marian", {"share": False, "sizes": (37, 41)}),
        pytest.param("pre_norm", "Pegasus", {}, marks=pytest.mark.full),
        pytest.param("post_norm", "Marian", {}, marks=pytest.mark.full),
        *(
            pytest.param(
                residual,
                expected,
                {"share": False, "tie": tie, "feed_forward": form},
                marks=pytest.mark.full,
            )
            for residual, expected in (
                ("pre_norm", "Pegasus"),
                ("post_norm", "Marian"),
            )
            for tie in (True, False)
            for form in ("relu", "gelu_tanh", "silu")
        ),
    ],
)
def test_transformers_computes_the_same(
    residual, expected, options, rng, tmp_path
):
    ours = pair(rng, residual=residual, **options)
    ours.to_huggingface(tmp_path)
    theirs = read(tmp_path)
    assert type(theirs).__name__.startswith(expected)
    source = rng.integers(1, 37, (3, 9))
    source[1, -3:] = 0
    target = rng.integers(0, 37, (3, 5))
    numbers = oracle.call_pair(theirs, source, target, source != 0)
    inputs = {"source_ids": source, "target_ids": target}
    near_by_size(to_numpy(ours(inputs)), numbers, 1e-5)
    again = EncoderDecoder.from_preset(tmp_path)
    near_by_size(to_numpy(again(inputs)), numbers, 1e-5)


# By default those that only one comparison finds.
LACKING = [
    ({"attention": MultiHeadAttention(4, num_kv_heads=2)}, "num_kv_heads"),
    ({"position": None}, "position"),
    ({"normalization": layer_norm(1e-6)}, "epsilon=1e-06, .* must be 1e-05"),
    ({"last": {"feed_forward": "relu"}}, "activation"),
    ({"attention": MultiHeadAttention(4, use_bias=False)}, "use_bias"),
    ({"attention": "linear"}, "attention.*LinearAttention"),
    ({"attention": MultiHeadAttention(4, position="alibi")}, "position in"),
    ({"position": "rotary"}, "position.*RotaryEmbedding"),
    ({"normalization": "rms_norm"}, "normalization.*RMSNormalization"),
    ({"residual": "sandwich_norm"}, "residual.*SandwichNorm"),
    ({"final_normalization": False}, "normalization|residual"),
    ({"embedding_normalization": "layer_norm"}, "embedding_normalization"),
    ({"feed_forward": "swiglu"}, "gated=True"),
    ({"feed_forward": "elu"}, "activation='elu'"),
    ({"share": False, "sizes": (37, 41)}, "vocabulary_size=41"),
    ({"last": {"residual": "post_norm"}}, "residual"),
    ({"block": OwnBlock()}, "block.*OwnBlock"),
]


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        pytest.param(*case, marks=pytest.mark.full if place > 3 else ())
        for place, case in enumerate(LACKING)
    ],
    ids=str,
)
def test_what_a_family_lacks_is_named(parts, named, tmp_path):
    model = pair(**parts)
    folder = tmp_path / "written"
    with pytest.raises(ValueError, match=named):
        model.to_huggingface(folder)
    assert not folder.exists()


def test_other_models_are_refused(tmp_path):
    for model in (
        RecurrentEncoderDecoder(37, 1, 8),
        TransformerEncoder(37, 1, 8, 2),
    ):
        with pytest.raises(ValueError, match="no published family"):
            model.to_huggingface(tmp_path / "written")
    model = pair()
    model.copy_generator = "one"
    with pytest.raises(ValueError, match="copy_generator"):
        model.to_huggingface(tmp_path / "written")


def test_writing_leaves_the_model_as_it_was(rng, tmp_path):
    model = pair(rng)
    before = [to_numpy(weight) for weight in model.weights]
    model.to_huggingface(tmp_path)
    assert model.published is None
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), old)
