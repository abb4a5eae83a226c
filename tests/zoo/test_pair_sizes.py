"""Published sizes of pairs have as many weights as those of others."""

import fnmatch

import pytest

from keras_attention import EncoderDecoder, zoo
from keras_attention.zoo.core import fresh
from tests.zoo import oracle

KIND = "EncoderDecoder"
SIZES = [
    name for name, family in zoo.sizes().items() if KIND in family.architectures
]


def count_theirs(family, entries):
    package = oracle.transformers()
    import torch

    config = package.AutoConfig.for_model(family.model_types[0], **entries)
    with torch.device("meta"):
        model = getattr(package, family.architectures[KIND])(config)
    count = sum(
        numbers.numel()
        for name, numbers in oracle.numbers(model)
        if not any(fnmatch.fnmatch(name, p) for p in family.passed_over)
    )
    # T5 ties logits until it reads a file where they are not.
    tied = getattr(model, "all_tied_weights_keys", {})
    if not entries.get("tie_word_embeddings", True) and tied:
        count += model.lm_head.weight.numel()
    return count


@pytest.mark.full
@pytest.mark.parametrize("name", SIZES)
def test_a_size_has_as_many_weights_as_theirs(name):
    family = zoo.sizes()[name]
    expected = count_theirs(family, family.sizes[name])
    try:
        with fresh.without_numbers():
            model = EncoderDecoder.from_preset(name, load_weights=False)
    except ValueError as error:
        if "of memory" not in str(error):
            raise
        pytest.skip("more than this machine holds")
    assert model.count_params() == expected
