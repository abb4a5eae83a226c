"""Converted models beside those of `transformers`."""

import numpy as np

from keras_attention import (
    CausalLM,
    LongformerAttention,
    MultiHeadAttention,
    TransformerEncoder,
    convert_attention,
)
from tests.tools import near, to_numpy
from tests.zoo import oracle

SIZES = {
    "vocab_size": 53,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def draw(model, seed=3):
    """Moves the weights of a model off their small beginnings."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(0.2 * torch.randn(tensor.shape, generator=generator))
    return model.eval()


def as_longformer(package, roberta, window, max_length):
    """A Longformer as its authors made one from RoBERTa."""
    import torch

    entries = roberta.config.to_dict()
    entries.pop("model_type")
    entries |= {
        "max_position_embeddings": max_length + 2,
        "attention_window": window,
    }
    config = package.LongformerConfig(**entries)
    model = package.LongformerModel(config, add_pooling_layer=False)
    tensors = dict(roberta.state_dict())
    for name, tensor in list(tensors.items()):
        for part in ("query", "key", "value"):
            if f"attention.self.{part}." in name:
                copy = name.replace(f".{part}.", f".{part}_global.")
                tensors[copy] = tensor
    name = "embeddings.position_embeddings.weight"
    old = tensors[name]
    new = torch.empty(max_length + 2, old.shape[1])
    new[:2] = old[:2]
    first, step = 2, len(old) - 2
    while first < len(new):
        rows = new[first : first + step]
        rows.copy_(old[2 : 2 + len(rows)])
        first += step
    tensors[name] = new
    tensors = {n: x for n, x in tensors.items() if "position_ids" not in n}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert all("position_ids" in n or "token_type" in n for n in missing)
    return model.eval()


def test_longformer_from_roberta_is_that_of_the_published_recipe(tmp_path, rng):
    package = oracle.transformers()
    import torch

    config = package.RobertaConfig(
        **SIZES, max_position_embeddings=34, type_vocab_size=1, pad_token_id=1
    )
    roberta = draw(package.RobertaModel(config, add_pooling_layer=False))
    roberta.save_pretrained(tmp_path)
    theirs = as_longformer(package, roberta, window=8, max_length=80)
    model = convert_attention(
        TransformerEncoder.from_preset(tmp_path),
        LongformerAttention(4, window_size=4, num_global_tokens=0),
        max_length=80,
    )
    token_ids = rng.integers(2, 53, (2, 72))
    token_ids[1, 61:] = 1
    mask, marked = token_ids != 1, np.zeros((2, 72), bool)
    marked[:, [0, 5]] = True
    with torch.no_grad():
        expected = theirs(
            torch.tensor(token_ids),
            attention_mask=torch.tensor(mask.astype("int64")),
            global_attention_mask=torch.tensor(marked.astype("int64")),
        ).last_hidden_state.numpy()
    found = model(token_ids, padding_mask=mask, global_mask=marked)
    near(to_numpy(found)[mask], expected[mask])


def test_grouping_equal_heads_changes_nothing(tmp_path, rng):
    package = oracle.transformers()
    import torch

    config = package.LlamaConfig(**SIZES, num_key_value_heads=4)
    theirs = draw(package.LlamaForCausalLM(config))
    with torch.no_grad():
        for layer in theirs.model.layers:
            for name in ("k_proj", "v_proj"):
                heads = getattr(layer.self_attn, name).weight.view(2, 2, 6, 24)
                heads[:, 1] = heads[:, 0]
    theirs.save_pretrained(tmp_path)
    model = CausalLM.from_preset(tmp_path)
    grouped = convert_attention(model, MultiHeadAttention(4, num_kv_heads=2))
    assert grouped.decoder.blocks[0].attention.key_dense.kernel.shape[1] == 2
    token_ids = rng.integers(2, 53, (2, 13))
    with torch.no_grad():
        expected = theirs(torch.tensor(token_ids)).logits.numpy()
    near(grouped(token_ids), expected)
