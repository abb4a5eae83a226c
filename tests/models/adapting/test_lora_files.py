"""Adapters read from and written for the PEFT package."""

import json

import numpy as np
import pytest

from keras_attention import (
    CausalLM,
    Classifier,
    enable_lora,
    load_lora,
    merge_lora,
    save_lora,
)
from keras_attention.models.adapting.lora import adapted_layers, factors_of
from tests.models import small
from tests.tools import near, to_numpy
from tests.zoo import oracle

SIZES = {
    "vocab_size": 53,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GPT2 = {"vocab_size": 53, "n_embd": 24, "n_layer": 2, "n_head": 4}
# Class of `transformers`, its configuration, the class here, and an adapter.
CASES = {
    "llama": (
        "LlamaForCausalLM",
        {**SIZES, "num_key_value_heads": 2},
        CausalLM,
        {
            "target_modules": "all-linear",
            "use_rslora": True,
            "rank_pattern": {"q_proj": 2},
            "alpha_pattern": {"layers.1.mlp.up_proj": 7},
            "task_type": "CAUSAL_LM",
        },
    ),
    "bert": (
        "BertForSequenceClassification",
        SIZES,
        Classifier,
        {"target_modules": ["query", "value"], "task_type": "SEQ_CLS"},
    ),
    "bert by a pattern": (
        "BertForSequenceClassification",
        SIZES,
        Classifier,
        {"target_modules": r".*layer\.1\..*(key|intermediate\.dense)"},
    ),
    "gpt2": (
        "GPT2LMHeadModel",
        GPT2,
        CausalLM,
        {"target_modules": ["c_attn", "c_fc"], "fan_in_fan_out": True},
    ),
}


def draw(model, share=""):
    """Moves what a model is made of, or its adapters, off the beginnings."""
    import torch

    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if share in name:
                drawn = torch.randn(tensor.shape, generator=generator)
                tensor.add_(0.2 * drawn)
    return model.eval()


@pytest.fixture
def peft():
    oracle.transformers()
    return pytest.importorskip("peft", reason="the oracle")


@pytest.fixture
def base(request, peft, tmp_path):
    """The class of `transformers`, that of here, and a folder for both."""
    package = oracle.transformers()
    name, entries, cls, _ = CASES[getattr(request, "param", "gpt2")]
    theirs = getattr(package, name)
    folder = tmp_path / "base"
    draw(theirs(theirs.config_class(**entries))).save_pretrained(folder)
    return theirs, cls, folder


def outputs(model, token_ids):
    import torch

    with torch.no_grad():
        return model(torch.tensor(token_ids)).logits.numpy()


@pytest.mark.full
@pytest.mark.parametrize(
    ("base", "options"),
    [(name, case[3]) for name, case in CASES.items()],
    ids=CASES,
    indirect=["base"],
)
def test_adapters_of_peft_are_read_and_written(
    peft, base, options, tmp_path, rng
):
    theirs, cls, folder = base
    config = peft.LoraConfig(r=3, lora_alpha=5, lora_dropout=0.1, **options)
    adapted = peft.get_peft_model(theirs.from_pretrained(folder), config)
    draw(adapted, "lora_").save_pretrained(tmp_path / "adapters")
    token_ids = rng.integers(2, 53, (2, 13))
    expected = outputs(adapted, token_ids)
    model = load_lora(cls.from_preset(folder), tmp_path / "adapters")
    near(model(token_ids), expected)
    save_lora(model, tmp_path / "again")
    again = theirs.from_pretrained(folder)
    again = peft.PeftModel.from_pretrained(again, tmp_path / "again").eval()
    near(outputs(again, token_ids), expected)
    # The whole model has them folded in.
    model.to_huggingface(tmp_path / "merged")
    merged = theirs.from_pretrained(tmp_path / "merged")
    near(outputs(merged, token_ids), expected)
    near(merge_lora(model)(token_ids), expected)


@pytest.mark.full
@pytest.mark.parametrize("base", ["gpt2", "bert"], indirect=True)
def test_adapters_trained_here_are_those_of_peft(peft, base, tmp_path, rng):
    theirs, cls, folder = base
    model = cls.from_preset(folder)
    train = "head" if cls is Classifier else ()
    # The keys of GPT-2 are a third of a module whose rest is adapted.
    enable_lora(model, 2, ["query", "value", "up"], alpha=3, train=train)
    for layer in adapted_layers(model):
        for factor in factors_of(layer):
            factor.assign(0.3 * rng.normal(size=factor.shape))
    if train:
        model.dense.bias.assign([0.5, -0.5])
    save_lora(model, tmp_path / "adapters")
    adapted = theirs.from_pretrained(folder)
    adapted = peft.PeftModel.from_pretrained(adapted, tmp_path / "adapters")
    token_ids = rng.integers(2, 53, (2, 13))
    near(outputs(adapted.eval(), token_ids), model(token_ids))
    found = load_lora(cls.from_preset(folder), tmp_path / "adapters")
    near(found(token_ids), model(token_ids))


@pytest.fixture
def saved(rng, tmp_path):
    """A folder of adapters, and a model that it fits."""
    model = enable_lora(small.encoder(rng), 2)
    save_lora(model, tmp_path)
    return tmp_path, merge_lora(model)


def change(folder, **entries):
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, **entries}))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"use_dora": True}, "use_dora=True"),
        ({"peft_type": "IA3"}, "peft_type 'LORA'. Received: 'IA3'"),
        ({"bias": "all"}, "bias='all'.*has to be 'none'"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
        ({"lora_alpha": "8"}, "lora_alpha in .* must be a number"),
        ({"rank_pattern": [1]}, "rank_pattern in .* must map"),
    ],
)
def test_other_adapters_are_refused_by_name(saved, entries, message):
    folder, model = saved
    change(folder, **entries)
    with pytest.raises(ValueError, match=message):
        load_lora(model, folder)
    assert not adapted_layers(model)


def test_adapters_that_do_not_fit_leave_the_model_as_it_was(saved, rng):
    folder, model = saved
    other = small.encoder(rng, hidden_dim=6, num_heads=3)
    with pytest.raises(
        ValueError, match=r"query_dense of the shapes \(2, 12\)"
    ):
        load_lora(other, folder)
    with pytest.raises(ValueError, match="'blocks.1.attention.query_dense'"):
        load_lora(small.encoder(rng, num_layers=1), folder)
    assert not adapted_layers(other)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ValueError, match="safetensors is missing.*run code"):
        load_lora(model, folder)


def test_another_alpha_is_another_scale(saved, rng):
    folder, model = saved
    layer = load_lora(model, folder).blocks[0].attention.query_dense
    before = to_numpy(layer.lora_kernel_b)
    assert layer.lora_alpha / layer.lora_rank == 1.0 and not before.any()
    merge_lora(model)
    change(folder, lora_alpha=6, use_rslora=True, alpha_pattern={"value_.*": 8})
    block = load_lora(model, folder).blocks[0].attention
    scales = [
        layer.lora_alpha / layer.lora_rank
        for layer in (block.query_dense, block.value_dense)
    ]
    near(scales, np.array([6, 8]) / np.sqrt(2))


UNTIED = {
    "llama": ("embed_tokens", "q_proj"),
    "bert": ("word_embeddings", "query"),
}


@pytest.mark.full
@pytest.mark.parametrize("base", UNTIED, indirect=True)
def test_adapters_of_embeddings_are_read_and_written(
    peft, base, tmp_path, rng, request
):
    theirs, cls, folder = base
    name = request.node.callspec.params["base"]
    config = peft.LoraConfig(r=3, lora_alpha=5, target_modules=[*UNTIED[name]])
    adapted = peft.get_peft_model(theirs.from_pretrained(folder), config)
    draw(adapted, "lora_").save_pretrained(tmp_path / "adapters")
    token_ids = rng.integers(2, 53, (2, 13))
    expected = outputs(adapted, token_ids)
    model = load_lora(cls.from_preset(folder), tmp_path / "adapters")
    near(model(token_ids), expected)
    assert len(model.trainable_weights) == 2 * (1 + 2)
    save_lora(model, tmp_path / "again")
    again = theirs.from_pretrained(folder)
    again = peft.PeftModel.from_pretrained(again, tmp_path / "again").eval()
    near(outputs(again, token_ids), expected)
    near(merge_lora(model)(token_ids), expected)


@pytest.fixture
def tied(base):
    """The same of Llama with logits of the embedding's matrix."""
    theirs, cls, folder = base
    config = theirs.config_class(**CASES["llama"][1], tie_word_embeddings=True)
    draw(theirs(config)).save_pretrained(folder)
    return base


@pytest.mark.full
@pytest.mark.parametrize("base", ["gpt2", "llama"], indirect=True)
def test_adapters_of_an_embedding_trained_here_are_those_of_peft(
    peft, base, tmp_path, rng, request
):
    theirs, cls, folder = base
    if "llama" in request.node.callspec.id:
        request.getfixturevalue("tied")
    model = enable_lora(cls.from_preset(folder), 2, ["embedding", "query"])
    for layer in adapted_layers(model):
        for factor in factors_of(layer):
            factor.assign(0.3 * rng.normal(size=factor.shape))
    save_lora(model, tmp_path / "adapters")
    token_ids = rng.integers(2, 53, (2, 13))
    expected = model(token_ids)
    adapted = theirs.from_pretrained(folder)
    adapted = peft.PeftModel.from_pretrained(adapted, tmp_path / "adapters")
    near(outputs(adapted.eval(), token_ids), expected)
    adapted.save_pretrained(tmp_path / "again")
    for name in ("adapters", "again"):
        found = load_lora(cls.from_preset(folder), tmp_path / name)
        near(found(token_ids), expected)
    change(tmp_path / "adapters", ensure_weight_tying=False)
    with pytest.raises(ValueError, match="ensure_weight_tying has to be true"):
        load_lora(cls.from_preset(folder), tmp_path / "adapters")
