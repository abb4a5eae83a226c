"""Recurrent models train, and come back from files."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.saving import serialization_lib

from keras_attention import (
    MultiHeadAttention,
    RecurrentEncoder,
    RecurrentEncoderDecoder,
)
from keras_attention.layers.loop_seeds import LoopDraws
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.models.test_fit import Lengths
from tests.tools import (
    BACKEND,
    few,
    gradients,
    in_graph,
    near,
    run_python,
    to_numpy,
)


def compile_for_tokens(model, **options):
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **options,
    )
    return model


@pytest.mark.full
@pytest.mark.parametrize("variant", few(["bahdanau", "luong"]))
def test_batches_of_any_length_train(rng, variant):
    attention = MultiHeadAttention(1, dropout=0.2)
    model = small_recurrent.model(
        rng, variant, num_layers=2, attention=attention, dropout=0.2
    )
    compile_for_tokens(model, jit_compile=BACKEND == "jax")
    history = model.fit(Lengths(), epochs=9, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit here")
def test_compiled_training_is_the_same(rng):
    first = small_recurrent.model(rng, num_layers=1, dropout=0.0)
    histories = []
    for jit_compile in (False, True):
        model = RecurrentEncoderDecoder.from_config(first.get_config())
        model.set_weights(first.get_weights())
        compile_for_tokens(model, jit_compile=jit_compile)
        inputs = small.pairs(np.random.default_rng(1))
        fit = model.fit(inputs, inputs["target_ids"], epochs=2, verbose=0)
        histories.append(fit.history["loss"])
    near(histories[1], histories[0])


@pytest.mark.full
@pytest.mark.parametrize("variant", few([*small_recurrent.VARIANTS], 2))
def test_every_weight_gets_a_gradient_with_and_without_dropout(rng, variant):
    options = {"dropout": 0.3}
    if variant != "none":
        options["attention"] = MultiHeadAttention(1, dropout=0.3, seed=5)
    model = small_recurrent.model(rng, variant, **options)
    inputs = small.pairs(rng, ragged=False)
    for training in (False, True):

        def loss():
            logits = model(inputs, training=training)  # noqa: B023
            return ops.sum(logits**2)

        _, found = gradients(in_graph(loss), layer=model)
        for variable, gradient in zip(
            model.trainable_variables, found, strict=True
        ):
            assert np.isfinite(gradient).all(), variable.path
            # A sum of the scores changes no weights of attention.
            if not variable.path.endswith("key/bias"):
                assert np.abs(gradient).max() > 1e-9, variable.path


@pytest.mark.full
def test_the_loop_has_the_gradients_of_single_steps(rng):
    model = small_recurrent.model(rng, "both", num_layers=1)
    inputs = small.pairs(rng)
    target = ops.convert_to_tensor(inputs["target_ids"])

    def at_once():
        return ops.sum(model(inputs) ** 2)

    def step_by_step():
        memory, total = model.init_memory(inputs["source_ids"]), 0.0
        cache = model.init_cache(3, 7)
        for start in range(7):
            hidden, cache = model.decoder(
                target[:, start : start + 1],
                memory=memory,
                cache=cache,
                start=start,
            )
            total += ops.sum(model.decoder.logits(hidden) ** 2)
        return total

    one, other = (
        gradients(in_graph(f), layer=model) for f in (at_once, step_by_step)
    )
    near(one[0], other[0], 1e-4)
    for first, second in zip(one[1], other[1], strict=True):
        near(first, second, 1e-3)


@pytest.mark.full
@pytest.mark.parametrize("variant", ["bahdanau", "luong", "at once"])
def test_dropout_differs_between_places_and_calls(rng, variant):
    # Of attention weights alone; values that are all the same would hide it.
    attention = MultiHeadAttention(1, dropout=0.5, seed=3)
    model = small_recurrent.model(
        rng, variant, attention=attention, dropout=0.0
    )
    inputs = small.pairs(rng, ragged=False)
    near(model(inputs), model(inputs), 0)
    plain = to_numpy(model(inputs))
    first, second = (to_numpy(model(inputs, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    assert (np.abs(first - plain).max(axis=(0, 2)) > 1e-5).all()
    # The same input at every place: a mask that stays would stay seen.
    hidden = ops.ones((1, 30, 6))
    recurrence = model.decoder.recurrence
    memory = recurrence.init_memory(
        ops.convert_to_tensor(rng.normal(size=(1, 4, 12)), "float32")
        if model.encoder.bidirectional
        else ops.convert_to_tensor(rng.normal(size=(1, 4, 6)), "float32")
    )
    draws = LoopDraws(recurrence.attention, 30, True)
    contexts = [
        to_numpy(
            draws.at(
                index,
                lambda: recurrence.attention(
                    hidden[:, :1], memory=memory, training=True
                ),
            )
        ).tobytes()
        for index in range(30)
    ]
    assert len(set(contexts)) > 5


@pytest.mark.full
def test_dropout_between_layers_acts_in_training_alone(rng):
    model = small_recurrent.model(rng, "none", num_layers=3, dropout=0.5)
    inputs = small.pairs(rng)
    near(model(inputs), model(inputs), 0)
    first, second = (to_numpy(model(inputs, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-2


@pytest.mark.full
@pytest.mark.parametrize("policy", few(["mixed_bfloat16", "mixed_float16"]))
@pytest.mark.parametrize("variant", few(["luong", "bahdanau"]))
def test_half_precision_stays_near_float32(rng, policy, variant):
    model = small_recurrent.model(rng, variant)
    half = RecurrentEncoderDecoder.from_config(
        {**model.get_config(), "dtype": policy}
    )
    half.set_weights(model.get_weights())
    inputs = small.pairs(rng)
    logits = half(inputs)
    assert keras.backend.standardize_dtype(logits.dtype) == policy[6:]
    near(logits, model(inputs), 0.1)
    memory = half.init_memory(inputs["source_ids"])
    logits, _ = half.step(inputs["target_ids"], half.init_cache(3, 7), memory)
    near(logits, to_numpy(model(inputs))[:, -1], 0.1)
    compile_for_tokens(half, jit_compile=BACKEND == "jax")
    history = half.fit(inputs, inputs["target_ids"], epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


FRESH = """
import pathlib, sys, keras, numpy as np, keras_attention
folder = pathlib.Path(sys.argv[1])
inputs = dict(np.load(folder / "inputs.npz"))
outputs = {}
for path in folder.iterdir():
    if path.is_dir():
        model = keras_attention.RecurrentEncoderDecoder.from_preset(path)
    elif path.suffix == ".keras":
        model = keras.saving.load_model(path)
    else:
        continue
    logits = keras.ops.cast(model(inputs), "float32")
    outputs[path.name] = keras.ops.convert_to_numpy(logits)
np.savez(folder / "outputs.npz", **outputs)
"""


@pytest.mark.full
def test_files_and_folders_in_a_fresh_process(rng, tmp_path):
    inputs, expected = small.pairs(rng), {}
    np.savez(tmp_path / "inputs.npz", **inputs)
    for index, variant in enumerate(small_recurrent.VARIANTS):
        model = small_recurrent.model(rng, variant)
        config = json.loads(json.dumps(model.get_config()))
        again = RecurrentEncoderDecoder.from_config(config)
        assert json.loads(json.dumps(again.get_config())) == config
        assert len(again.weights) == len(model.weights)
        model.save_to_preset(tmp_path / f"{index}")
        model.save(tmp_path / f"{index}.keras")
        for name in (f"{index}", f"{index}.keras"):
            expected[name] = to_numpy(model(inputs))
    run_python(FRESH, tmp_path)
    found = np.load(tmp_path / "outputs.npz")
    assert set(found) == set(expected)
    for name, logits in expected.items():
        near(found[name], logits)


@pytest.mark.full
def test_a_file_is_read_where_ids_are_used_again(rng, tmp_path, monkeypatch):
    """Keras tells shared parts by `id()`, which a dead part hands on."""
    model = RecurrentEncoder(13, num_layers=3, hidden_dim=3)
    model.save(tmp_path / "model.keras")
    # As if each part had just taken the place of the one before.
    monkeypatch.setattr(serialization_lib, "id", lambda part: 7, raising=False)
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert len(again.weights) == len(model.weights)
    ids = rng.integers(1, 13, (2, 5))
    near(again(ids)["hidden"], to_numpy(model(ids)["hidden"]))


def test_paths_do_not_depend_on_what_was_made_before():
    paths = [
        [
            weight.path
            for weight in RecurrentEncoderDecoder(
                **small_recurrent.SIZES, attention="multi_head"
            ).weights
        ]
        for _ in range(2)
    ]
    assert paths[0] == paths[1]
    assert len(set(paths[0])) == len(paths[0])
