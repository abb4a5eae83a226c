"""The recurrent encoder and decoder: padding, steps, searches, errors."""

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    EncoderDecoder,
    LuongAttention,
    RecurrentDecoder,
    RecurrentEncoder,
    RecurrentEncoderDecoder,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.generation import Generator
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.tools import BACKEND, compiled, near, only, to_numpy

LENGTH = 7
ALONE = {"attention": None, "bidirectional": False}


@pytest.fixture(
    scope="module",
    params=only({"bahdanau", "luong"}, small_recurrent.VARIANTS),
)
def model(request):
    """Built once: no test changes it."""
    return small_recurrent.model(np.random.default_rng(7), request.param)


@st.composite
def borders(draw):
    inner = draw(st.sets(st.integers(1, LENGTH - 1)))
    return [0, *sorted(inner), LENGTH]


def feed(model, inputs, edges):
    """Logits of all pieces."""
    memory = model.init_memory(inputs["source_ids"])
    cache, outputs = model.init_cache(3, LENGTH), []
    mask = inputs.get("target_padding_mask", np.ones((3, LENGTH), bool))
    for start, stop in zip(edges, edges[1:], strict=False):
        piece = ops.convert_to_tensor(inputs["target_ids"][:, start:stop])
        hidden, cache = model.decoder(
            piece,
            padding_mask=mask[:, start:stop],
            memory=memory,
            cache=cache,
            start=start,
        )
        outputs.append(to_numpy(model.decoder.logits(hidden)))
    return np.concatenate(outputs, axis=1)


@hypothesis.settings(max_examples=2)
@hypothesis.given(edges=borders(), holes=st.sets(st.integers(0, 20)))
def test_any_split_gives_the_full_pass_with_padding_anywhere(
    rng, model, edges, holes
):
    inputs = small.pairs(rng)
    inputs["target_padding_mask"] = np.ones((3, LENGTH), bool)
    inputs["target_padding_mask"].flat[list(holes)] = False
    near(feed(model, inputs, edges), model(inputs))


@pytest.mark.full
def test_no_target_token_is_hidden_because_of_its_value(rng, model):
    inputs = small.pairs(rng, ragged=False)
    inputs["target_ids"][:, [0, 3]] = 0
    expected = to_numpy(model(inputs))
    shown = np.ones((3, LENGTH), bool)
    near(model({**inputs, "target_padding_mask": shown}), expected)
    hidden = model({**inputs, "target_padding_mask": inputs["target_ids"] > 0})
    assert np.abs(to_numpy(hidden) - expected).max() > 1e-3
    memory = model.init_memory(inputs["source_ids"])
    cache = model.init_cache(3, LENGTH)
    for start in range(4):
        piece = ops.convert_to_tensor(inputs["target_ids"][:, [start]])
        logits, cache = model.step(piece, cache, memory, start)
        near(logits, expected[:, start])


@pytest.mark.full
def test_a_step_passes_over_the_tokens_it_is_told_to(rng, model):
    inputs = small.pairs(rng, ragged=False)
    tokens, mask = inputs["target_ids"], np.ones((3, LENGTH), bool)
    mask[0, :2] = False
    memory = model.init_memory(inputs["source_ids"])
    logits, _ = model.step(tokens, model.init_cache(3, LENGTH), memory, 0, mask)
    late = {**inputs, "target_ids": tokens[:, 2:]}
    near(logits[0], model(late)[0, -1])
    near(logits[1:], model(inputs)[1:, -1])


@pytest.mark.full
def test_steps_predict_as_the_full_pass_does(rng, model):
    inputs = small.pairs(rng, ragged=False)
    step = compiled(
        lambda ids, cache, memory, start: model.step(ids, cache, memory, start)
    )
    expected = to_numpy(model(inputs))
    memory = model.init_memory(inputs["source_ids"])
    cache = model.init_cache(3, LENGTH)
    for start in range(LENGTH):
        piece = ops.convert_to_tensor(inputs["target_ids"][:, [start]])
        number = ops.convert_to_tensor(start, dtype="int32")
        logits, cache = step(piece, cache, memory, number)
        near(logits, expected[:, start])


@pytest.mark.full
def test_more_padding_and_other_rows_change_nothing(rng, model):
    inputs = small.pairs(rng)
    expected = to_numpy(model(inputs))
    wide = {name: np.pad(ids, [(0, 0), (0, 3)]) for name, ids in inputs.items()}
    near(to_numpy(model(wide))[:, :LENGTH], expected)
    alone = {name: ids[1:2] for name, ids in inputs.items()}
    short = {"source_ids": alone["source_ids"][:, :2]}
    near(model({**alone, **short}), expected[1:2])


@pytest.mark.full
def test_contents_of_padding_do_not_matter(rng, model):
    inputs = small.pairs(rng)
    masks = {
        "source_padding_mask": rng.random((3, 5)) < 0.6,
        "target_padding_mask": rng.random((3, 7)) < 0.6,
    }
    masks["source_padding_mask"][2] = False
    expected = to_numpy(model({**inputs, **masks}))
    assert np.isfinite(expected).all()
    keep = masks["target_padding_mask"]
    for side in ("source", "target"):
        tokens = inputs[f"{side}_ids"]
        other = small.changed(rng, tokens, ~masks[f"{side}_padding_mask"])
        output = to_numpy(model({**inputs, f"{side}_ids": other, **masks}))
        near(output[keep], expected[keep], 1e-6)


@pytest.mark.full
def test_every_token_counts_for_what_follows_alone(rng, model):
    inputs = small.pairs(rng, ragged=False)
    expected = to_numpy(model(inputs))
    for place in (0, 3, 6):
        here = np.arange(LENGTH)[None] == place
        tokens = small.changed(rng, inputs["target_ids"], here)
        output = to_numpy(model({**inputs, "target_ids": tokens}))
        near(output[:, :place], expected[:, :place], 1e-6)
        assert np.abs(output - expected)[:, place:].max(axis=(0, 2)).min() > 0
    for place in range(5):
        here = np.arange(5)[None] == place
        tokens = small.changed(rng, inputs["source_ids"], here)
        output = to_numpy(model({**inputs, "source_ids": tokens}))
        assert np.abs(output - expected).max() > 1e-4


def test_cache_and_memory_are_batch_first_and_of_constant_size(rng, model):
    inputs = small.pairs(rng)
    memory = model.init_memory(inputs["source_ids"])
    cache = model.init_cache(3, LENGTH)
    for leaf in keras.tree.flatten([memory, cache]):
        assert leaf.shape[0] == 3
    longer = keras.tree.flatten(model.init_cache(3, 99))
    assert [leaf.shape for leaf in longer] == [
        leaf.shape for leaf in keras.tree.flatten(cache)
    ]


@pytest.mark.full
@pytest.mark.parametrize("strategy", ["greedy", "beam"])
def test_searches_score_as_the_full_pass_does(rng, model, strategy):
    source = small.ids(rng, 5)
    prompt = np.array([[5, 1, 7], [2, 6, 0], [4, 4, 2]])
    lengths = np.array([3, 2, 3])
    generator = Generator(
        model,
        max_length=9,
        end_id=None,
        strategy=strategy,
        settings={"num_beams": 3, "length_penalty": 0.0}
        if strategy == "beam"
        else None,
        jit_compile=BACKEND == "jax",
    )
    result = generator(prompt, source)
    tokens = result["token_ids"]
    logits = model({"source_ids": source, "target_ids": tokens[:, :-1]})
    scores = to_numpy(ops.log_softmax(ops.cast(logits, "float32")))
    chosen = np.take_along_axis(scores, tokens[:, 1:, None], axis=2)[..., 0]
    new = np.arange(1, 9)[None] >= lengths[:, None]
    near(result["scores"], (chosen * new).sum(axis=1), 1e-4)
    if strategy == "greedy":
        assert (scores.argmax(axis=2) == tokens[:, 1:])[new].all()


@pytest.mark.full
@pytest.mark.autograph
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_that_knows_neither_batch_nor_length(rng, model):
    import tensorflow as tf

    tokens = tf.TensorSpec([None, None], "int32")

    @tf.function(input_signature=[tokens, tokens])
    def decode(source_ids, target_ids):
        memory = model.init_memory(source_ids)
        cache = model.init_cache(tf.shape(target_ids)[0], 9)
        _, cache = model.step(target_ids[:, :2], cache, memory)
        return model.step(target_ids[:, 2:], cache, memory, start=2)[0]

    for batch_size in (3, 1):
        inputs = small.pairs(rng, batch_size=batch_size, ragged=False)
        tensors = [tf.constant(x, "int32") for x in inputs.values()]
        near(decode(*tensors), to_numpy(model(inputs))[:, -1])


@pytest.mark.full
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_local_window_moves_with_the_steps(rng, order):
    attention = LuongAttention(1, local="monotonic", window_size=1)
    model = small_recurrent.model(
        rng, num_layers=1, attention=attention, attention_order=order
    )
    inputs = small.pairs(rng, ragged=False)
    near(feed(model, inputs, [0, 1, 3, 4, LENGTH]), model(inputs))
    recurrence = model.decoder.recurrence
    memory = np.eye(12, dtype="float32")[None, :9]
    held = recurrence.init_memory(ops.convert_to_tensor(memory))
    for start in (0, 4):
        x = ops.ones((1, 3, 5))
        state = recurrence.init_state(1)
        expected, _ = recurrence(x, state, memory=held, start=start)
        far = memory.copy()
        far[:, start + 4 :] = 5.0
        far[:, : max(start - 1, 0)] = 5.0
        other = recurrence.init_memory(ops.convert_to_tensor(far))
        found, _ = recurrence(x, state, memory=other, start=start)
        near(found, expected)
        near_by = memory.copy()
        near_by[:, start + 3] = 5.0
        other = recurrence.init_memory(ops.convert_to_tensor(near_by))
        found, _ = recurrence(x, state, memory=other, start=start)
        difference = np.abs(to_numpy(found) - to_numpy(expected))[0].max(-1)
        assert (difference > 1e-6).tolist() == [False, False, True]


@pytest.mark.full
def test_what_is_made_of_parts_is_the_same(rng):
    whole = small_recurrent.model(rng, "at once", share_embeddings=False)
    encoder = RecurrentEncoder(23, 2, 6, embedding_dim=5)
    decoder = RecurrentDecoder(
        23,
        2,
        6,
        embedding_dim=5,
        memory_dim=12,
        state_dim=6,
        attention=whole.decoder.recurrence.attention,
    )
    model = EncoderDecoder(encoder, decoder)
    model.set_weights(whole.get_weights())
    inputs = small.pairs(rng)
    near(model(inputs), whole(inputs), 0)
    again = EncoderDecoder.from_config(model.get_config())
    again.set_weights(model.get_weights())
    near(again(inputs), whole(inputs), 0)


def test_number_of_weights():
    vocabulary, dim, width = 23, 6, 5
    model = RecurrentEncoderDecoder(
        vocabulary,
        2,
        dim,
        source_vocabulary_size=29,
        embedding_dim=width,
        attention="multi_head",
    )

    def gru(inputs):
        return 3 * dim * (inputs + dim + 2)

    encoder = 29 * width + 2 * (gru(width) + gru(2 * dim))
    attention = 2 * (dim * dim + dim) + 2 * (2 * dim * dim + dim)
    decoder = (
        *(2 * vocabulary * width, gru(width), gru(dim), attention),
        *(2 * (dim * dim + dim), 2 * dim * width + width),
    )
    count = sum(int(np.prod(w.shape)) for w in model.trainable_variables)
    assert count == encoder + sum(decoder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": "rnn"}, "cell.*gru.*rnn"),
        ({"num_layers": 0}, "num_layers.*0"),
        ({"hidden_dim": 6.0}, "hidden_dim.*6.0"),
        ({"embedding_dim": 0}, "embedding_dim.*0"),
        ({"dropout": 1.0}, "dropout.*1.0"),
        ({"vocabulary_size": 0}, "vocabulary_size.*0"),
        ({"attention": "no_such"}, "no_such.*multi_head"),
        ({"attention": keras.layers.Dense(3)}, "Dense"),
        ({"attention_order": "later"}, "attention_order.*before.*later"),
        ({"attention": None}, "attention=None.*bidirectional"),
        ({**ALONE, "input_feeding": True}, "input_feeding"),
        ({**ALONE, "attention_order": "before"}, "attention_order"),
        (
            {"source_vocabulary_size": 29, "share_embeddings": True},
            "share_embeddings.*29",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        RecurrentEncoderDecoder(**{**small_recurrent.SIZES, **options})


@pytest.mark.parametrize("name", ["num_heads", "attend", "causal"])
def test_an_argument_that_nobody_knows_is_refused(name):
    with pytest.raises((TypeError, ValueError), match=name):
        RecurrentEncoderDecoder(**small_recurrent.SIZES, **{name: 3})


@pytest.mark.few
@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        ({"cell": "lstm"}, {}, "cell='gru'.*'lstm'"),
        ({"num_layers": 1}, {}, "num_layers=2.*1"),
        ({}, {"memory_dim": 6}, "memory_dim=6.*12"),
        ({}, {"state_dim": 7}, "state_dim=7.*6"),
    ],
)
def test_parts_that_do_not_fit_are_named(encoder, decoder, message):
    sizes = {"vocabulary_size": 23, "num_layers": 2, "hidden_dim": 6}
    defaults = {"memory_dim": 12, "state_dim": 6}
    with pytest.raises(ValueError, match=message):
        EncoderDecoder(
            RecurrentEncoder(**{**sizes, **encoder}),
            RecurrentDecoder(**{**sizes, **defaults, **decoder}),
        )


def test_vectors_bring_their_mask(rng):
    encoder = RecurrentEncoder(None, 1, 6, embedding_dim=5, embedding="vectors")
    vectors = rng.normal(size=(2, 7, 3)).astype("float32")
    mask = np.arange(7) < np.array([[7], [4]])
    found = to_numpy(encoder(vectors, padding_mask=mask)["hidden"])
    alone = to_numpy(encoder(vectors[1:, :4])["hidden"])
    near(found[1, :4], alone[0])
    assert not found[1, 4:].any()
    with pytest.raises(ValueError, match="padding_mask must have the shape"):
        encoder(vectors, padding_mask=mask[:, 1:])
    with pytest.raises(ValueError, match="one place at least"):
        encoder(vectors[:, :0])


@pytest.mark.parametrize("bidirectional", [2, "no", None])
def test_directions_are_one_or_both(bidirectional):
    with pytest.raises(ValueError, match="bidirectional must be True or False"):
        RecurrentEncoder(23, 1, 6, bidirectional=bidirectional)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("policy", ["bfloat16", "float16"])
def test_half_precision_alone(cell, policy, rng):
    encoder = RecurrentEncoder(23, 1, 6, cell=cell, dtype=policy)
    hidden = encoder(small.ids(rng))["hidden"]
    assert keras.backend.standardize_dtype(hidden.dtype) == policy
    kernel = encoder.recurrent_layers[0].forward_layer.cell.recurrent_kernel
    full = to_numpy(keras.ops.cast(kernel, "float32"))
    near(full @ full.T, np.eye(6), 0.05)


@pytest.mark.full
def test_recurrent_and_transformer_parts_do_not_mix():
    encoders = [RecurrentEncoder(23, 2, 12), TransformerEncoder(23, 2, 12, 3)]
    decoders = [
        TransformerDecoder(23, 2, 12, 3, cross_attention="multi_head"),
        RecurrentDecoder(23, 2, 12),
    ]
    for encoder, decoder in zip(encoders, decoders, strict=True):
        with pytest.raises(ValueError, match="needs a .*Encoder"):
            EncoderDecoder(encoder, decoder)


def test_what_the_decoder_lacks_is_named(rng):
    decoder = RecurrentDecoder(23, 1, 6)
    with pytest.raises(ValueError, match="memory"):
        decoder(small.ids(rng))
    embedding = TokenEmbedding(23, 6)
    with pytest.raises(ValueError, match="tie_weights=True"):
        RecurrentDecoder(23, 1, 6, embedding=embedding)
    with pytest.raises(ValueError, match="hidden_dim=6.*embedding_dim=5"):
        RecurrentEncoder(23, 1, 6, embedding_dim=5, embedding=embedding)
    model = small_recurrent.model(rng, "none")
    with pytest.raises(ValueError, match="target_ids"):
        model({"source_ids": small.ids(rng)})
    with pytest.raises(ValueError, match="vocabulary_size.*23"):
        model(small.ids(rng), np.full((3, 2), 23))


@pytest.mark.full
def test_masks_that_cannot_be_meant_are_refused(rng):
    model = small_recurrent.model(rng)
    ids = small.ids(rng, 5)
    encoded = model.encoder(ids)
    for call in (
        lambda mask: model.encoder(ids, padding_mask=mask),
        lambda mask: model.decoder(ids, padding_mask=mask, memory=encoded),
    ):
        with pytest.raises(ValueError, match="padding_mask must be boolean"):
            call(np.where(ids > 0, 0.0, -1e9).astype("float32"))
        for length in (4, 6, 1):
            with pytest.raises(ValueError, match="padding_mask must have"):
                call(np.ones((len(ids), length), bool))


@pytest.mark.full
def test_a_mask_beside_a_projected_memory_counts(rng):
    model = small_recurrent.model(rng)
    ids = small.ids(rng, 5, ragged=False)
    mask = np.ones(ids.shape, bool)
    mask[:, 2] = False
    encoded = model.encoder(ids)
    memory = model.decoder.init_memory(encoded)
    found = model.decoder(ids, memory=memory, memory_padding_mask=mask)
    expected = model.decoder(ids, memory=encoded, memory_padding_mask=mask)
    near(found, expected, 1e-6)
    assert np.abs(to_numpy(model.decoder(ids, memory=memory) - found)).max() > 0


@pytest.mark.parametrize("memory", [None, np.ones((3, 5, 4)), {"foo": 1}])
def test_a_memory_of_another_kind_is_refused(rng, memory):
    decoder = small_recurrent.model(rng).decoder
    with pytest.raises(ValueError, match="RecurrentEncoder"):
        decoder(small.ids(rng, 5), memory=memory)
