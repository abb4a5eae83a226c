"""Names, configurations and templates become new, unbuilt layers."""

import keras
import numpy as np
import pytest

from keras_attention import (
    Attention,
    MultiHeadAttention,
    RotaryEmbedding,
    attention,
    positions,
)
from keras_attention.registry import describe


@keras.saving.register_keras_serializable(package="test_get")
class Halved(MultiHeadAttention):
    """A user's own flavour with an argument of its own."""

    def __init__(self, num_heads, head_dim=None, half=0.5, **kwargs):
        super().__init__(num_heads, head_dim, **kwargs)
        self.half = half

    def get_config(self):
        return {**super().get_config(), "half": self.half}


Namesake = keras.saving.register_keras_serializable(package="test_get_too")(
    type("MultiHeadAttention", (MultiHeadAttention,), {})
)


def test_a_name_makes_a_layer_with_the_defaults():
    layer = attention.get("multi_head", num_heads=6, dropout=0.3, head_dim=5)
    assert type(layer) is MultiHeadAttention and not layer.built
    assert (layer.num_heads, layer.dropout, layer.head_dim) == (6, 0.3, 5)


def test_defaults_that_the_flavour_does_not_take_are_passed_over():
    layer = attention.get("multi_head", num_heads=6, window_size=3)
    assert layer.num_heads == 6


def test_an_unknown_name_lists_the_known_ones():
    for get, known in (
        (attention.get, attention.names()),
        (positions.get, positions.names()),
    ):
        with pytest.raises(ValueError) as error:
            get("no_such")
        assert "no_such" in str(error.value)
        assert all(name in str(error.value) for name in known)


@pytest.mark.parametrize("wrong", [7, None, [], {}, {"config": {}}, object()])
def test_what_is_no_layer_is_refused(wrong):
    with pytest.raises(ValueError, match="attention"):
        attention.get(wrong)


def test_a_layer_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="Dense"):
        attention.get(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="RotaryEmbedding"):
        attention.get(positions.RotaryEmbedding())
    with pytest.raises(ValueError, match="PositionalEncoding"):
        positions.get(keras.layers.Dense(3))


def test_a_template_is_cloned_not_used():
    template = MultiHeadAttention(4, num_kv_heads=2, use_bias=False)
    template.build((None, None, 8))
    first, second = attention.get(template), attention.get(template)
    assert first is not template and first is not second
    assert not first.built and not second.built
    assert (first.num_kv_heads, first.use_bias) == (2, False)
    assert first.name != template.name


def test_defaults_fill_only_what_a_template_leaves_open():
    template = MultiHeadAttention(4, dropout=0.0, head_dim=3)
    layer = attention.get(
        template,
        num_heads=4,
        dropout=0.5,
        head_dim=7,
        use_bias=False,
    )
    assert (layer.dropout, layer.head_dim) == (0.0, 3)
    assert layer.use_bias is False


def test_a_built_template_leaves_open_what_build_found_out():
    template = MultiHeadAttention(4)
    template.build((None, None, 8))
    assert attention.get(template, head_dim=7).head_dim == 7
    clone = attention.get(template)
    clone.build((None, None, 12))
    assert clone.head_dim == 3


def test_a_none_that_was_chosen_is_kept():
    template = MultiHeadAttention(4, query_block_size=None)
    whole = {"class_name": "multi_head", "config": template.get_config()}
    for form in (template, describe(template), whole):
        assert attention.get(form).query_block_size is None


def test_a_position_that_was_chosen_wins_over_the_default():
    rotary, none = RotaryEmbedding(base=7.0), None
    template = MultiHeadAttention(4, position=rotary)
    layer = attention.get(template, position="rotary")
    assert layer.position.base == 7.0 and layer.position is not rotary
    layer = attention.get(MultiHeadAttention(4, position=none), position=rotary)
    assert not layer.position.acts_in_attention
    layer = attention.get(MultiHeadAttention(4), position=rotary)
    assert layer.position is rotary


def test_a_policy_that_was_chosen_is_kept():
    chosen = MultiHeadAttention(4, dtype="float32")
    layer = attention.get(chosen, dtype="mixed_bfloat16")
    assert layer.dtype_policy.name == "float32"
    layer = attention.get(MultiHeadAttention(4), dtype="mixed_bfloat16")
    assert layer.dtype_policy.name == "mixed_bfloat16"
    half = MultiHeadAttention(4, dtype="float16")
    layer = attention.get(describe(half), dtype="mixed_bfloat16")
    assert layer.dtype_policy.name == "float16"


def test_disagreeing_head_counts_are_an_error():
    with pytest.raises(ValueError, match="num_heads=4.*num_heads=6"):
        attention.get(MultiHeadAttention(4), num_heads=6)
    assert attention.get(MultiHeadAttention(4), num_heads=4).num_heads == 4


def test_a_flavour_of_ones_own_survives_its_description():
    layer = attention.get(describe(Halved(4, half=0.25)), dropout=0.5)
    assert type(layer) is Halved
    assert (layer.half, layer.dropout) == (0.25, 0.5)
    assert "use_bias" not in describe(Halved(4))["config"]


def test_a_flavour_of_ones_own_with_a_known_name_is_not_replaced():
    assert type(attention.get(describe(Namesake(4)))) is Namesake
    config = keras.saving.serialize_keras_object(Namesake(4))
    assert type(attention.get(config)) is Namesake


def test_an_unknown_class_is_named():
    with pytest.raises(ValueError, match="somebody>Else"):
        attention.get(
            {
                "class_name": "Else",
                "registered_name": "somebody>Else",
                "config": {},
            }
        )


def test_clones_start_with_weights_of_their_own():
    template = MultiHeadAttention(4)
    kernels = []
    for layer in (attention.get(template), attention.get(template)):
        layer.build((None, None, 8))
        kernels += [layer.query_dense.kernel, layer.key_dense.kernel]
    kernels = [keras.ops.convert_to_numpy(k) for k in kernels]
    for index, kernel in enumerate(kernels):
        for other in kernels[:index]:
            assert np.abs(kernel - other).max() > 1e-3


def test_names_are_those_of_attention_layers():
    for name in attention.names():
        assert isinstance(attention.get(name, num_heads=2), Attention)
    for name in positions.names():
        positions.get(name)


@keras.saving.register_keras_serializable(package="test_get")
class Passing(MultiHeadAttention):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)


def test_a_template_keeps_what_was_passed_through(rng):
    for template in (Passing(2, 7), Passing(2, head_dim=7)):
        assert attention.get(template, num_heads=2, dropout=0.1).head_dim == 7


def test_flavours_are_described():
    found = attention.describe()
    assert sorted(found) == attention.names()
    assert found["multi_head"]["class_name"] == "MultiHeadAttention"
    assert found["multi_head"]["cache"] and found["multi_head"]["kind"]
    assert "softmax" in found["multi_head"]["summary"]
