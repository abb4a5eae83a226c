"""Residual paths against the decoders of Hugging Face that have them."""

import numpy as np
import pytest

from tests.models import hugging_face_decoders
from tests.tools import near, to_numpy

MODELS = {
    "sandwich_norm": hugging_face_decoders.gemma2,
    "output_norm": hugging_face_decoders.olmo2,
    "pre_norm with a factor": hugging_face_decoders.granite,
    "parallel, one norm, cohere": hugging_face_decoders.cohere,
    "parallel, one norm, gptj": hugging_face_decoders.gptj,
    "parallel, one norm, falcon": hugging_face_decoders.falcon_7b,
    "parallel, two norms, falcon": hugging_face_decoders.falcon_40b,
    "parallel, two norms, gpt_neox": hugging_face_decoders.gpt_neox,
}
LENGTH = 9


@pytest.mark.few
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_hidden_states_are_theirs(make):
    torch = pytest.importorskip("torch", reason="the oracle")
    theirs, ours = make(seed=11)
    rng = np.random.default_rng(2)
    token_ids = rng.integers(hugging_face_decoders.VOCABULARY, size=(3, LENGTH))
    with torch.no_grad():
        expected = theirs(torch.tensor(token_ids), use_cache=False)
    expected = expected.last_hidden_state.numpy()
    near(ours(token_ids), expected)
    # The same in pieces.
    cache, outputs = ours.init_cache(3, LENGTH), []
    for start, stop in ((0, 5), (5, 6), (6, LENGTH)):
        piece = token_ids[:, start:stop]
        hidden, cache = ours(piece, cache=cache, start=start)
        outputs.append(to_numpy(hidden))
    near(np.concatenate(outputs, axis=1), expected)
