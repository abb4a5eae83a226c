"""Beam search against that of Hugging Face, on the same random models."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention.generation import beam_search, greedy_search
from tests.generation.fakes import padded
from tests.tools import to_numpy

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the models are PyTorch's"
)
# They treat a padding id of 0 as none.
VOCABULARY, LENGTH, END, PADDING = 13, 19, 2, 12
RAGGED = [[5, 1, 7], [3, 6, 4, 1, 5], [4, 4], [11, 9, 10, 8]]
SIZES = {
    "vocab_size": VOCABULARY,
    "pad_token_id": PADDING,
    "eos_token_id": END,
    "attn_implementation": "eager",
}


def build(make, config, favour):
    import torch

    torch.manual_seed(7)
    model = make(config).eval()
    for parameter in model.parameters():
        # As initialized, all tokens would be about equally probable.
        if parameter.ndim == 2 and parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.6)
    # And none of them would ever end.
    bias = favour * torch.eye(VOCABULARY)[END]
    model.get_output_embeddings().register_forward_hook(
        lambda module, inputs, logits: logits + bias
    )
    return model


@pytest.fixture(scope="module")
def llama():
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        bos_token_id=1,
        **SIZES,
    )
    return build(transformers.LlamaForCausalLM, config, favour=3.0)


@pytest.fixture(scope="module")
def marian():
    transformers = pytest.importorskip("transformers")
    config = transformers.MarianConfig(
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        decoder_start_token_id=PADDING,
        forced_eos_token_id=None,
        **SIZES,
    )
    return build(transformers.MarianMTModel, config, favour=2.0)


def whole_pass(forward):
    """A step whose cache is nothing but the tokens so far."""
    import torch

    def step(token_ids, cache, memory, start):
        tokens = ops.slice_update(cache["tokens"], (0, start), token_ids)
        with torch.no_grad():
            logits = forward(tokens[:, : start + token_ids.shape[1]], memory)
        return logits[:, -1], {"tokens": tokens}

    return step


def llama_step(model):
    return whole_pass(lambda tokens, memory: model(tokens).logits)


def marian_step(model):
    def forward(tokens, memory):
        source = memory["source"]
        return model(
            input_ids=source,
            attention_mask=(source != PADDING).long(),
            decoder_input_ids=tokens,
        ).logits

    return whole_pass(forward)


def ours(step, prompt, **kwargs):
    result = beam_search(
        step,
        {"tokens": ops.zeros((len(prompt), LENGTH), "int32")},
        prompt,
        max_length=LENGTH,
        end_id=END,
        padding_id=PADDING,
        return_all_beams=True,
        **kwargs,
    )
    return to_numpy(result)


def theirs(model, prompt, num_beams, **kwargs):
    import torch

    result = model.generate(
        torch.tensor(prompt),
        max_length=LENGTH,
        num_beams=num_beams,
        num_return_sequences=num_beams,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
        **kwargs,
    )
    token_ids = padded(result.sequences.tolist(), LENGTH, PADDING)
    return (
        token_ids.reshape(-1, num_beams, LENGTH),
        result.sequences_scores.numpy().reshape(-1, num_beams),
    )


@pytest.mark.parametrize("stop", ["never", False, True])
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 2.0])
def test_beams_of_a_decoder_are_theirs(penalty, stop, llama):
    result = ours(
        llama_step(llama),
        padded(RAGGED, 5, PADDING),
        num_beams=4,
        length_penalty=penalty,
        early_stopping=stop,
    )
    ends = set()
    for i, row in enumerate(RAGGED):
        token_ids, scores = theirs(
            llama, [row], 4, length_penalty=penalty, early_stopping=stop
        )
        np.testing.assert_array_equal(result["token_ids"][i], token_ids[0])
        np.testing.assert_allclose(result["scores"][i], scores[0], rtol=1e-4)
        ends |= set((token_ids[0] == END).argmax(axis=1))
    assert len(ends) > 1


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_beams_of_an_encoder_decoder_are_theirs(penalty, marian):
    import torch

    sources = padded(
        [[5, 7, 3, 9, END], [8, 8, END], [6, 10, 4, END]], 5, PADDING
    )
    result = ours(
        marian_step(marian),
        np.full((3, 1), PADDING),
        num_beams=3,
        length_penalty=penalty,
        early_stopping="never",
        prompt_lengths=[1, 1, 1],
        memory={"source": ops.convert_to_tensor(sources)},
    )
    token_ids, scores = theirs(
        marian,
        sources,
        3,
        attention_mask=torch.tensor(sources != PADDING).long(),
        length_penalty=penalty,
        early_stopping="never",
    )
    np.testing.assert_array_equal(result["token_ids"], token_ids)
    np.testing.assert_allclose(result["scores"], scores, rtol=1e-4)


LIMITS = [
    {"min_length": 11},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"min_length": 13, "no_repeat_ngram_size": 3},
]


@pytest.mark.parametrize("stop", ["never", False, True])
@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_beams_under_the_same_rules_are_theirs(limits, stop, llama):
    prompt = padded(RAGGED, 5, PADDING)
    options = {"num_beams": 3, "early_stopping": stop}
    result = ours(llama_step(llama), prompt, **options, **limits)
    for i, row in enumerate(RAGGED):
        token_ids, scores = theirs(
            llama, [row], **options, length_penalty=1.0, **limits
        )
        found = result["scores"][i] > -np.inf
        assert found[0]
        np.testing.assert_array_equal(
            result["token_ids"][i][found], token_ids[0][found]
        )
        np.testing.assert_allclose(
            result["scores"][i][found], scores[0][found], rtol=1e-4
        )
        # What they hold where there is no hypothesis.
        assert (scores[0][~found] <= -1e8).all()
    plain = ours(llama_step(llama), prompt, **options)
    assert (plain["token_ids"] != result["token_ids"]).any()


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_an_encoder_decoder_under_the_same_rules_is_theirs(limits, marian):
    import torch

    sources = padded(
        [[5, 7, 3, 9, END], [8, 8, END], [6, 10, 4, END]], 5, PADDING
    )
    mask = torch.tensor(sources != PADDING).long()
    options = {"num_beams": 3, "early_stopping": False}
    result, plain = (
        ours(
            marian_step(marian),
            np.full((3, 1), PADDING),
            prompt_lengths=[1, 1, 1],
            memory={"source": ops.convert_to_tensor(sources)},
            **options,
            **rules,
        )
        for rules in (limits, {})
    )
    assert (plain["token_ids"] != result["token_ids"]).any()
    token_ids, scores = theirs(
        marian,
        sources,
        attention_mask=mask,
        length_penalty=1.0,
        **options,
        **limits,
    )
    found = result["scores"] > -np.inf
    assert found[:, 0].all()
    np.testing.assert_array_equal(result["token_ids"][found], token_ids[found])
    np.testing.assert_allclose(
        result["scores"][found], scores[found], rtol=1e-4
    )


@pytest.mark.parametrize("limits", [{}, *LIMITS], ids=str)
def test_greedy_search_is_theirs(limits, llama):
    import torch

    result = greedy_search(
        llama_step(llama),
        {"tokens": ops.zeros((len(RAGGED), LENGTH), "int32")},
        padded(RAGGED, 5, PADDING),
        max_length=LENGTH,
        end_id=END,
        padding_id=PADDING,
        **limits,
    )
    for i, row in enumerate(RAGGED):
        expected = llama.generate(
            torch.tensor([row]), max_length=LENGTH, do_sample=False, **limits
        )
        np.testing.assert_array_equal(
            to_numpy(result["token_ids"])[i],
            padded(expected.tolist(), LENGTH, PADDING)[0],
        )
