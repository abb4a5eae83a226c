"""ViT: an encoder whose tokens are patches of an image."""

from keras_attention.zoo.core import images
from keras_attention.zoo.core.family import Family

VIT = Family(
    name="ViT",
    paper="Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929",
    model_types=("vit",),
    architectures={
        "TransformerEncoder": "ViTModel",
        "Classifier": "ViTForImageClassification",
    },
    prefix="vit",
    sizes={
        "vit_base": {},
        "vit_large": {
            "hidden_size": 1024,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "intermediate_size": 4096,
        },
        "vit_huge": {
            "hidden_size": 1280,
            "num_hidden_layers": 32,
            "num_attention_heads": 16,
            "intermediate_size": 5120,
            "patch_size": 14,
        },
    },
    defaults=images.VIT_DEFAULTS,
    parts=images.vit,
    tensors=images.vit_tensors,
    heads={"Classifier": {"dense": "classifier"}},
    changeable=("image_size",),
    passed_over=images.VIT_PASSED_OVER,
)
