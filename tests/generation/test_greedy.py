import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.generation import greedy_search
from keras_attention.generation.greedy import most_probable
from tests.generation.fakes import FakeModel, numpy_greedy, padded

VOCABULARY, LENGTH, END = 7, 13, 3
RAGGED = [[5, 1], [2, 6, 4, 1, 5], [4, 4, 2], [1, 2]]


def search(model, rows, **kwargs):
    prompt = padded(rows, max(map(len, rows)))
    kwargs = {"max_length": LENGTH, "end_id": END, **kwargs}
    result = greedy_search(
        model.step, model.init_cache(len(rows)), prompt, **kwargs
    )
    return {k: ops.convert_to_numpy(v) for k, v in result.items()}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows", [RAGGED, [[5, 1, 6]] * 2])
def test_agrees_with_a_search_by_full_passes(rows, seed):
    model = FakeModel(VOCABULARY, LENGTH, seed=seed)
    result = search(model, rows)
    for i, row in enumerate(rows):
        token_ids, score = numpy_greedy(
            model.log_probabilities, row, LENGTH, END
        )
        np.testing.assert_array_equal(
            result["token_ids"][i], padded([token_ids], LENGTH)[0]
        )
        np.testing.assert_allclose(
            result["scores"][i], score, rtol=1e-5, atol=1e-5
        )


def test_the_fakes_end_early_and_late_and_so_test_both():
    lengths = set()
    for seed in range(5):
        model = FakeModel(VOCABULARY, LENGTH, seed=seed)
        for row in RAGGED:
            token_ids, _ = numpy_greedy(
                model.log_probabilities, row, LENGTH, END
            )
            lengths.add(len(token_ids))
    assert min(lengths) < 8 and max(lengths) == LENGTH


def test_memory_reaches_every_step():
    model = FakeModel(VOCABULARY, LENGTH)
    memory = np.random.default_rng(1).normal(size=(4, 5)).astype("float32")
    result = search(
        model,
        RAGGED,
        memory={"source": {"state": ops.convert_to_tensor(memory)}},
    )
    for i, row in enumerate(RAGGED):
        token_ids, _ = numpy_greedy(
            lambda ids, i=i: model.log_probabilities(ids, memory[i]),
            row,
            LENGTH,
            END,
        )
        np.testing.assert_array_equal(
            result["token_ids"][i], padded([token_ids], LENGTH)[0]
        )


@pytest.mark.full
def test_a_row_does_not_depend_on_its_neighbours():
    model = FakeModel(VOCABULARY, LENGTH, seed=2)
    together = search(model, RAGGED)
    for i, row in enumerate(RAGGED):
        alone = search(model, [row])
        np.testing.assert_array_equal(
            together["token_ids"][i], alone["token_ids"][0]
        )
        np.testing.assert_allclose(
            together["scores"][i], alone["scores"][0], rtol=1e-5
        )


@pytest.mark.parametrize("prefill_length", [1, 2])
def test_prefill_length_does_not_change_the_result(prefill_length):
    model = FakeModel(VOCABULARY, LENGTH, seed=1)
    expected = search(model, RAGGED)
    result = search(model, RAGGED, prefill_length=prefill_length)
    np.testing.assert_array_equal(result["token_ids"], expected["token_ids"])
    np.testing.assert_allclose(
        result["scores"], expected["scores"], rtol=1e-5, atol=1e-5
    )


def test_lengths_keep_padding_ids_that_belong_to_the_prompt():
    model = FakeModel(VOCABULARY, LENGTH)
    result = search(model, [[0], [0]], prompt_lengths=[1, 1])
    token_ids, _ = numpy_greedy(model.log_probabilities, [0], LENGTH, END)
    np.testing.assert_array_equal(
        result["token_ids"], padded([token_ids] * 2, LENGTH)
    )


def test_the_first_token_of_a_prompt_counts_even_as_the_padding_id():
    model = FakeModel(VOCABULARY, LENGTH)
    for prompt in ([[0], [0]], [[0, 0], [0, 5]]):
        rows = [[0], [0, 5][: len(prompt[1])]]
        expected = [
            numpy_greedy(model.log_probabilities, row, LENGTH, END)[0]
            for row in rows
        ]
        result = search(model, prompt)
        np.testing.assert_array_equal(
            result["token_ids"], padded(expected, LENGTH)
        )


def test_an_end_token_in_the_prompt_does_not_end_the_row():
    model = FakeModel(VOCABULARY, LENGTH)
    row = [END, 2, END]
    token_ids, _ = numpy_greedy(model.log_probabilities, row, LENGTH, END)
    assert len(token_ids) > len(row)
    result = search(model, [row])
    np.testing.assert_array_equal(
        result["token_ids"], padded([token_ids], LENGTH)
    )


def test_without_an_end_token_every_row_is_filled():
    model = FakeModel(VOCABULARY, LENGTH, seed=1)
    result = search(model, RAGGED, end_id=None, padding_id=0)
    for i, row in enumerate(RAGGED):
        token_ids, _ = numpy_greedy(model.log_probabilities, row, LENGTH, None)
        np.testing.assert_array_equal(result["token_ids"][i], token_ids)


def test_a_prompt_of_the_maximum_length_comes_back():
    model = FakeModel(VOCABULARY, LENGTH)
    rows = [[1] * LENGTH, [2] * LENGTH]
    result = search(model, rows)
    np.testing.assert_array_equal(result["token_ids"], rows)
    np.testing.assert_array_equal(result["scores"], [0, 0])


def end_after(count):
    """A step that gives the end token after `count` fed tokens."""
    fed = []

    def step(token_ids, cache, memory, start):
        if keras.backend.backend() == "jax":  # the loop is traced only once
            import jax

            jax.debug.callback(lambda: fed.append(1))
        else:
            fed.append(1)
        seen = cache["seen"] + ops.shape(token_ids)[1]
        end = ops.cast(seen >= count, "float32")
        logits = ops.one_hot(ops.full((2,), END, "int32"), VOCABULARY)
        return logits * (2 * end - 1), {"seen": seen}

    return step, fed


def test_stops_as_soon_as_every_row_has_ended():
    step, fed = end_after(5)
    cache = {"seen": ops.convert_to_tensor([[0], [2]], "int32")}
    result = greedy_search(
        step, cache, [[1, 1], [1, 1]], max_length=97, end_id=END
    )
    token_ids = ops.convert_to_numpy(result["token_ids"])
    # One call for the prompt, three until the first row ends as well.
    assert len(fed) == 4
    assert token_ids.shape == (2, 97)
    np.testing.assert_array_equal((token_ids == END).sum(axis=1), [1, 1])
    np.testing.assert_array_equal(token_ids.argmax(axis=1), [5, 3])


@pytest.mark.parametrize(
    "prompt, kwargs, message",
    [
        ([[1, 2, 3]], {"max_length": 2}, "max_length"),
        ([[]], {}, "prompt"),
        ([1, 2], {}, "prompt"),
        ([[1.5, 2.0]], {}, "prompt"),
        ([[1, 2]], {"prompt_lengths": [3]}, "prompt_lengths"),
        ([[1, 2]], {"prompt_lengths": [0]}, "prompt_lengths"),
        ([[1, 2]], {"prompt_lengths": [1, 2]}, "prompt_lengths"),
        ([[1, 2], [1, 0]], {"prefill_length": 2}, "prefill_length"),
        ([[1, 2]], {"prefill_length": 0}, "prefill_length"),
        ([[1, 2]], {"end_id": VOCABULARY}, "end_id"),
        ([[1, 2]], {"padding_id": -1}, "padding_id"),
    ],
)
def test_refuses_what_does_not_fit(prompt, kwargs, message):
    model = FakeModel(VOCABULARY, LENGTH)
    kwargs = {"max_length": LENGTH, "end_id": END, **kwargs}
    with pytest.raises(ValueError, match=message):
        greedy_search(
            model.step, model.init_cache(len(prompt)), prompt, **kwargs
        )


def test_the_first_of_equals_is_chosen_and_never_none():
    logits = np.array([[1, 3, 3], [-np.inf, -np.inf, 0], [np.nan] * 3])
    chosen = most_probable(ops.convert_to_tensor(logits), 0)
    chosen = ops.convert_to_numpy(chosen)
    assert chosen.dtype == "int32"
    assert chosen[:2].tolist() == [1, 2] and 0 <= chosen[2] < 3


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a TensorFlow graph"
)
def test_a_graph_may_not_know_the_size_of_the_vocabulary():
    import tensorflow as tf

    choose = tf.function(
        lambda logits: most_probable(logits, 0),
        input_signature=[tf.TensorSpec([None, None])],
    )
    np.testing.assert_array_equal(choose(np.eye(3, dtype="float32")), range(3))
