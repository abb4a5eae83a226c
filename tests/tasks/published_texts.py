"""Tiny models of `transformers` with tokenizers, as publishers save them."""

import json

import numpy as np
import pytest

from tests.data.tokenizers import folders
from tests.zoo import oracle

LABELS = ["bad", "gut", "naïve"]
SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 30,
    "max_position_embeddings": 66,
    "initializer_range": 0.4,
}
TEXTS = [
    "the cat",
    " THE   CAT sat",
    "größer Ça va",
    "你好 kamito 😀",
    "[CLS] the [SEP] [PAD] cat",
    "",
    "the" * 20,
]


def make(folder, kind, family="bert", labels=LABELS):
    """Writes a folder and returns the model and the tokenizer of it.

    Args:
        folder: path.
        kind: what the name of the class of the model ends with, such as
            `"Model"` or `"ForMaskedLM"`.
        family: `"bert"` with WordPiece, or `"roberta"` or `"longformer"` with
            byte-level BPE.
        labels: list of strings, the names of the classes where there are any.
    """
    package = oracle.transformers()
    import torch

    if family == "bert":
        folders.word_piece(folder)
        name, options = "Bert", {}
    else:
        folders.byte_level(folder, "Roberta")
        name, options = "Roberta", {"type_vocab_size": 1, "pad_token_id": 1}
    if family == "longformer":
        name, options = "Longformer", {**options, "attention_window": 8}
    tokenizer = package.AutoTokenizer.from_pretrained(folder)
    if kind.endswith("Classification"):
        options["id2label"] = dict(enumerate(labels))
        options["label2id"] = {x: i for i, x in enumerate(labels)}
    torch.manual_seed(5)
    config = getattr(package, f"{name}Config")(
        vocab_size=len(tokenizer), **SIZES, **options
    )
    model = getattr(package, f"{name}{kind}")(config).eval()
    model.save_pretrained(folder)
    return model, tokenizer


def pipeline(task, model, tokenizer, **arguments):
    """The pipeline of `transformers`, on one thread of the processor."""
    return oracle.transformers().pipeline(
        task, model=model, tokenizer=tokenizer, device="cpu", **arguments
    )


def write_dense(folder, inputs, outputs, activation, bias=True):
    """Writes a module Dense of Sentence Transformers; gives its arrays."""
    safetensors = pytest.importorskip("safetensors.numpy", reason="its format")
    generator = np.random.default_rng(outputs)
    arrays = {"linear.weight": generator.normal(size=(outputs, inputs))}
    if bias:
        arrays["linear.bias"] = generator.normal(size=outputs)
    arrays = {name: x.astype("float32") for name, x in arrays.items()}
    folder.mkdir(exist_ok=True)
    safetensors.save_file(arrays, folder / "model.safetensors")
    config = {
        "in_features": inputs,
        "out_features": outputs,
        "bias": bias,
        "activation_function": activation,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return [*arrays.values()]


def write_modules(folder, *others, pooling=(), **configs):
    """Adds what Sentence Transformers says of a model.

    Args:
        folder: `pathlib.Path`.
        *others: names of modules behind the pooling.
        pooling: names of entries of the pooling that are set.
        **configs: contents of `sentence_bert_config.json` (`inputs`) and
            `config_sentence_transformers.json` (`prompts`).
    """
    kinds = ["Transformer", "Pooling", *others]
    paths = ["", *(f"{i}_{x}" for i, x in enumerate(kinds) if i)]
    modules = [
        {"idx": i, "path": path, "type": f"sentence_transformers.models.{x}"}
        for i, (path, x) in enumerate(zip(paths, kinds, strict=True))
    ]
    entries = {f"pooling_mode_{name}": True for name in pooling}
    contents = {
        "modules.json": modules,
        "1_Pooling/config.json": {"pooling_mode_max_tokens": False, **entries},
        "sentence_bert_config.json": configs.get("inputs", {}),
        "config_sentence_transformers.json": configs.get("prompts", {}),
    }
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
