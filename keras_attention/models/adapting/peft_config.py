"""What an `adapter_config.json` of PEFT asks for."""

import math
import re

from keras_attention.checks import is_real

# Entries that make something else of the update, and what they are without.
_UNKNOWN = {
    "use_dora": (False, None),
    "use_qalora": (False, None),
    "lora_bias": (False, None),
    "alora_invocation_tokens": (None,),
    "arrow_config": (None,),
    "layer_replication": (None,),
    "trainable_token_indices": (None,),
    "target_parameters": (None, []),
    "use_bdlora": (None, False),
    "bias": ("none", None),
    # Others change the weights of the base model.
    "init_lora_weights": (True, False, None, "gaussian", "eva", "orthogonal"),
}


def check_config(config, path):
    """Refuses adapters of another kind than LoRA.

    Args:
        config: what the file holds.
        path: the file.

    Raises:
        ValueError: for them, with the entry that says so.
    """
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        kind = config.get("peft_type") if isinstance(config, dict) else config
        raise ValueError(
            f"{path} must describe adapters of peft_type 'LORA'. "
            f"Received: {kind!r}"
        )
    for name, known in _UNKNOWN.items():
        value = config.get(name)
        if not any(
            value == x and type(value) is type(x) for x in (*known, None)
        ):
            raise ValueError(
                f"{path} has {name}={value!r}, for which there is no layer "
                f"here; it has to be {known[0]!r}."
            )
    for name in ("rank_pattern", "alpha_pattern"):
        if not isinstance(config.get(name) or {}, dict):
            raise ValueError(
                f"{name} in {path} must map names of modules to numbers. "
                f"Received: {config[name]!r}"
            )
    alphas = [config.get("lora_alpha", 8)]
    alphas += (config.get("alpha_pattern") or {}).values()
    for alpha in alphas:
        if not is_real(alpha):
            raise ValueError(
                f"lora_alpha in {path} must be a number. Received: {alpha!r}"
            )


def scale_of(config, name, rank):
    """The factor of a module's update: alpha / rank, or as of rsLoRA.

    Args:
        config: the content of the file.
        name: of the module.
        rank: integer.

    Returns:
        A float.

    Reference:
        Kalajdzievski 2023, https://arxiv.org/abs/2312.03732 (rsLoRA)
    """
    alpha = config.get("lora_alpha", 8)
    for pattern, value in (config.get("alpha_pattern") or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            alpha = value
            break
    root = math.sqrt(rank) if config.get("use_rslora") else rank
    return alpha / root
