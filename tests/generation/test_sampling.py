import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.generation import greedy_search, sample
from keras_attention.generation.sampling import (
    draw,
    keep_top_k,
    keep_top_p,
    temper,
)
from keras_attention.generation.uniform import uniform
from tests.generation.fakes import FakeModel, padded
from tests.tools import compiled, to_numpy

VOCABULARY, LENGTH, END = 7, 13, 3
RAGGED = [[5, 1], [2, 6, 4, 1, 5], [4, 4, 2]]


def search(model, rows, search=sample, **kwargs):
    prompt = padded(rows, max(map(len, rows)))
    kwargs = {"max_length": LENGTH, "end_id": END, **kwargs}
    result = search(model.step, model.init_cache(len(rows)), prompt, **kwargs)
    return to_numpy(result)


def numpy_top_k(logits, k):
    """The tokens that fewer than k others exceed."""
    return np.array([(logits > x).sum() < k for x in logits])


def numpy_top_p(probabilities, p):
    """The tokens whose strictly more probable rivals hold less than p.

    Stated for a nucleus that keeps everything equal to its last token.
    """
    more = [probabilities[probabilities > x].sum() for x in probabilities]
    return np.array([m < p - 1e-6 for m in more])


@pytest.mark.full
def test_same_seed_gives_the_same_draws_and_another_others():
    model = FakeModel(VOCABULARY, LENGTH, scale=1.0)
    first = search(model, RAGGED, seed=5)
    again = search(model, RAGGED, seed=5)
    other = search(model, RAGGED, seed=6)
    np.testing.assert_array_equal(first["token_ids"], again["token_ids"])
    assert (first["token_ids"] != other["token_ids"]).any()


@pytest.mark.full
def test_a_seed_generator_gives_new_draws_at_every_call():
    model = FakeModel(VOCABULARY, LENGTH, scale=1.0)
    draws = []
    for _ in range(2):
        seeds = keras.random.SeedGenerator(5)
        draws.append(
            [search(model, RAGGED, seed=seeds)["token_ids"] for _ in range(2)]
        )
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0][0] != draws[0][1]).any()


def test_scores_are_those_of_the_model_without_temperature_and_filters():
    model = FakeModel(VOCABULARY, LENGTH, scale=1.0)
    result = search(model, RAGGED, seed=1, temperature=0.7, top_k=4, top_p=0.9)
    for i, row in enumerate(RAGGED):
        token_ids = list(result["token_ids"][i])
        end = LENGTH
        if END in token_ids[len(row) :]:
            end = token_ids.index(END, len(row)) + 1
        assert not any(token_ids[end:])
        score = sum(
            model.log_probabilities(token_ids[:n])[token_ids[n]]
            for n in range(len(row), end)
        )
        assert token_ids[: len(row)] == row
        np.testing.assert_allclose(result["scores"][i], score, rtol=1e-4)


@pytest.mark.parametrize("temperature", [1e-3, 1e-30])
def test_a_temperature_near_zero_is_greedy_search(temperature):
    model = FakeModel(VOCABULARY, LENGTH, seed=1)
    result = search(model, RAGGED, seed=1, temperature=temperature)
    greedy = search(model, RAGGED, greedy_search)
    np.testing.assert_array_equal(result["token_ids"], greedy["token_ids"])


@pytest.mark.full
def test_the_single_most_probable_token_is_greedy_search():
    model = FakeModel(VOCABULARY, LENGTH, seed=2)
    greedy = search(model, RAGGED, greedy_search)
    for kwargs in ({"top_k": 1}, {"top_p": 1e-6}):
        result = search(model, RAGGED, seed=1, **kwargs)
        np.testing.assert_array_equal(result["token_ids"], greedy["token_ids"])


@pytest.mark.parametrize("k", [1, 2, 3, 5, 11, 97])
def test_top_k_keeps_what_fewer_than_k_exceed(k, rng):
    # Integers, so that ties are frequent.
    logits = rng.integers(-3, 4, (17, 11)).astype("float32")
    kept = to_numpy(keep_top_k(ops.convert_to_tensor(logits), k))
    for row, result in zip(logits, kept, strict=True):
        expected = np.where(numpy_top_k(row, k), row, -np.inf)
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.9, 0.999, 1.0])
def test_top_p_keeps_the_smallest_set_of_that_probability(p, rng):
    logits = rng.integers(-2, 3, (17, 11)).astype("float32")
    logits[:5] += rng.normal(size=(5, 11))
    kept = to_numpy(keep_top_p(ops.convert_to_tensor(logits), p))
    for row, result in zip(logits, kept, strict=True):
        probabilities = np.exp(row.astype("float64"))
        probabilities /= probabilities.sum()
        inside = numpy_top_p(probabilities, p) if p < 1 else np.full(11, True)
        np.testing.assert_array_equal(result, np.where(inside, row, -np.inf))
        assert probabilities[inside].sum() >= p - 1e-6


def test_top_p_counts_only_what_top_k_left():
    logits = np.log(np.array([[0.4, 0.3, 0.2, 0.1]], "float32"))
    kept = keep_top_p(keep_top_k(ops.convert_to_tensor(logits), 2), 0.55)
    # 0.4 of 0.7 is more than 0.55 already.
    np.testing.assert_array_equal(
        np.isfinite(to_numpy(kept)), [[True, False, False, False]]
    )


def test_drawn_frequencies_are_those_of_the_filtered_distribution(rng):
    logits = rng.normal(size=(1, 7)).astype("float32")
    count, temperature = 20_011, 1.5
    filtered = keep_top_k(temper(ops.convert_to_tensor(logits), temperature), 5)
    noise = uniform(3, count, 1)[:, 0]
    drawn = to_numpy(draw(ops.repeat(filtered, count, axis=0), noise))
    probabilities = np.exp(logits[0].astype("float64") / temperature)
    probabilities[~numpy_top_k(logits[0], 5)] = 0
    expected = count * probabilities / probabilities.sum()
    observed = np.bincount(drawn, minlength=7)
    assert (observed[expected == 0] == 0).all()
    inside = expected > 0
    differences = observed[inside] - expected[inside]
    # The 0.999 quantile of chi-squared with four degrees of freedom.
    assert (differences**2 / expected[inside]).sum() < 18.47


@pytest.mark.parametrize("noise", [0.0, 1 - 2.0**-24])
def test_extreme_draws_stay_inside_the_filter(noise):
    logits = np.full((3, 5), -np.inf, "float32")
    logits[0, 2] = logits[1, 1] = logits[1, 3] = logits[2, 4] = 0.0
    drawn = to_numpy(
        draw(ops.convert_to_tensor(logits), ops.full((3,), noise, "float32"))
    )
    np.testing.assert_array_equal(drawn, [2, 1 if noise == 0.0 else 3, 4])


@pytest.mark.full
def test_noise_is_the_same_on_every_backend():
    expected = numpy_noise(7, 3, 5)
    np.testing.assert_array_equal(to_numpy(uniform(7, 3, 5)), expected)
    jitted = compiled(lambda seed: uniform(seed, 3, 5))
    seed = ops.convert_to_tensor([7, 0], "int32")
    np.testing.assert_array_equal(to_numpy(jitted(seed)), expected)


def numpy_noise(seed, batch_size, length):
    def mix(x):
        with np.errstate(over="ignore"):
            x = x ^ (x >> np.uint32(16))
            x = x * np.uint32(0x7FEB352D)
            x = x ^ (x >> np.uint32(15))
            x = x * np.uint32(0x846CA68B)
            return x ^ (x >> np.uint32(16))

    key = mix(mix(np.array([seed], "uint32")))
    rows = mix(key + np.arange(batch_size, dtype="uint32"))[:, None]
    columns = mix(mix(key) + np.arange(length, dtype="uint32"))
    return (mix(rows + columns) >> np.uint32(8)) / 2.0**24


def test_noise_is_uniform_and_uncorrelated():
    noise = to_numpy(uniform(11, 499, 401)).astype("float64")
    assert 0 <= noise.min() and noise.max() < 1
    counts, _ = np.histogram(noise, 100, (0, 1))
    expected = noise.size / 100
    # The 0.999 quantile of chi-squared with 99 degrees of freedom.
    assert ((counts - expected) ** 2 / expected).sum() < 148.2
    centred = (noise - 0.5) * 12**0.5
    for down, right in [(0, 1), (1, 0), (1, 1), (0, 2), (2, 0)]:
        product = centred[down:, right:] * centred[: 499 - down, : 401 - right]
        assert abs(product.mean()) * product.size**0.5 < 4


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_k": 2.0}, "top_k"),
        ({"top_k": True}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": "0.5"}, "top_p"),
        ({"top_p": True}, "top_p"),
        ({"top_p": float("nan")}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"seed": "a"}, "seed"),
        ({"seed": None}, "seed"),
        ({"max_length": 1}, "max_length"),
    ],
)
def test_refuses_what_does_not_fit(kwargs, message):
    with pytest.raises(ValueError, match=message):
        search(FakeModel(VOCABULARY, LENGTH), RAGGED, **{"seed": 1, **kwargs})


@pytest.mark.parametrize("settings", [{"temperature": 1e-45}, {"top_p": 1e-45}])
def test_the_smallest_settings_are_greedy(rng, settings):
    logits = rng.normal(size=(5, 11)).astype("float32")
    if "top_p" in settings:
        kept = keep_top_p(ops.convert_to_tensor(logits), settings["top_p"])
    else:
        kept = temper(ops.convert_to_tensor(logits), settings["temperature"])
    drawn = draw(kept, ops.convert_to_tensor(rng.random(5).astype("float32")))
    np.testing.assert_array_equal(to_numpy(drawn), logits.argmax(-1))
