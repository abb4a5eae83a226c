"""Published families of models: their sizes, and how their files read.

A family is one short file over parts that all share. It says how the entries
of a `config.json` of Hugging Face become arguments of a model here, and which
tensor is which weight.
"""

from keras_attention.checks import did_you_mean
from keras_attention.zoo.bert import BERT
from keras_attention.zoo.gpt2 import GPT2
from keras_attention.zoo.llama import LLAMA
from keras_attention.zoo.mistral import MISTRAL
from keras_attention.zoo.opt import OPT
from keras_attention.zoo.phi3 import PHI3
from keras_attention.zoo.qwen2 import QWEN2
from keras_attention.zoo.qwen3 import QWEN3
from keras_attention.zoo.smollm3 import SMOLLM3

FAMILIES = (
    BERT,
    GPT2,
    LLAMA,
    MISTRAL,
    OPT,
    PHI3,
    QWEN2,
    QWEN3,
    SMOLLM3,
)


def find_family(model_type):
    """Finds a family by the `model_type` of a `config.json`.

    Args:
        model_type: string.

    Returns:
        A `Family`.

    Raises:
        ValueError: for one that is not known, with the nearest that is.
    """
    known = {name: f for f in FAMILIES for name in f.model_types}
    if model_type not in known:
        raise ValueError(
            f"Unknown model_type: {model_type!r}. Known are "
            f"{', '.join(sorted(known))}.{did_you_mean(model_type, known)}"
        )
    return known[model_type]


def sizes():
    """Lists the published sizes.

    Returns:
        Dictionary from name to `Family`.
    """
    return {name: family for family in FAMILIES for name in family.sizes}
