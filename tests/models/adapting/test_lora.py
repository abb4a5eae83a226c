"""Low-rank adapters of whole models."""

import keras
import numpy as np
import pytest

from keras_attention import (
    CausalLM,
    Classifier,
    TransformerEncoder,
    enable_lora,
    load_lora,
    merge_lora,
    save_lora,
)
from keras_attention.generation import Generator
from keras_attention.models.adapting.lora import adapted_layers, factors_of
from tests.models import small
from tests.tasks import tiny
from tests.tasks.classification.classifiers import text_classifier
from tests.tools import near, to_numpy


def draw(model, rng):
    """Gives adapters numbers that matter."""
    for layer in adapted_layers(model):
        for factor in factors_of(layer):
            factor.assign(0.3 * rng.normal(size=factor.shape))
    return model


def classifier(rng):
    return Classifier(small.encoder(rng, dropout=0.0), 3, dropout=0.0)


def test_an_update_is_the_product_of_two_matrices(rng):
    model = small.encoder(rng)
    kernels = {
        name: to_numpy(getattr(model.blocks[1].attention, name).kernel)
        for name in ("value_dense", "output_dense")
    }
    draw(enable_lora(model, 2, ["value", "output"], alpha=6), rng)
    for name, kernel in kernels.items():
        layer = getattr(model.blocks[1].attention, name)
        a, b = map(to_numpy, factors_of(layer))
        update = a.reshape(12, 2) @ b.reshape(2, 12)
        near(layer.kernel, kernel + 3 * update.reshape(kernel.shape))


def test_adapters_change_nothing_at_first(rng):
    model, token_ids = small.encoder(rng), small.ids(rng)
    before = to_numpy(model(token_ids))
    enable_lora(model, 2, "all")
    assert len(adapted_layers(model)) == 2 * 6
    near(model(token_ids), before, atol=1e-6)


def test_training_changes_adapters_and_what_is_asked_for(rng):
    model = enable_lora(classifier(rng), 2, train="head")
    names = {weight.path.split("/")[-2] for weight in model.trainable_weights}
    assert names == {"query", "value", "logits"}
    model.compile(
        keras.optimizers.Adam(0.05),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    before = {weight.path: to_numpy(weight) for weight in model.weights}
    inputs, labels = small.ids(rng), np.array([0, 1, 2])
    fitted = model.fit(inputs, labels, epochs=3, verbose=0)
    losses = fitted.history["loss"]
    assert losses[2] < losses[1] < losses[0]
    trained = {weight.path for weight in model.trainable_weights}
    for weight in model.weights:
        same = np.array_equal(to_numpy(weight), before[weight.path])
        assert same == (weight.path not in trained), weight.path


def test_merging_keeps_the_outputs_and_leaves_no_adapters(rng, tmp_path):
    model, token_ids = small.encoder(rng), small.ids(rng)
    number = len(model.weights)
    draw(enable_lora(model, 2, "all"), rng)
    expected = to_numpy(model(token_ids))
    # A preset holds the weights merged.
    model.save_to_preset(tmp_path)
    near(TransformerEncoder.from_preset(tmp_path)(token_ids), expected)
    with pytest.raises(ValueError, match="adapted by LoRA"):
        model.blocks[0].attention.query_dense.quantize("int8")
    assert merge_lora(model) is model
    near(model(token_ids), expected)
    assert len(model.weights) == len(model.trainable_weights) == number
    with pytest.raises(ValueError, match="has no adapters"):
        merge_lora(model)
    # It can be adapted anew.
    near(enable_lora(model, 3, "up")(token_ids), expected)


def test_what_was_compiled_before_follows_the_adapters(rng):
    encoder = small.encoder(rng, dropout=0.0, num_layers=1)
    model, token_ids = Classifier(encoder, 3, dropout=0.0), small.ids(rng)
    for change in (
        lambda: draw(enable_lora(model, 2, "all"), rng),
        lambda: merge_lora(model),
    ):
        model.predict_on_batch(token_ids)
        change()
        near(model.predict_on_batch(token_ids), to_numpy(model(token_ids)))


@pytest.mark.full
def test_a_generator_follows_the_adapters(rng):
    model = CausalLM(small.decoder(rng, num_layers=1))
    prompt = small.ids(rng, ragged=False)
    made = {"end_id": None, "max_length": 12, "jit_compile": False}
    generator = Generator(model, **made)
    for change in (
        lambda: draw(enable_lora(model, 2, "all"), rng),
        lambda: merge_lora(model),
    ):
        generator(prompt), generator.steps(prompt).finish()
        change()
        expected = Generator(model, **made)(prompt)["scores"]
        near(generator(prompt)["scores"], expected, atol=1e-4)
        steps = generator.steps(prompt)
        steps.finish()
        near(steps.scores, expected, atol=1e-4)


@pytest.mark.full
@pytest.mark.autograph
def test_an_export_holds_the_weights_merged(rng, tmp_path):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras exports so on TensorFlow")
    model, token_ids = classifier(rng), small.ids(rng)
    number = len(model.weights)
    draw(enable_lora(model, 2, "all"), rng)
    model.export(tmp_path / "model", verbose=False)
    served = tf.saved_model.load(tmp_path / "model")
    assert len(served.variables) == number
    near(served.serve(token_ids.astype("int32")), model(token_ids))
    pytest.importorskip("tensorflow_text", reason="the export needs it")
    task = text_classifier()
    number = len(task.model.weights)
    draw(enable_lora(task.model, 2, "all"), rng)
    task.export(tmp_path / "task")
    served = tf.saved_model.load(str(tmp_path / "task"))
    assert len(served.weights) == number
    texts = tiny.sentences(5, longest=4)
    found = served.signatures["serving_default"](text=tf.constant(texts))
    near(found["probabilities"], task.probabilities(texts))
    assert adapted_layers(task.model)


@pytest.mark.full
def test_a_keras_file_holds_the_weights_merged(rng, tmp_path):
    model, token_ids = small.encoder(rng), small.ids(rng)
    draw(enable_lora(model, 2), rng)
    model.save(tmp_path / "model.keras")
    found = keras.saving.load_model(tmp_path / "model.keras")
    near(found(token_ids), model(token_ids))


def test_adapters_of_a_model_of_ones_own_come_back(rng, tmp_path):
    model, token_ids = classifier(rng), small.ids(rng)
    model.save_to_preset(tmp_path / "base")
    enable_lora(model, 2, ["value", "down"], alpha=5, train="head")
    draw(model, rng)
    model.dense.bias.assign([1.0, 2.0, 3.0])
    save_lora(model, tmp_path / "adapters")
    base = Classifier.from_preset(tmp_path / "base")
    assert load_lora(base, tmp_path / "adapters") is base
    near(base(token_ids), model(token_ids))
    assert {w.path for w in base.trainable_weights} == {
        w.path for w in model.trainable_weights
    }


def test_targets_may_say_more_of_a_path(rng):
    model = small.encoder_decoder(rng)
    targets = ["cross_attention.query", "encoder.blocks.1.attention.key"]
    enable_lora(model, 2, targets)
    assert len(adapted_layers(model)) == 3


def test_bad_input_of_enable_lora_is_one_message(rng):
    model = small.encoder(rng)
    with pytest.raises(ValueError, match="targets has 'qery'.*mean 'query'"):
        enable_lora(model, 2, ["value", "qery"])
    with pytest.raises(
        ValueError, match="rank=13 for .*query_dense, of 12 inp"
    ):
        enable_lora(model, 13)
    with pytest.raises(ValueError, match="rank must be a positive integer"):
        enable_lora(model, 0)
    with pytest.raises(ValueError, match="alpha must be a finite number"):
        enable_lora(model, 2, alpha=-1)
    with pytest.raises(ValueError, match="no part 'heads'"):
        enable_lora(model, 2, train="heads")
    with pytest.raises(ValueError, match="no adapters to save"):
        save_lora(model, "nowhere")
    assert not adapted_layers(model)
    assert len(model.trainable_weights) == len(model.weights)
    enable_lora(model, 2)
    with pytest.raises(ValueError, match="has adapters. merge_lora"):
        enable_lora(model, 2)


def test_adapters_of_a_language_model_leave_the_base_frozen(rng):
    model = CausalLM(small.decoder(rng))
    model.trainable = False
    enable_lora(model, 2, "all")
    assert len(model.trainable_weights) == 2 * 2 * 6
