"""Sines and cosines are computed once for a stack of layers."""

import os
import sys

import keras
import numpy as np
import pytest
from keras import ops

import keras_attention
from keras_attention import (
    MultiHeadAttention,
    RotaryEmbedding,
    TransformerDecoder,
    TransformerEncoder,
    XPos,
)
from keras_attention.positions.core.angles import once, shared_angles
from keras_attention.positions.rotary import rotary, xpos
from tests.tools import BACKEND, compiled, near, randomize, to_numpy

SIZES = {
    "vocabulary_size": 23,
    "num_layers": 3,
    "hidden_dim": 12,
    "num_heads": 2,
    "dropout": 0.0,
}


@pytest.fixture
def count(monkeypatch):
    """Counts the tables that are computed."""
    calls = []
    for module in (rotary, xpos):

        def spy(*arguments, original=module.sine_cosine):
            calls.append(1)
            return original(*arguments)

        monkeypatch.setattr(module, "sine_cosine", spy)
    return calls


@pytest.mark.parametrize("make", [RotaryEmbedding, XPos])
def test_queries_and_keys_of_a_lone_layer_share_them(rng, count, make):
    layer = MultiHeadAttention(2, position=make())
    x = rng.normal(size=(2, 5, 8)).astype("float32")
    layer.build(x.shape)
    found = layer(x, use_causal_mask=True, start=3)
    assert len(count) == 1
    once_each = layer(x, use_causal_mask=True, start=3)
    assert len(count) == 2
    near(found, once_each, 0)


def test_the_layers_of_a_stack_share_them(rng, count):
    model = randomize(TransformerEncoder(**SIZES, position="rotary"), rng)
    ids = ops.convert_to_tensor(rng.integers(1, 23, size=(2, 7)))
    found = to_numpy(model(ids))
    assert len(count) == 1
    alone = model.embedding(ids)
    for block in model.blocks:
        alone = block(alone)
    near(model.final_norm(alone), found, 1e-6)
    assert len(count) == 4


@pytest.mark.full
def test_each_step_of_a_cached_decoder_has_its_own(rng, count):
    model = randomize(TransformerDecoder(**SIZES, position="rotary"), rng)
    ids = ops.convert_to_tensor(rng.integers(1, 23, size=(2, 7)))
    whole = to_numpy(model(ids))
    count.clear()
    cache, outputs = model.init_cache(2, 7), []
    for start in range(7):
        step = ids[:, start : start + 1]
        output, cache = model(step, cache=cache, start=start)
        outputs.append(to_numpy(output))
    assert len(count) == 7
    near(np.concatenate(outputs, axis=1), whole)


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "torch", reason="traces no graph by itself")
def test_a_graph_of_one_length_shares_them(rng, count):
    model = randomize(TransformerDecoder(**SIZES, position="rotary"), rng)
    ids = ops.convert_to_tensor(rng.integers(1, 23, size=(2, 7)))
    expected = to_numpy(model(ids))
    count.clear()
    near(compiled(lambda ids: model(ids))(ids), expected)
    assert len(count) == 1


@pytest.mark.slow  # Dynamo traces every layer of Keras: more than a minute
@pytest.mark.skipif(BACKEND != "torch", reason="torch compiles")
def test_torch_compiles_a_model_that_shares_them(rng):
    import torch

    model = randomize(TransformerDecoder(**SIZES, position="rotary"), rng)
    ids = ops.convert_to_tensor(rng.integers(1, 23, size=(2, 7)))
    expected = to_numpy(model(ids))
    near(torch.compile(model, backend="eager")(ids), expected)


@pytest.mark.full
def test_a_stack_that_shares_them_can_be_trained(rng):
    model = TransformerDecoder(**SIZES, position="rotary")
    token_ids = keras.Input((7,), dtype="int32")
    logits = model.logits(model(token_ids))
    trained = keras.Model(token_ids, logits)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained.compile("adam", loss)
    ids = rng.integers(1, 23, size=(4, 8))
    trained.fit(ids[:, :-1], ids[:, 1:], verbose=0)
    assert np.isfinite(to_numpy(model.weights[0])).all()


def test_another_length_or_start_is_another_call():
    with shared_angles(0, 5) as positions:
        table = once(positions, "key", lambda: "outer")
        with shared_angles(0, 5) as same:
            assert once(same, "key", lambda: "inner") == table
            once(same, "own", lambda: "inner")
        assert once(positions, "own", lambda: "outer") == "outer"
        for start, length in ((1, 5), (0, 4)):
            with shared_angles(start, length) as others:
                assert once(others, "key", lambda: "inner") == "inner"
        other = ops.arange(5)
        assert once(other, "key", lambda: "anew") == "anew"
    assert once(positions, "key", lambda: "after") == "after"


def test_five_files_lead_from_the_constructor_to_a_rotated_query(rng):
    root, files = os.path.dirname(keras_attention.__file__), set()
    x = ops.convert_to_tensor(rng.normal(size=(1, 5, 2, 8)).astype("float32"))

    def trace(frame, event, argument):
        files.add(frame.f_code.co_filename)

    sys.settrace(trace)
    try:
        position = RotaryEmbedding()
        position.build(x.shape)
        position.rotate(x, ops.arange(5, dtype="int32"), "query")
    finally:
        sys.settrace(None)
    crossed = {
        os.path.relpath(name, root) for name in files if name.startswith(root)
    }
    assert crossed <= {
        "registry.py",
        "checks.py",
        os.path.join("positions", "base.py"),
        os.path.join("positions", "rotary", "rotary.py"),
        os.path.join("positions", "core", "angles.py"),
    }
