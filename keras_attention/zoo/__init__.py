"""Published families of models: their sizes, and how their files read.

A family is one short file over parts that all share. It says how the entries
of a `config.json` of Hugging Face become arguments of a model here, and which
tensor is which weight.
"""

from keras_attention.checks import did_you_mean
from keras_attention.zoo.bert import BERT
from keras_attention.zoo.deit import DEIT
from keras_attention.zoo.distilbert import DISTILBERT
from keras_attention.zoo.gpt2 import GPT2
from keras_attention.zoo.longformer import LONGFORMER
from keras_attention.zoo.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA
from keras_attention.zoo.transformer import TRANSFORMER
from keras_attention.zoo.vit import VIT

FAMILIES = (
    BERT,
    CAMEMBERT,
    DEIT,
    DISTILBERT,
    GPT2,
    LONGFORMER,
    ROBERTA,
    TRANSFORMER,
    VIT,
    XLM_ROBERTA,
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
