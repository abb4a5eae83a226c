"""Encoders of images."""

from tests.zoo.case import IMAGE_ENCODERS, Case

_VIT = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 31,
    "image_size": 15,
    "patch_size": 5,
    "num_labels": 3,
}
_OTHER_VIT = {
    **_VIT,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "hidden_act": "relu",
    "layer_norm_eps": 1e-3,
    "image_size": [14, 10],
    "patch_size": [7, 5],
    "num_channels": 2,
    "qkv_bias": False,
    "head_dim": 5,
}
_TEACHER = {"architectures": ["DeiTForImageClassificationWithTeacher"]}
CASES = {
    "vit": Case("vit", _VIT, IMAGE_ENCODERS, image=(15, 15, 3)),
    "vit_other": Case("vit", _OTHER_VIT, IMAGE_ENCODERS, image=(14, 10, 2)),
    "deit": Case("deit", _VIT, IMAGE_ENCODERS, image=(15, 15, 3)),
    "deit_other": Case(
        "deit", {**_OTHER_VIT, **_TEACHER}, IMAGE_ENCODERS, image=(14, 10, 2)
    ),
}
