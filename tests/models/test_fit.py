"""Models train on dictionaries of tokens, in every mode of Keras."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import TransformerDecoder, TransformerEncoder
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.tools import BACKEND, few, gradients, near, randomize, to_numpy


class Lengths(keras.utils.PyDataset):
    """Batches of different lengths, some of it padding."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        source = rng.integers(1, small.VOCABULARY, size=(2, 4 + index))
        source[0, -2:] = 0
        inputs = {"source_ids": source, "target_ids": source}
        return inputs, source, (source > 0).astype("float32")


def compile_for_tokens(model, **options):
    model.compile(
        keras.optimizers.SGD(0.03),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **options,
    )
    return model


@pytest.mark.full
def test_batches_of_any_length_train(rng):
    model = small.encoder_decoder(
        rng, position="rotary", num_layers=1, dropout=0.0
    )
    # JAX would run the step operation by operation, each a program.
    compile_for_tokens(model, jit_compile=BACKEND == "jax")
    history = model.fit(Lengths(), epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.mark.full
@pytest.mark.parametrize("recurrent", [False, True])
def test_a_mask_of_the_target_leaves_the_loss_as_it_is(rng, recurrent):
    make = small_recurrent.model if recurrent else small.encoder_decoder
    model = make(rng, dropout=0.0)
    inputs = small.pairs(rng)
    mask = inputs["target_ids"] > 0
    start, losses = model.get_weights(), []
    for masks in ({}, {"target_padding_mask": mask}):
        model.set_weights(start)
        compile_for_tokens(model, jit_compile=BACKEND == "jax")
        history = model.fit(
            {**inputs, **masks},
            inputs["target_ids"],
            sample_weight=mask.astype("float32"),
            epochs=2,
            verbose=0,
        )
        losses.append(history.history["loss"])
    near(*losses, 1e-6)


class Hidden(Lengths):
    """The same tokens for a decoder alone, whose output is hidden states."""

    def __getitem__(self, index):
        inputs, tokens, weights = super().__getitem__(index)
        targets = np.zeros((*tokens.shape, small.DIM))
        return {"token_ids": tokens}, targets, weights


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit here")
def test_compiled_training_is_the_same_at_any_length(rng):
    first = small.decoder(rng, position="rotary", num_layers=1, dropout=0.0)
    histories = []
    for jit_compile in (False, True):
        model = TransformerDecoder.from_config(first.get_config())
        model.set_weights(first.get_weights())
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
        histories.append(
            model.fit(Hidden(), epochs=2, shuffle=False, verbose=0).history
        )
    near(histories[1]["loss"], histories[0]["loss"])


@pytest.mark.parametrize(
    "policy", few(["mixed_bfloat16", "mixed_float16"], mark="full")
)
def test_mixed_precision_trains(rng, policy):
    model = small.decoder(rng, dtype=policy, num_layers=1)
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    model.compile(optimizer, "mse", jit_compile=BACKEND == "jax")
    history = model.fit(Hidden(), epochs=3, verbose=0).history["loss"]
    assert np.isfinite(history).all() and history[-1] < history[0]
    assert {v.dtype for v in model.trainable_variables} == {"float32"}


@pytest.mark.full
def test_masks_are_named_inputs_too(rng):
    model = compile_for_tokens(small.encoder_decoder(rng, num_layers=1))
    inputs = small.pairs(rng)
    inputs["source_padding_mask"] = inputs["source_ids"] > 0
    inputs["target_padding_mask"] = inputs["target_ids"] > 0
    model.fit(inputs, inputs["target_ids"], verbose=0)
    logits = model.predict(inputs, verbose=0)
    near(logits, model(inputs))


@pytest.mark.full
def test_every_weight_gets_a_gradient(rng):
    for shared in (True, False):
        model = small.encoder_decoder(rng, shared)
        inputs = small.pairs(rng)
        _, found = gradients(
            lambda: ops.sum(model(inputs) ** 2),  # noqa: B023
            layer=model,
        )
        for variable, gradient in zip(
            model.trainable_variables, found, strict=True
        ):
            if not variable.path.endswith("key/bias"):
                assert np.abs(gradient).max() > 1e-7, variable.path


def test_dropout_acts_in_training_alone(rng):
    model = small.encoder(rng, dropout=0.5)
    tokens = small.ids(rng)
    near(model(tokens), model(tokens), 0)
    first = to_numpy(model(tokens, training=True))
    second = to_numpy(model(tokens, training=True))
    assert np.abs(first - second).max() > 1e-2


def test_blocks_draw_dropout_of_their_own(rng):
    model = small.encoder(rng, dropout=0.5)
    seeds = [
        to_numpy(layer.seed_generator.state).tolist()
        for layer in model._flatten_layers()
        if getattr(layer, "seed_generator", None) is not None
    ]
    assert len(seeds) > 5
    assert len(np.unique(seeds, axis=0)) == len(seeds)


@pytest.mark.full
def test_a_functional_model_of_a_model(rng, tmp_path):
    inputs = keras.Input((None,), dtype="int32")
    encoder = small.encoder(rng, position="learned", num_layers=1)
    outputs = keras.layers.Dense(5)(encoder(inputs)[:, 0])
    model = keras.Model(inputs, outputs)
    assert model.output_shape == (None, 5)
    tokens = small.ids(rng)
    model.compile("adam", "mse")
    model.fit(tokens, np.zeros((3, 5)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again(tokens), model(tokens), 1e-6)


@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method")
# Of Keras, on torch.
@pytest.mark.filterwarnings("ignore:[\\s\\S]*The use of `x.T`")
@pytest.mark.usefixtures("quick_collection")
def test_int8(rng):
    model = small.encoder_decoder(rng, num_layers=1)
    inputs = small.pairs(rng)
    expected = to_numpy(model(inputs))
    model.quantize("int8")
    kernel = model.decoder.blocks[0].cross_attention.query_dense._kernel
    assert kernel.dtype == "int8"
    error = np.abs(to_numpy(model(inputs)) - expected)
    assert 0 < error.max() < 0.1 * np.abs(expected).max()


def test_lora_on_the_embedding_and_the_projections(rng):
    model = small.encoder(rng)
    tokens = small.ids(rng)
    expected = to_numpy(model(tokens))
    for block in model.blocks:
        block.attention.query_dense.enable_lora(2)
        block.feed_forward.up_dense.enable_lora(2)
    near(model(tokens), expected, 1e-6)
    randomize(model.blocks[0].attention.query_dense, rng)
    assert np.abs(to_numpy(model(tokens)) - expected).max() > 1e-3


def test_a_subclass_may_build_more(rng):
    class Tagger(TransformerEncoder):
        def build(self, input_shape=None):
            super().build(input_shape)
            self.head = keras.layers.Dense(5, name="head")
            self.head.build((None, None, self.hidden_dim))

        def call(self, token_ids, padding_mask=None, training=None):
            return self.head(super().call(token_ids, padding_mask, training))

    tagger = Tagger(**small.SIZES)
    assert tuple(tagger(small.ids(rng)).shape) == (3, 7, 5)
