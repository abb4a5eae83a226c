"""Functional models of our parts, whose logits are a call of the decoder."""

import keras
import numpy as np
import pytest

from keras_attention import (
    RecurrentDecoder,
    RecurrentEncoder,
    TransformerDecoder,
    TransformerEncoder,
)
from tests.models import small
from tests.tools import few, near, randomize, run_python, to_numpy


def ids(name=None, length=None):
    return keras.Input((length,), dtype="int32", name=name)


def alone(tied):
    decoder = TransformerDecoder(**small.SIZES, tie_embeddings=tied)
    inputs = ids()
    return keras.Model(inputs, decoder.logits(decoder(inputs)))


def of_the_last(tied):
    decoder = TransformerDecoder(**small.SIZES, tie_embeddings=tied)
    inputs = ids()
    return keras.Model(inputs, decoder.logits(decoder(inputs)[:, -1]))


def two(encoder, decoder, lengths=(None, None)):
    names = ("source", "target")
    inputs = {
        n: ids(n, length) for n, length in zip(names, lengths, strict=True)
    }
    hidden = decoder(inputs["target"], memory=encoder(inputs["source"]))
    return keras.Model(inputs, decoder.logits(hidden))


def parts(tied):
    decoder = TransformerDecoder(
        **small.SIZES, cross_attention="multi_head", tie_embeddings=tied
    )
    return two(TransformerEncoder(**small.SIZES), decoder)


def recurrent_parts(tied):
    sizes = (small.VOCABULARY, 1, small.DIM)
    encoder = RecurrentEncoder(*sizes, bidirectional=False)
    decoder = RecurrentDecoder(*sizes, attention=None, tie_embeddings=tied)
    # Of unknown length, Keras would try very many steps.
    return two(encoder, decoder, lengths=(5, 7))


def sharing(tied):
    encoder = TransformerEncoder(**small.SIZES)
    decoder = TransformerDecoder(
        **small.SIZES,
        cross_attention="multi_head",
        embedding=encoder.embedding,
    )
    return two(encoder, decoder)


CASES = {
    "tied": (alone, True),
    "untied": (alone, False),
    "the last": (of_the_last, True),
    "parts": (parts, False),
    "recurrent": (recurrent_parts, True),
    "recurrent untied": (recurrent_parts, False),
    "one embedding": (sharing, True),
}
FRESH = """
import pathlib, sys, keras, numpy as np, keras_attention
folder = pathlib.Path(sys.argv[1])
tokens = dict(np.load(folder / "inputs.npz"))
outputs = {}
for path in folder.glob("*.keras"):
    model = keras.saving.load_model(path)
    inputs = tokens if len(model.inputs) == 2 else tokens["target"]
    outputs[path.stem] = keras.ops.convert_to_numpy(model(inputs))
np.savez(folder / "outputs.npz", **outputs)
"""


def given_to(model, tokens):
    return tokens if len(model.inputs) == 2 else tokens["target"]


@pytest.mark.full
@pytest.mark.parametrize(
    "names",
    few([["tied", "one embedding"], list(CASES)]),
    ids=["some", "all"],
)
def test_files_give_back_the_same_in_a_fresh_process(rng, tmp_path, names):
    tokens = {
        "source": small.ids(rng, 5),
        "target": small.ids(rng, ragged=False),
    }
    tokens["target"][:, 2] = 0
    np.savez(tmp_path / "inputs.npz", **tokens)
    expected = {}
    for name in names:
        make, tied = CASES[name]
        model = randomize(make(tied), rng)
        expected[name] = to_numpy(model(given_to(model, tokens)))
        model.save(tmp_path / f"{name}.keras")
    run_python(FRESH, tmp_path)
    found = np.load(tmp_path / "outputs.npz")
    assert set(found) == set(expected)
    for name, logits in expected.items():
        near(found[name], logits, 1e-6)


# Cloning, Keras says, keeps no layer shared that two others hold.
@pytest.mark.full
@pytest.mark.parametrize(
    "case", [name for name in CASES if name != "one embedding"]
)
def test_clones_and_configurations_give_back_the_same(rng, case):
    make, tied = CASES[case]
    model = randomize(make(tied), rng)
    tokens = {"source": small.ids(rng, 5), "target": small.ids(rng)}
    given = given_to(model, tokens)
    expected = to_numpy(model(given))
    for again in (
        keras.models.clone_model(model),
        keras.Model.from_config(model.get_config()),
    ):
        assert again.count_params() == model.count_params()
        again.set_weights(model.get_weights())
        near(again(given), expected, 1e-6)


def test_logits_of_a_functional_model_are_those_of_the_decoder(rng):
    decoder = small.decoder(rng)
    inputs = ids()
    model = keras.Model(inputs, decoder.logits(decoder(inputs)))
    tokens = small.ids(rng)
    near(model(tokens), decoder.logits(decoder(tokens)), 1e-6)
    assert len(model.weights) == len(decoder.weights)
