import keras
import numpy as np
import pytest

from keras_attention.generation import Generator
from tests.generation.fakes import padded
from tests.generation.test_generator import VOCABULARY, make_decoder

# The shortest is read in blocks and then token by token.
LENGTHS = [20, 19, 23]
# JAX without it runs operation by operation.
JITS = keras.backend.backend() == "jax"
SETTINGS = {
    "greedy": {},
    "sampling": {"temperature": 0.8, "top_k": 5},
}
LIMITS = {"max_new_tokens": 9, "end_id": 3, "repetition_penalty": 1.3}


@pytest.fixture(scope="module")
def model():
    return make_decoder(np.random.default_rng(17))


@pytest.fixture(scope="module")
def prompts():
    rng = np.random.default_rng(29)
    return [rng.integers(4, VOCABULARY, size=n).tolist() for n in LENGTHS]


def make_generator(model, strategy, **arguments):
    return Generator(
        model,
        strategy=strategy,
        settings=SETTINGS[strategy],
        **{"jit_compile": JITS, **LIMITS, **arguments},
    )


def run(steps, rows):
    while not steps.is_done:
        steps.advance()
    return [steps.new_tokens(row) for row in range(rows)]


@pytest.mark.full
@pytest.mark.parametrize("strategy", ["greedy", "sampling"])
def test_tokens_one_by_one_are_those_of_the_call(strategy, model, prompts):
    generator = make_generator(model, strategy)
    batch = padded(prompts, max(LENGTHS))
    seeds = [[7, row] for row in range(3)] if strategy == "sampling" else None
    whole = generator(batch, seeds=seeds)
    steps = generator.steps(batch, seeds=seeds)
    found = run(steps, 3)
    for row, (length, new) in enumerate(zip(LENGTHS, found, strict=True)):
        expected = whole["token_ids"][row, length : length + len(new)]
        assert new == expected.tolist()
        assert len(new) == LIMITS["max_new_tokens"] or new[-1] == 3
    np.testing.assert_allclose(steps.scores, whole["scores"], rtol=1e-4)
    steps = generator.steps(batch, seeds=seeds)
    steps.advance()
    steps.finish()
    assert run(steps, 3) == found


@pytest.mark.full
def test_a_row_with_its_own_seed_depends_on_no_other(model, prompts):
    generator = make_generator(model, "sampling")
    seeds = [[5, 0], [5, 1], [5, 2]]
    together = run(
        generator.steps(padded(prompts, max(LENGTHS)), seeds=seeds), 3
    )
    alone = run(generator.steps([prompts[1]], seeds=[seeds[1]]), 1)
    assert alone == [together[1]]
    others = [
        run(generator.steps([prompts[1]], seeds=[[seed, 1]]), 1)
        for seed in range(6, 11)
    ]
    assert any(other != alone for other in others)


@pytest.mark.full
def test_a_row_that_is_ended_from_outside_stays_as_it_is(model, prompts):
    generator = make_generator(model, "greedy", end_id=None)
    batch = [row[:17] for row in prompts]
    steps = generator.steps(batch)
    steps.advance()
    steps.advance()
    steps.end([False, True, False])
    score = steps.scores[1]
    rows = run(steps, 3)
    assert [len(row) for row in rows] == [9, 2, 9]
    assert steps.scores[1] == score


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="PyTorch runs eagerly"
)
@pytest.mark.full
def test_one_function_is_compiled_for_all_tokens(model, monkeypatch):
    traced = []
    step = type(model).step

    def counted(self, token_ids, *arguments, **keywords):
        traced.append(tuple(token_ids.shape))
        return step(self, token_ids, *arguments, **keywords)

    monkeypatch.setattr(type(model), "step", counted)
    generator = make_generator(model, "greedy", end_id=None, jit_compile=True)
    run(generator.steps([[5, 6, 7]]), 1)
    run(generator.steps([[8, 9, 4]]), 1)
    assert traced == [(1, 1)]


def test_beams_are_not_given_token_by_token(model):
    generator = Generator(
        model,
        max_length=7,
        end_id=3,
        strategy="beam",
        settings={"num_beams": 2},
    )
    with pytest.raises(ValueError, match="one by one"):
        generator.steps([[5, 6]])
