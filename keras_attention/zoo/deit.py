"""DeiT: ViT with a second token, which learned from another model."""

from keras_attention.zoo.core import images
from keras_attention.zoo.core.family import Family

_ONE, _TWO = (
    f"DeiTForImageClassification{ending}" for ending in ("", "WithTeacher")
)


def _classifier(config):
    """The class of a classifier: with a head for each token, or for one."""
    return _TWO if _TWO in config.get("architectures", []) else _ONE


def parts(config):
    """The arguments of the models."""
    given = images.vit(config, tokens=2)
    given["classifier"]["distillation"] = _classifier(config) == _TWO
    return given


def _head(config):
    if _classifier(config) == _ONE:
        return {"dense": "classifier"}
    return {
        "dense": "cls_classifier",
        "distillation_dense": "distillation_classifier",
    }


# As they are published.
_SAID = {"architectures": [_TWO]}

DEIT = Family(
    name="DeiT",
    paper="Touvron et al. 2021, https://arxiv.org/abs/2012.12877",
    model_types=("deit",),
    architectures={
        "TransformerEncoder": "DeiTModel",
        "Classifier": _classifier,
    },
    prefix="deit",
    sizes={
        "deit_tiny": {
            **_SAID,
            "hidden_size": 192,
            "num_attention_heads": 3,
            "intermediate_size": 768,
        },
        "deit_small": {
            **_SAID,
            "hidden_size": 384,
            "num_attention_heads": 6,
            "intermediate_size": 1536,
        },
        "deit_base": _SAID,
    },
    defaults=images.VIT_DEFAULTS,
    parts=parts,
    tensors=lambda config: images.vit_tensors(config, tokens=2),
    heads={"Classifier": _head},
    changeable=("image_size",),
    passed_over=(*images.VIT_PASSED_OVER, "*_classifier.*"),
)
