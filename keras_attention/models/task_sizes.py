"""Well-known sizes of models, by what they are for."""

import copy

from keras_attention.checks import did_you_mean

_SIZES = {
    "nlp": {
        "num_layers": 12,
        "hidden_dim": 768,
        "num_heads": 12,
        "intermediate_dim": 3072,
    },
    "vision": {
        "num_layers": 6,
        "hidden_dim": 512,
        "num_heads": 8,
        "intermediate_dim": 2048,
    },
    "long_sequence": {
        "num_layers": 12,
        "hidden_dim": 512,
        "num_heads": 8,
        "intermediate_dim": 2048,
        "attention": {
            "class_name": "sliding_window",
            "config": {"window_size": 256},
        },
    },
}


def config_for_task(task):
    """Gives the sizes of a model for a task, as its keyword arguments.

    | task | `num_layers` | `hidden_dim` | `num_heads` | `intermediate_dim` |
    | --- | --- | --- | --- | --- |
    | `"nlp"` | 12 | 768 | 12 | 3072 |
    | `"vision"` | 6 | 512 | 8 | 2048 |
    | `"long_sequence"` | 12 | 512 | 8 | 2048 |

    `"nlp"` are the sizes of BERT-base, `"vision"` those of the first
    Transformer's layers. All take exact attention but `"long_sequence"`, whose
    `attention` is a `SlidingWindowAttention` with the window of Longformer:
    256 tokens to each side. Time and memory grow with the length, and since
    every layer looks further, the last of 12 sees 3,072 tokens to each side.
    Unlike `"longformer"` it serves an encoder and a decoder alike, and unlike
    `"bigbird"` and `"sparse_transformer"` it keeps no more than the window in
    a decoder's cache. Where one token has to see all, take one of those.

    Every entry is for the caller to change:

    ```python
    encoder = TransformerEncoder(
        32_000, **{**config_for_task("nlp"), "num_layers": 4}
    )
    ```

    Args:
        task: `"nlp"`, `"vision"` or `"long_sequence"`.

    Returns:
        A new dictionary of keyword arguments of `TransformerEncoder` and
        `TransformerDecoder`.

    Raises:
        ValueError: for another task.

    Reference:
        Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805;
        Vaswani et al. 2017, Attention Is All You Need,
        https://arxiv.org/abs/1706.03762;
        Beltagy et al. 2020, Longformer, https://arxiv.org/abs/2004.05150
    """
    if not isinstance(task, str) or task not in _SIZES:
        raise ValueError(
            f"task must be one of {', '.join(_SIZES)}. Received: task={task!r}."
            f"{did_you_mean(task, _SIZES)}"
        )
    return copy.deepcopy(_SIZES[task])
