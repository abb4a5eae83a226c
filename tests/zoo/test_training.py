"""Models that were read learn as those of `transformers` do."""

import keras
import numpy as np
import pytest

import keras_attention
from tests.zoo import oracle
from tests.zoo.cases import CASES

RATE, STEPS = 0.1, 3
KINDS = {"bert": "MaskedLM", "gpt2": "CausalLM", "t5": "EncoderDecoder"}


def batch(case, kind, rng):
    """Inputs of ours, of theirs, and the tokens to predict."""
    ids = rng.integers(3, 37, (4, 9))
    wanted = rng.integers(3, 37, (4, 7 if kind == "EncoderDecoder" else 9))
    if kind != "EncoderDecoder":
        return ids, {"input_ids": ids}, wanted
    target = rng.integers(3, 37, (4, 7))
    ours = {"source_ids": ids, "target_ids": target}
    return ours, {"input_ids": ids, "decoder_input_ids": target}, wanted


def losses_of_theirs(model, inputs, wanted):
    import torch

    # Without dropout, as evaluated.
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    tensors = {name: torch.tensor(x) for name, x in inputs.items()}
    losses = []
    for _ in range(STEPS):
        logits = model(**tensors).logits
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]),
            torch.tensor(wanted).reshape(-1),
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", KINDS)
def test_three_steps_change_the_loss_as_theirs(name, rng, tmp_path):
    case, kind = CASES[name], KINDS[name]
    theirs = oracle.make(case, kind)
    theirs.save_pretrained(tmp_path)
    model = getattr(keras_attention, kind).from_preset(tmp_path)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
        if isinstance(getattr(layer, "dropout", None), float):
            layer.dropout = 0.0
    ours, given, wanted = batch(case, kind, rng)
    model.compile(
        keras.optimizers.SGD(RATE),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    found = [float(model.train_on_batch(ours, wanted)) for _ in range(STEPS)]
    expected = losses_of_theirs(theirs, given, wanted)
    assert expected[-1] < expected[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
