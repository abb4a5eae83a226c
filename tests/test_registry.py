"""What constructors of all parts and models refuse."""

import numpy as np
import pytest

from keras_attention import (
    Classifier,
    CopyGenerator,
    EncoderDecoder,
    FeedForward,
    MultiHeadAttention,
    PatchEmbedding,
    RecurrentEncoder,
    RecurrentEncoderDecoder,
    TransformerBlock,
    TransformerDecoder,
    TransformerEncoder,
    attention,
    positions,
)
from keras_attention.layers.attention_recurrence import AttentionRecurrence
from keras_attention.layers.embeddings import VectorEmbedding
from keras_attention.layers.factorized_embedding import FactorizedEmbedding
from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.models.baselines.recurrent_decoder import RecurrentDecoder

PARTS = {
    name: lambda name=name: attention.get(name, num_heads=2)
    for name in attention.names()
}
PARTS |= {
    f"position {name}": lambda name=name: positions.get(name)
    for name in positions.names()
}
PARTS |= {
    "feed_forward": lambda: FeedForward(5),
    "tokens": lambda: TokenEmbedding(7, 6),
    "factorized": lambda: FactorizedEmbedding(7, 6, 4),
    "patches": lambda: PatchEmbedding(2, 6),
    "vectors": lambda: VectorEmbedding(6),
    "copy": lambda: CopyGenerator(),
    "block": lambda: TransformerBlock(MultiHeadAttention(2), FeedForward(5)),
    "recurrence": lambda: AttentionRecurrence(1, 6, 6),
}
MODELS = {
    "encoder": lambda: TransformerEncoder(7, 1, 6, 2),
    "decoder": lambda: TransformerDecoder(7, 1, 6, 2),
    "recurrent encoder": lambda: RecurrentEncoder(7, 1, 6),
    "recurrent decoder": lambda: RecurrentDecoder(7, 1, 6),
    "classifier": lambda: Classifier(TransformerEncoder(7, 1, 6, 2), 3),
}


def booleans(config):
    """Options that are booleans, and may be nothing else."""
    # A normalization, or a number, as well.
    others = {"qk_norm", "scale"}
    return [
        name
        for name, value in config.items()
        if isinstance(value, bool) and name not in others
    ]


@pytest.mark.parametrize("name", [*PARTS, *MODELS])
def test_only_a_boolean_counts_as_one(name):
    made = (PARTS | MODELS)[name]()
    config = made.get_config()
    for option in booleans(config):
        # Of a model as a whole, Keras checks this one.
        message = f"^{option} must be True or|^Expected `trainable`"
        for wrong in ("false", "", 0, 1.0, None, [True]):
            with pytest.raises(ValueError, match=message):
                type(made)(**{**config, option: wrong})


def test_positional_booleans_are_checked_and_those_of_numpy_will_do():
    with pytest.raises(ValueError, match="class_token must be True or False"):
        PatchEmbedding(2, 6, 1, "yes")
    for value in (np.False_, np.True_):
        layer = MultiHeadAttention(2, use_bias=value)
        assert layer.use_bias == value
        assert type(layer).from_config(layer.get_config()).use_bias == value


@pytest.mark.parametrize(
    "made",
    [
        lambda: TransformerEncoder(7, 1, 6, 2, tie_embeddings="no"),
        lambda: RecurrentEncoderDecoder(7, 1, 6, input_feeding="no"),
        lambda: RecurrentEncoderDecoder(7, 1, 6, share_embeddings="no"),
        lambda: EncoderDecoder(None, None, share_embeddings="no"),
        lambda: positions.T5RelativeBias(bidirectional="no"),
    ],
)
def test_booleans_that_no_configuration_shows_are_checked(made):
    with pytest.raises(ValueError, match="must be True or False.*'no'"):
        made()


class Renamed(MultiHeadAttention):
    """Gives an option of its base another meaning."""

    def __init__(self, num_heads, gate="wide", **kwargs):
        super().__init__(num_heads, gate=gate == "wide", **kwargs)


def test_the_default_of_a_subclass_counts():
    assert Renamed(2, gate="wide").gate and not Renamed(2, gate="narrow").gate


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *[(name, "dropout") for name in ("multi_head", "linear", "block")],
        *[(name, "dropout") for name in ("encoder", "recurrent decoder")],
        *[(name, "dropout") for name in ("classifier", "feed_forward")],
        ("entmax", "alpha"),
        ("retention", "epsilon"),
        ("retention", "decay"),
        ("gated_linear", "gate_temperature"),
        ("multi_head", "logit_softcap"),
        ("multi_head", "scale"),
        ("differential", "lambda_init"),
        ("tokens", "logit_soft_cap"),
        ("tokens", "padding_id"),
        ("vectors", "hidden_dim"),
        ("vectors", "dim"),
        ("position learned", "max_length"),
        ("position learned", "offset"),
        ("encoder", "num_layers"),
        ("recurrent encoder", "num_layers"),
        ("block", "memory_dim"),
        ("recurrent decoder", "state_dim"),
        ("feed_forward", "seed"),
        ("feed_forward", "intermediate_dim"),
    ],
)
def test_only_a_number_counts_as_one(name, option):
    made = (PARTS | MODELS)[name]()
    config = made.get_config()
    for wrong in ("2", "x", True, {"a": 2}, float("nan")):
        if option == "seed" and wrong is True:
            continue
        with pytest.raises(ValueError, match=option):
            type(made)(**{**config, option: wrong})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: attention.get("multihead", num_heads=2),
            "Unknown attention name: 'multihead'. Known names: additive, .*"
            "Did you mean 'multi_head'\\?$",
        ),
        (lambda: attention.get("Linear_", num_heads=2), "mean 'linear'"),
        (lambda: positions.get("rotery"), "encoding name.*mean 'rotary'"),
        (
            lambda: TransformerEncoder(7, 1, 6, 2, residual="prenorm"),
            "Unknown residual name: 'prenorm'.*mean 'pre_norm'",
        ),
        (
            lambda: TransformerEncoder(7, 1, 6, 2, normalization="rmsnorm"),
            "normalization name.*mean 'rms_norm'",
        ),
        (
            lambda: TransformerEncoder(7, 1, 6, 2, feed_forward="swiglue"),
            "feed-forward activation: 'swiglue'.*mean 'swiglu'",
        ),
        (
            lambda: TransformerEncoder(7, 1, 6, 2, embedding="token"),
            "embedding name.*mean 'tokens'",
        ),
        (
            lambda: Classifier(
                TransformerEncoder(7, 1, 6, 2), 3, pooling="men"
            ),
            "Unknown pooling: 'men'.*mean 'mean'",
        ),
        (
            lambda: MultiHeadAttention(2, num_kv_head=1),
            "num_kv_head.*mean 'num_kv_heads'",
        ),
        (
            lambda: attention.get(
                {"class_name": "multi_head", "config": {"use_bais": True}},
                num_heads=2,
            ),
            "use_bais.*mean 'use_bias'",
        ),
        (
            lambda: TransformerEncoder(7, 1, 6, 2, normalisation="rms_norm"),
            "normalisation.*mean 'normalization'",
        ),
        (
            lambda: FeedForward(5, drop_out=0.1),
            "drop_out.*mean 'dropout'",
        ),
        (
            lambda: attention.get({"class_name": "MultiheadAttention"}),
            "Unknown attention class.*mean 'MultiHeadAttention'",
        ),
        (
            lambda: TransformerEncoder.from_preset("bert_bas"),
            "'bert_bas' is neither.*mean 'bert_base'",
        ),
        (
            lambda: positions.RotaryEmbedding(scaling="yarm"),
            "Received: 'yarm'.*mean 'yarn'",
        ),
        (
            lambda: RecurrentEncoderDecoder(7, 1, 6, cell="gruu"),
            "cell .*mean 'gru'",
        ),
        (
            lambda: RecurrentEncoderDecoder(7, 1, 6, attention_order="befor"),
            "attention_order .*mean 'before'",
        ),
        (lambda: positions.get("kerple", variant="powr"), "mean 'power'"),
        (
            lambda: attention.get("luong", num_heads=1, score="genral"),
            "score .*mean 'general'",
        ),
        (
            lambda: attention.get("linear", num_heads=1, feature_map="elu1"),
            "feature_map .*mean 'elu'",
        ),
        (
            lambda: attention.get("axial", num_heads=1, axis="rows"),
            "axis .*mean 'row'",
        ),
        (
            lambda: attention.get(
                "sparse_transformer", num_heads=1, pattern="fix"
            ),
            "pattern .*mean 'fixed'",
        ),
    ],
)
def test_a_typo_is_answered_with_the_nearest_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_name_like_none_lists_the_known_alone():
    with pytest.raises(
        ValueError, match="Known names: .*window_relative, xpos"
    ):
        positions.get("by the stars")
    with pytest.raises(ValueError) as caught:
        MultiHeadAttention(2, colour="red")
    assert "Unrecognized keyword arguments" in str(caught.value)
    assert "Did you mean" not in str(caught.value)
