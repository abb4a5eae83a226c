"""Random models of `transformers`, saved as they save them, and called."""

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
    name = family.architecture(kind, ours)
    model = getattr(package, name)(config).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            shape = parameter.shape
            drawn = torch.randn(shape, generator=generator)
            parameter.add_(0.2 * drawn)
    return model


def call(model, ids, **inputs):
    """Calls a model; returns its hidden states or logits as NumPy."""
    import torch

    given = {
        NAMES[name]: torch.tensor(np.asarray(x).astype("int64"))
        for name, x in inputs.items()
    }
    with torch.no_grad():
        return model(torch.tensor(ids), **given)[0].numpy()


def call_image(model, images, **options):
    """Calls a model of images `(batch, height, width, channels)`."""
    import torch

    pixels = torch.tensor(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        return model(pixels, **options)[0].numpy()


def call_pair(model, source, target, source_mask, output="logits"):
    """Calls a model of encoder and decoder; returns its logits."""
    import torch

    with torch.no_grad():
        return model(
            input_ids=torch.tensor(source),
            attention_mask=torch.tensor(source_mask.astype("int64")),
            decoder_input_ids=torch.tensor(target),
        )[output].numpy()
