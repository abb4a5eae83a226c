"""Options of training that starts from a preset."""

import dataclasses
from typing import ClassVar

from keras_attention.runs.checks import UsageError, check_numbers
from keras_attention.runs.options import RunOptions

# Options that mean nothing without another: their flags, and that one.
_NEEDED = {
    "preset": (
        *("lora", "freeze", "layer_decay"),
        *("source_language", "target_language"),
    ),
    "lora": ("lora_targets", "lora_alpha"),
}
# What a preset brings along.
_FROM_NOTHING = (
    *("model", "num_layers", "hidden_dim", "num_heads", "intermediate_dim"),
    *("position", "feed_forward", "residual", "dropout", "attention_dropout"),
    *("feed_forward_dropout", "pooled_dropout", "copy", "cell"),
    *("bidirectional", "attention_order", "input_feeding", "filters"),
    *("kernel_sizes", "patch_size", "patch_stride", "vocabulary_size"),
    *("joint_vocabulary", "subwords", "lowercase", "word_vectors"),
    "frozen_vectors",
)


@dataclasses.dataclass
class TuningOptions(RunOptions):
    """What fine-tuning can be told beside what all training can."""

    preset: str = ""
    """What to start from, tokenizer included: a folder of Hugging Face, a
    finished run, the task or model of one, or hf://OWNER/NAME. Other defaults
    hold then: 3 epochs, --learning-rate 0.00005 (0.0005 with --lora),
    --schedule linear, --warmup-steps 0, --weight-decay 0.01, the attention of
    the preset, and 0.999 for Adam's second moment."""
    lora: int = 0
    """Rank of low-rank adapters, which are then all that is trained besides
    the head; 0 for none. Needs --preset, as do the next four."""
    lora_targets: tuple[str, ...] = ("query", "value")
    """Projections that get them: query, key, value, output, up, gate, down or
    all, or one of a path such as cross_attention.query."""
    lora_alpha: float = 0.0
    """Scale of what they add, over the rank; 0: as large as the rank."""
    freeze: tuple[str, ...] = ()
    """Parts that are not trained: embedding, encoder, blocks.0-5, "all but
    head" and so on."""
    layer_decay: float = 1.0
    """Factor of the learning rate from each block to the one before it."""

    # In place of the defaults above where there is a preset.
    tuned: ClassVar[dict] = {
        "attention": "",  # as in the preset
        "copy": False,
        "epochs": 3,
        "learning_rate": 5e-5,
        "schedule": "linear",
        "warmup_steps": 0,
        "weight_decay": 0.01,
    }
    tuned_by_lora: ClassVar[dict] = {"learning_rate": 5e-4}

    def other_defaults(self):
        """Gives the defaults that hold instead, because of other options.

        Returns:
            Dictionary, empty where all are as they are.
        """
        if not self.preset:
            return {}
        found = {**self.tuned, **(self.tuned_by_lora if self.lora else {})}
        known = {field.name for field in dataclasses.fields(self)}
        return {name: found[name] for name in found if name in known}


def check_tuning(config):
    """Refuses options that do not go with a preset, or not without one.

    Args:
        config: the options of training (`TuningOptions`).

    Raises:
        UsageError: for the first such option.
    """
    defaults = {x.name: x.default for x in dataclasses.fields(config)}
    defaults.update(config.other_defaults())

    def is_given(name):
        return name in defaults and getattr(config, name) != defaults[name]

    for needed, names in _NEEDED.items():
        for name in filter(is_given, names):
            if not getattr(config, needed):
                raise UsageError(f"{_flag(name)} needs {_flag(needed)}.")
    check_numbers(config, "lora", at_least=0)
    check_numbers(config, "lora_alpha", at_least=0, below=float("inf"))
    if not 0 < config.layer_decay <= 1:
        raise UsageError(
            "--layer-decay must be above 0 and at most 1. Received: "
            f"{config.layer_decay}"
        )
    if config.lora and config.freeze:
        raise UsageError(
            "--freeze says nothing with --lora, which freezes all but its "
            "adapters and the head."
        )
    if not config.preset:
        return
    if getattr(config, "inputs", "text") != "text":
        raise UsageError(
            f"--preset starts from a model of text, not of --inputs "
            f"{config.inputs}."
        )
    for name in filter(is_given, _FROM_NOTHING):
        raise UsageError(
            f"{_flag(name)} is of a model from nothing; that of --preset "
            "brings its own."
        )


def without_meaning(config):
    """Names the options that say nothing of a run, because of others.

    Args:
        config: the options of training.

    Returns:
        Set of strings.
    """
    if not hasattr(config, "preset"):
        return set()
    found = set(_FROM_NOTHING if config.preset else ())
    for needed, names in _NEEDED.items():
        if not getattr(config, needed):
            found.update(names)
    return found


def _flag(name):
    return f"--{name.replace('_', '-')}"
