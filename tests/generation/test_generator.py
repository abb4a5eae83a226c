import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    EncoderDecoder,
    MultiHeadAttention,
    TransformerDecoder,
    TransformerEncoder,
    VectorEmbedding,
)
from keras_attention.generation import (
    Generator,
    beam_search,
    greedy_search,
    sample,
)
from tests.generation.fakes import numpy_greedy, padded
from tests.tools import near, randomize, to_numpy

BACKEND = keras.backend.backend()
VOCABULARY, LENGTH, END = 11, 17, 3
RAGGED = [[5, 1, 7], [2, 6, 4, 1, 5], [4, 4, 2, 9]]
PROMPT = padded(RAGGED, 5)
SOURCES = padded([[2, 9, 4], [7, 7, 10, 1, 2, 6, 5], [8]], 7)
STRATEGIES = {
    "greedy": (greedy_search, {}),
    "sampling": (sample, {"seed": 7, "temperature": 0.8, "top_k": 5}),
    "beam": (beam_search, {"num_beams": 3, "return_all_beams": True}),
}


def make_decoder(rng):
    decoder = TransformerDecoder(
        VOCABULARY,
        1,
        12,
        2,
        attention=MultiHeadAttention(2, num_kv_heads=1),
        position="rotary",
        feed_forward="swiglu",
    )
    return randomize(decoder, rng, deviation=0.5)


def make_translator(rng):
    encoder = TransformerEncoder(VOCABULARY, 1, 12, 2)
    decoder = TransformerDecoder(
        VOCABULARY, 1, 12, 2, cross_attention="multi_head"
    )
    return randomize(EncoderDecoder(encoder, decoder), rng, deviation=0.5)


def make_generator(model, strategy="greedy", **kwargs):
    kwargs = {"max_length": LENGTH, "end_id": END, **kwargs}
    _, settings = STRATEGIES[strategy]
    return Generator(model, strategy=strategy, settings=settings, **kwargs)


def full_pass(model, source=None):
    """What follows a list of tokens, by a forward pass over all of them."""

    def log_probabilities(token_ids):
        # One shape for all lengths, for the sake of compilation; what stands
        # behind a token does not reach it.
        inputs = padded([token_ids], LENGTH)
        if source is None:
            logits = model.logits(model(inputs))
        else:
            logits = model(source[None], inputs)
        logits = to_numpy(logits)[0, len(token_ids) - 1].astype("float64")
        shifted = logits - logits.max()
        return shifted - np.log(np.exp(shifted).sum())

    return log_probabilities


def eagerly(model, strategy, prompt, sources=None, **kwargs):
    search, settings = STRATEGIES[strategy]
    settings = dict(settings)
    if strategy == "sampling":
        settings["seed"] = keras.random.SeedGenerator(settings["seed"])
    memory = None if sources is None else model.init_memory(sources)
    result = search(
        model.step,
        model.init_cache(len(prompt), LENGTH),
        prompt,
        max_length=LENGTH,
        end_id=END,
        memory=memory,
        **settings,
        **kwargs,
    )
    return to_numpy(result)


def assert_same(result, expected):
    assert result.keys() == expected.keys()
    np.testing.assert_array_equal(result["token_ids"], expected["token_ids"])
    np.testing.assert_allclose(
        result["scores"], expected["scores"], rtol=1e-4, atol=1e-4
    )


@pytest.mark.full
def test_a_decoder_with_its_cache_agrees_with_full_passes(rng):
    model = make_decoder(rng)
    result = make_generator(model)(PROMPT)
    for i, row in enumerate(RAGGED):
        token_ids, score = numpy_greedy(full_pass(model), row, LENGTH, END)
        np.testing.assert_array_equal(
            result["token_ids"][i], padded([token_ids], LENGTH)[0]
        )
        np.testing.assert_allclose(result["scores"][i], score, rtol=1e-4)


@pytest.mark.full
def test_an_encoder_decoder_with_its_cache_agrees_with_full_passes(rng):
    model = make_translator(rng)
    result = make_generator(model)(PROMPT, SOURCES)
    for i, row in enumerate(RAGGED):
        token_ids, score = numpy_greedy(
            full_pass(model, SOURCES[i]), row, LENGTH, END
        )
        np.testing.assert_array_equal(
            result["token_ids"][i], padded([token_ids], LENGTH)[0]
        )
        np.testing.assert_allclose(result["scores"][i], score, rtol=1e-4)


@pytest.mark.few
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_compiled_agrees_with_eager(strategy, rng):
    model = make_translator(rng)
    expected = eagerly(model, strategy, PROMPT, SOURCES)
    assert_same(make_generator(model, strategy)(PROMPT, SOURCES), expected)


LIMITS = {"min_length": 13, "no_repeat_ngram_size": 2}


@pytest.mark.full
@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rules_of_what_may_follow_are_compiled_too(strategy, jit_compile, rng):
    model = make_translator(rng)
    expected = eagerly(model, strategy, PROMPT, SOURCES, **LIMITS)
    generator = make_generator(
        model, strategy, jit_compile=jit_compile, **LIMITS
    )
    assert_same(generator(PROMPT, SOURCES), expected)
    plain = eagerly(model, strategy, PROMPT, SOURCES)
    assert (plain["token_ids"] != expected["token_ids"]).any()


def count_traces(model):
    traces = []
    init_cache = model.init_cache

    def counting(*args):
        traces.append(args)
        return init_cache(*args)

    object.__setattr__(model, "init_cache", counting)
    return traces


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "torch", reason="nothing is compiled")
def test_new_weights_act_without_a_new_compilation(rng):
    model = make_decoder(rng)
    generator = make_generator(model)
    traces = count_traces(model)
    before = generator(PROMPT)
    randomize(model, rng, deviation=1.0)
    after = generator(PROMPT)
    assert len(traces) == 1
    assert (after["token_ids"] != before["token_ids"]).any()
    assert_same(after, eagerly(model, "greedy", PROMPT))


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "torch", reason="nothing is compiled")
def test_compiles_once_for_a_shape(rng):
    model = make_decoder(rng)
    generator = make_generator(model)
    traces = count_traces(model)
    generator(np.full((2, 5), 4))
    generator(np.full((2, 5), 6))
    assert len(traces) == 1
    # Shortest prompts of two and three tokens share a function.
    generator(padded([[1, 2, 3], [4, 5, 6, 7, 8]], 5))
    generator(padded([[1, 2, 3, 4, 5], [4, 5]], 5))
    assert len(traces) == 2


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a graph of TensorFlow")
def test_a_plain_graph_serves_all_shapes(rng):
    model = make_translator(rng)
    generator = make_generator(model, "beam", jit_compile=False)
    traces = count_traces(model)
    start = np.ones((7, 1), "int32")
    for batch_size, length in [(2, 3), (5, 7), (3, 2), (1, 5), (7, 6)]:
        sources = rng.integers(1, VOCABULARY, (batch_size, length))
        result = generator(start[:batch_size], sources)
        assert result["token_ids"].shape == (batch_size, 3, LENGTH)
    assert len(traces) <= 2
    assert_same(result, eagerly(model, "beam", start, sources))


@pytest.mark.full
def test_sampling_calls_differ_and_start_again_with_the_seed(rng):
    model = make_decoder(rng)
    generator = make_generator(model, "sampling")
    first, second = (generator(PROMPT)["token_ids"] for _ in range(2))
    assert (first != second).any()
    again = eagerly(model, "sampling", PROMPT)
    np.testing.assert_array_equal(first, again["token_ids"])


@pytest.mark.full
def test_lengths_keep_padding_ids_that_belong_to_the_prompt(rng):
    model = make_translator(rng)
    prompt, lengths = np.zeros((3, 1), "int32"), [1, 1, 1]
    result = make_generator(model)(
        ops.convert_to_tensor(prompt), SOURCES, lengths
    )
    assert all(isinstance(value, np.ndarray) for value in result.values())
    expected = eagerly(model, "greedy", prompt, SOURCES, prompt_lengths=lengths)
    assert_same(result, expected)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a graph of TensorFlow")
@pytest.mark.parametrize("limits", [{}, LIMITS], ids=["free", "limited"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_graph_without_known_shapes_agrees_with_eager(strategy, limits, rng):
    import tensorflow as tf

    model = make_translator(rng)
    search, settings = STRATEGIES[strategy]
    unknown = tf.TensorSpec((None, None), "int32")

    @tf.function(input_signature=[unknown, unknown, tf.TensorSpec((), "int32")])
    def generate(prompt, sources, max_length):
        return search(
            model.step,
            model.init_cache(tf.shape(prompt)[0], max_length),
            prompt,
            max_length=max_length,
            end_id=END,
            memory=model.init_memory(sources),
            **settings,
            **limits,
        )

    for size in (3, 2):
        prompt, sources = PROMPT[:size], SOURCES[:size]
        result = to_numpy(generate(prompt, sources, LENGTH))
        expected = eagerly(model, strategy, prompt, sources, **limits)
        assert_same(result, expected)


@pytest.mark.skipif(BACKEND != "jax", reason="PyTorch and TensorFlow manage")
def test_a_traced_prompt_needs_its_prefill_length(rng):
    import jax

    model = make_decoder(rng)

    def generate(prompt, prefill_length=None):
        return greedy_search(
            model.step,
            model.init_cache(len(RAGGED), LENGTH),
            prompt,
            max_length=LENGTH,
            end_id=END,
            prefill_length=prefill_length,
        )

    with pytest.raises(ValueError, match="prefill_length"):
        jax.jit(generate)(PROMPT)
    result = jax.jit(lambda prompt: generate(prompt, 3))(PROMPT)
    assert_same(to_numpy(result), eagerly(model, "greedy", PROMPT))


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"strategy": "best"}, "strategy"),
        ({"settings": {"num_beams": 2}}, "num_beams"),
        ({"strategy": "beam"}, "num_beams"),
        ({"strategy": "beam", "settings": {"num_beams": 0}}, "num_beams"),
        ({"strategy": "sampling", "settings": {"top_p": 2}}, "top_p"),
        ({"strategy": "sampling", "settings": {"end_id": 2}}, "end_id"),
        ({"min_length": LENGTH + 1}, "min_length=18, max_length=17"),
        ({"no_repeat_ngram_size": 2.5}, "no_repeat_ngram_size=2.5"),
        ({"jit_compile": "false"}, "jit_compile must be True or False"),
        (
            {
                "strategy": "beam",
                "settings": {"num_beams": 2, "return_all_beams": "no"},
            },
            "return_all_beams must",
        ),
    ],
)
def test_refuses_settings_that_do_not_fit(kwargs, message, rng):
    with pytest.raises(ValueError, match=message):
        Generator(make_decoder(rng), max_length=LENGTH, end_id=END, **kwargs)


def test_refuses_a_prompt_that_does_not_fit(rng):
    generator = make_generator(make_decoder(rng))
    with pytest.raises(ValueError, match="max_length"):
        generator(np.ones((1, LENGTH + 1), "int32"))
    with pytest.raises(ValueError, match="row 1"):
        generator(np.array([[1, 2], [0, 0]]), prompt_lengths=[2, 0])


def test_ids_outside_the_vocabulary_are_refused_before_compiling(rng):
    model = make_translator(rng)
    generator = make_generator(model)
    for prompt, sources in (
        ([[5, VOCABULARY]], [[2, 3]]),
        ([[5, 2]], [[2, VOCABULARY]]),
        ([[5, -1]], [[2, 3]]),
    ):
        with pytest.raises(ValueError, match="vocabulary_size=11"):
            generator(np.array(prompt), np.array(sources))


def test_ids_with_fractions_are_refused_before_compiling(rng):
    generator = make_generator(make_translator(rng))
    with pytest.raises(ValueError, match="must hold integers.*float"):
        generator(np.array([[5.5, 2]]), np.array([[2, 3]]))
    with pytest.raises(ValueError, match="must be integers.*2.5"):
        generator(np.array([[5, 2]]), np.array([[2.5, 3]]))


@pytest.mark.full
def test_a_source_may_be_vectors(rng):
    encoder = TransformerEncoder(
        VOCABULARY, 1, 12, 2, embedding=VectorEmbedding(12, dim=5)
    )
    decoder = TransformerDecoder(
        VOCABULARY, 1, 12, 2, cross_attention="multi_head"
    )
    model = randomize(EncoderDecoder(encoder, decoder), rng, deviation=0.5)
    vectors = rng.normal(size=(3, 4, 5))
    result = make_generator(model)(PROMPT, vectors)
    expected = greedy_search(
        model.step,
        model.init_cache(3, LENGTH),
        PROMPT,
        max_length=LENGTH,
        end_id=END,
        memory=model.init_memory(ops.convert_to_tensor(vectors, "float32")),
    )
    near(result["scores"], expected["scores"], 1e-4)


@pytest.mark.full
def test_lengths_may_be_numpy_integers(rng):
    model = make_decoder(rng)
    same = [
        make_generator(model, max_length=length)(PROMPT)["token_ids"]
        for length in (9, np.int64(9))
    ]
    np.testing.assert_array_equal(*same)
