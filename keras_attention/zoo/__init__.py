"""Published families of models: their sizes, and how their files read.

A family is one short file over parts that all share. It says how the entries
of a `config.json` of Hugging Face become arguments of a model here, and which
tensor is which weight.
"""

from keras_attention.checks import did_you_mean
from keras_attention.zoo.bart import BART
from keras_attention.zoo.bert import BERT
from keras_attention.zoo.deit import DEIT
from keras_attention.zoo.distilbert import DISTILBERT
from keras_attention.zoo.gpt2 import GPT2
from keras_attention.zoo.led import LED
from keras_attention.zoo.llama import LLAMA
from keras_attention.zoo.longformer import LONGFORMER
from keras_attention.zoo.m2m_100 import M2M_100
from keras_attention.zoo.marian import MARIAN
from keras_attention.zoo.mbart import MBART
from keras_attention.zoo.mistral import MISTRAL
from keras_attention.zoo.mt5 import MT5
from keras_attention.zoo.opt import OPT
from keras_attention.zoo.pegasus import PEGASUS
from keras_attention.zoo.phi3 import PHI3
from keras_attention.zoo.qwen2 import QWEN2
from keras_attention.zoo.qwen3 import QWEN3
from keras_attention.zoo.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA
from keras_attention.zoo.smollm3 import SMOLLM3
from keras_attention.zoo.t5 import T5
from keras_attention.zoo.transformer import TRANSFORMER
from keras_attention.zoo.vit import VIT

FAMILIES = (
    TRANSFORMER,
    BERT,
    ROBERTA,
    XLM_ROBERTA,
    CAMEMBERT,
    DISTILBERT,
    LONGFORMER,
    GPT2,
    OPT,
    LLAMA,
    MISTRAL,
    QWEN2,
    QWEN3,
    SMOLLM3,
    PHI3,
    T5,
    MT5,
    BART,
    MBART,
    MARIAN,
    PEGASUS,
    M2M_100,
    LED,
    VIT,
    DEIT,
)


def find_family(model_type, name="config.json"):
    """Finds a family by the `model_type` of a `config.json`.

    Args:
        model_type: string.
        name: what the file is called in the error message.

    Returns:
        A `Family`.

    Raises:
        ValueError: for one that is not known, with the nearest that is.
    """
    known = {name: f for f in FAMILIES for name in f.model_types}
    if not isinstance(model_type, str) or model_type not in known:
        raise ValueError(
            f"Unknown model_type in {name}: {model_type!r}. Known are "
            f"{', '.join(sorted(known))}.{did_you_mean(model_type, known)}"
        )
    return known[model_type]


def sizes():
    """Lists the published sizes.

    Returns:
        Dictionary from name to `Family`.
    """
    return {name: family for family in FAMILIES for name in family.sizes}
