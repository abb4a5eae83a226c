"""Embeddings that are narrower than the model."""

import numpy as np
import pytest

from keras_attention import FactorizedEmbedding, TransformerEncoder
from keras_attention.models.call_inputs import embed
from tests.tools import near, randomize, to_numpy

VOCABULARY, WIDTH, NARROW, LENGTH = 23, 12, 6, 5


def made(rng, **options):
    embedding = FactorizedEmbedding(
        VOCABULARY, WIDTH, NARROW, num_segments=3, scale=False
    )
    model = TransformerEncoder(
        VOCABULARY,
        1,
        WIDTH,
        2,
        position={"class_name": "learned", "config": {"max_length": LENGTH}},
        embedding=embedding,
        embedding_normalization={
            "class_name": "layer_norm",
            "config": {"epsilon": 1e-12},
        },
        **options,
    )
    return randomize(model, rng)


def inputs(rng):
    ids = rng.integers(1, VOCABULARY, (2, LENGTH))
    return ids, rng.integers(0, 3, ids.shape)


@pytest.mark.parametrize("family", ["Albert", "Electra"])
def test_embeddings_are_those_of_transformers(family, rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    package = pytest.importorskip("transformers", reason="the oracle")
    config = getattr(package, f"{family}Config")(
        vocab_size=VOCABULARY,
        embedding_size=NARROW,
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=WIDTH,
        type_vocab_size=3,
        max_position_embeddings=LENGTH,
    )
    theirs = getattr(package, f"{family}Model")(config).eval()
    model = made(rng)
    if family == "Albert":
        projection = theirs.encoder.embedding_hidden_mapping_in
    else:
        projection = theirs.embeddings_project
    found, ours = theirs.embeddings, model.embedding
    pairs = [
        (found.word_embeddings.weight, ours.embedding.embeddings),
        (found.token_type_embeddings.weight, ours.segments),
        (found.position_embeddings.weight, model.position.table),
        (found.LayerNorm.weight, model.embedding_norm.gamma),
        (found.LayerNorm.bias, model.embedding_norm.beta),
        (projection.weight.T, ours.input_projection.kernel),
        (projection.bias, ours.input_projection.bias),
    ]
    for theirs_of, weight in pairs:
        weight.assign(theirs_of.detach().numpy() + 0.1)
        with torch.no_grad():
            theirs_of += 0.1
    ids, kinds = inputs(rng)
    with torch.no_grad():
        expected = found(torch.tensor(ids), token_type_ids=torch.tensor(kinds))
        expected = projection(expected).numpy()
    near(embed(model, ids, segment_ids=kinds), expected)
    # Without positions and norm the layer projects by itself.
    looked_up = ours(ids, segment_ids=kinds, narrow=True)
    assert looked_up.shape == (2, LENGTH, NARROW)
    near(ours(ids, segment_ids=kinds), ours.input_projection(looked_up))


def test_a_model_comes_back_from_a_folder(rng, tmp_path):
    model = made(rng)
    ids, kinds = inputs(rng)
    expected = to_numpy(model(ids, segment_ids=kinds))
    model.save_to_preset(tmp_path)
    again = TransformerEncoder.from_preset(tmp_path)
    near(again(ids, segment_ids=kinds), expected)
    assert again.embedding.embedding_dim == NARROW
    logits = again.embedding(np.asarray(expected), reverse=True)
    assert logits.shape == (2, LENGTH, VOCABULARY)
