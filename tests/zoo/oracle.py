"""Random models of `transformers`, saved as they save them, and called."""

import fnmatch

import numpy as np
import pytest

from keras_attention import zoo

NAMES = {
    "padding_mask": "attention_mask",
    "segment_ids": "token_type_ids",
    "position_ids": "position_ids",
    "global_mask": "global_attention_mask",
}


def transformers():
    """The package, or a skipped test."""
    pytest.importorskip("torch", reason="the oracle")
    return pytest.importorskip("transformers", reason="the oracle")


def make(case, kind):
    """A random model of `transformers`, all of whose weights matter.

    Args:
        case: a `Case`.
        kind: the name of a model class here.
    """
    package = transformers()
    import torch

    family = zoo.find_family(case.family)
    config = package.AutoConfig.for_model(case.family, **case.entries)
    ours = family.configuration("config.json", case.entries)
    if kind == "SpanPredictor":
        config.num_labels = 2
    name = family.architecture(kind, ours)
    model = getattr(package, name)(config).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        _untie(model, case.entries)
        for name, tensor in numbers(model):
            if not _is_fixed(name, family):
                shape = tensor.shape
                drawn = torch.randn(shape, generator=generator)
                tensor.add_(0.2 * drawn)
    return model


def numbers(model):
    """Gives the weights of a model, and what counts as one, by name."""
    yield from model.named_parameters()
    for name, buffer in model.named_buffers():
        if name == "final_logits_bias":
            yield name, buffer


def _is_fixed(name, family):
    return any(fnmatch.fnmatch(name, p) for p in family.passed_over)


def _untie(model, entries):
    """Gives T5 logits of their own, as released models have.

    A model that it makes ties them whatever is asked; one that it reads has
    those of the file.
    """
    import torch

    tied = getattr(model, "all_tied_weights_keys", {})
    is_tied = entries.get("tie_word_embeddings", True)
    if not is_tied and "lm_head.weight" in tied:
        del tied["lm_head.weight"]
        weight = model.lm_head.weight.detach().clone()
        model.lm_head.weight = torch.nn.Parameter(weight)


def call(model, ids, **inputs):
    """Calls a model; returns its hidden states or logits as NumPy."""
    import torch

    given = {
        NAMES[name]: torch.tensor(np.asarray(x).astype("int64"))
        for name, x in inputs.items()
    }
    ids = torch.tensor(ids)
    if type(model).__name__ == "LongformerForQuestionAnswering":
        # It looks for the question where nothing is marked.
        given.setdefault("global_attention_mask", torch.zeros_like(ids))
    with torch.no_grad():
        found = model(ids, **given)
    if "start_logits" in found:
        pair = found.start_logits, found.end_logits
        return torch.stack(pair, dim=-1).numpy()
    return found[0].numpy()


def call_image(model, images, **options):
    """Calls a model of images `(batch, height, width, channels)`."""
    import torch

    pixels = torch.tensor(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        return model(pixels, **options)[0].numpy()


def call_pair(model, source, target, source_mask, output="logits", **inputs):
    """Calls a model of encoder and decoder; returns its logits."""
    import torch

    given = {
        NAMES[name]: torch.tensor(x.astype("int64"))
        for name, x in inputs.items()
    }
    with torch.no_grad():
        return model(
            input_ids=torch.tensor(source),
            attention_mask=torch.tensor(source_mask.astype("int64")),
            decoder_input_ids=torch.tensor(target),
            **given,
        )[output].numpy()
