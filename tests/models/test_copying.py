"""An `EncoderDecoder` that may copy tokens of its source."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    CopyGenerator,
    EncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.generation import beam_search, greedy_search
from keras_attention.training.losses import LabelSmoothedCrossentropy
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.tools import BACKEND, near, randomize, to_numpy


@pytest.fixture(params=["transformer", "recurrent"])
def make(request):
    return {"transformer": make_transformer, "recurrent": make_recurrent}[
        request.param
    ]


def make_recurrent(rng, copy_generator=True, **options):
    return small_recurrent.model(
        rng, "luong", copy_generator=copy_generator, **options
    )


def make_transformer(rng, copy_generator=True, **options):
    encoder = TransformerEncoder(**{**small.SIZES, **options})
    decoder = TransformerDecoder(
        **{**small.SIZES, "hidden_dim": 18, "memory_dim": small.DIM, **options},
        cross_attention="multi_head",
    )
    model = EncoderDecoder(encoder, decoder, copy_generator=copy_generator)
    return randomize(model, rng)


@pytest.mark.full
def test_log_probabilities_sum_to_one_and_favour_the_source(rng, make):
    model = make(rng)
    inputs = small.pairs(rng)
    found = np.exp(to_numpy(model(inputs)))
    assert found.shape == (3, 7, small.VOCABULARY)
    near(found.sum(axis=-1), 1.0)
    # A gate that is nearly shut leaves copies of what is no padding.
    model.copy_generator.hidden_gate.bias.assign([-50.0])
    found = np.exp(to_numpy(model(inputs)))
    for row, source in zip(found, inputs["source_ids"], strict=True):
        near(row[:, source[source > 0]].max(axis=-1) > 0.2, True)
        others = np.setdiff1d(np.arange(small.VOCABULARY), source[source > 0])
        assert row[:, others].max() < 1e-12


def test_decoding_gives_the_full_pass(rng, make):
    model = make(rng)
    inputs = small.pairs(rng)
    expected = to_numpy(model(inputs))
    memory = model.init_memory(inputs["source_ids"])
    assert all(leaf.shape[0] == 3 for leaf in keras.tree.flatten(memory))
    cache, target = model.init_cache(3, 7), inputs["target_ids"]
    for start, stop in ((0, 3), (3, 4), (4, 7)):
        piece = ops.convert_to_tensor(target[:, start:stop])
        logits, cache = model.step(piece, cache, memory, start)
        near(logits, expected[:, stop - 1])


@pytest.mark.full
@pytest.mark.parametrize("num_beams", [1, 3])
def test_beams_score_what_the_model_says(rng, make, num_beams):
    model = make(rng, dropout=0.0)
    source = small.ids(rng, 5)
    found = beam_search(
        model.step,
        model.init_cache(3, 8),
        np.ones((3, 1), "int32"),
        max_length=8,
        end_id=None,
        num_beams=num_beams,
        length_penalty=0.0,
        memory=model.init_memory(source),
    )
    tokens, scores = map(to_numpy, (found["token_ids"], found["scores"]))
    logits = to_numpy(model({"source_ids": source, "target_ids": tokens}))
    picked = np.take_along_axis(logits[:, :-1], tokens[:, 1:, None], axis=-1)
    near(picked[..., 0].sum(axis=-1), scores, 1e-4)
    if num_beams == 1:
        np.testing.assert_array_equal(tokens[:, 1:], logits[:, :-1].argmax(-1))
        greedy = greedy_search(
            model.step,
            model.init_cache(3, 8),
            np.ones((3, 1), "int32"),
            max_length=8,
            end_id=None,
            memory=model.init_memory(source),
        )
        np.testing.assert_array_equal(to_numpy(greedy["token_ids"]), tokens)


@pytest.mark.full
def test_it_learns_to_copy_by_fit(rng, make):
    model = make(rng, dropout=0.0)
    source = rng.integers(1, small.VOCABULARY, size=(64, 5))
    shifted = np.concatenate([np.ones((64, 1), int), source[:, :-1]], axis=1)
    model.compile(keras.optimizers.Adam(0.01), LabelSmoothedCrossentropy(0.0))
    history = model.fit(
        {"source_ids": source, "target_ids": shifted},
        source,
        epochs=3,
        verbose=0,
    ).history["loss"]
    assert history[-1] < history[0] < 10


@pytest.mark.full
@pytest.mark.parametrize("given", [True, CopyGenerator(5)])
def test_presets_and_files(rng, make, tmp_path, given):
    model = make(rng, given)
    inputs = small.pairs(rng)
    expected = to_numpy(model(inputs))
    model.save_to_preset(tmp_path / "preset")
    again = EncoderDecoder.from_preset(tmp_path / "preset")
    near(again(inputs), expected, 1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again(inputs), expected, 1e-6)
    width = model.decoder.output_dim if given is True else 5
    assert again.copy_generator.pointer.head_dim == width


@pytest.mark.full
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(rng, make, policy):
    model = make(rng, dtype=policy)
    found = to_numpy(model(small.pairs(rng)))
    near(np.exp(found).sum(axis=-1), 1.0, 2e-2)
    assert model.copy_generator.compute_dtype == model.decoder.compute_dtype


@pytest.mark.full
@pytest.mark.autograph
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_that_knows_neither_batch_nor_length(rng, make):
    import tensorflow as tf

    model = make(rng)
    tokens = tf.TensorSpec([None, None], "int32")

    @tf.function(input_signature=[tokens, tokens])
    def call(source_ids, target_ids):
        return model({"source_ids": source_ids, "target_ids": target_ids})

    inputs = small.pairs(rng)
    tensors = [tf.constant(x, "int32") for x in inputs.values()]
    near(call(*tensors), model(inputs))


def test_what_does_not_fit_is_refused(rng):
    encoder = TransformerEncoder(**small.SIZES)
    other = {**small.SIZES, "vocabulary_size": 29}
    decoder = TransformerDecoder(**other, cross_attention="multi_head")
    with pytest.raises(ValueError, match="vocabulary.*23.*29"):
        EncoderDecoder(encoder, decoder, copy_generator=True)
    decoder = TransformerDecoder(**small.SIZES, cross_attention="multi_head")
    with pytest.raises(ValueError, match="num_extra=2"):
        EncoderDecoder(
            encoder, decoder, copy_generator=CopyGenerator(num_extra=2)
        )
    with pytest.raises(ValueError, match="CopyGenerator.*Dense"):
        EncoderDecoder(encoder, decoder, copy_generator=keras.layers.Dense(3))
