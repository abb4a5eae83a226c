"""T5 and Pegasus, which start with the padding id, against Hugging Face."""

import numpy as np
import pytest

from keras_attention.generation import Generator
from tests.models import hugging_face
from tests.tools import BACKEND, few, near, to_numpy

MAKERS = {"t5": hugging_face.t5, "pegasus": hugging_face.pegasus}
LENGTH = 11


def targets(padding_id):
    """Target tokens with the padding id at the start, within, and behind."""
    rng = np.random.default_rng(3)
    token_ids = rng.integers(hugging_face.VOCABULARY, size=(3, LENGTH))
    token_ids[:, 0] = padding_id
    token_ids[0, 4:6] = padding_id
    token_ids[1, 7:] = padding_id
    return token_ids


@pytest.mark.parametrize("padding_id", [0, 5])
@pytest.mark.parametrize("name", MAKERS)
def test_logits_of_targets_that_hold_the_padding_id_are_theirs(
    name, padding_id
):
    theirs, ours = MAKERS[name](7, padding_id, deviation=0.3)
    source_ids = hugging_face.sources(padding_id)
    target_ids = targets(padding_id)
    expected = hugging_face.their_logits(
        theirs, source_ids, target_ids, padding_id
    )
    inputs = {"source_ids": source_ids, "target_ids": target_ids}
    near(ours(inputs), expected)
    # The same token by token.
    memory, cache = ours.init_memory(source_ids), ours.init_cache(3, LENGTH)
    for start in range(3):
        piece = target_ids[:, start : start + 1]
        logits, cache = ours.step(piece, cache, memory, start)
        near(logits, expected[:, start])


def test_logits_of_t5_with_relu_are_theirs():
    theirs, ours = hugging_face.t5(3, deviation=0.3, feed_forward="relu")
    source_ids, target_ids = hugging_face.sources(0), targets(0)
    expected = hugging_face.their_logits(theirs, source_ids, target_ids, 0)
    near(ours({"source_ids": source_ids, "target_ids": target_ids}), expected)


SEARCHES = [(2, 1), (2, 4), *((s, b) for s in range(3, 8) for b in range(1, 6))]


# Elsewhere each model is traced or compiled first.
QUICK = 2 if BACKEND == "torch" else 0


@pytest.mark.parametrize("search", few(SEARCHES, quick=QUICK))
@pytest.mark.parametrize("name", MAKERS)
def test_searches_that_start_with_the_padding_id_are_theirs(name, search):
    seed, num_beams = search
    for padding_id in (0, 5):
        theirs, ours = MAKERS[name](seed, padding_id)
        source_ids = hugging_face.sources(padding_id, 5, seed=seed)
        generator = Generator(
            ours,
            max_length=LENGTH,
            end_id=hugging_face.END,
            padding_id=padding_id,
            strategy="beam",
            settings={"num_beams": num_beams},
        )
        prompt = np.full((len(source_ids), 1), padding_id)
        found = generator(prompt, source_ids)["token_ids"]
        expected = hugging_face.their_search(
            theirs, source_ids, padding_id, num_beams, LENGTH
        )
        assert hugging_face.up_to_end(to_numpy(found)) == expected
