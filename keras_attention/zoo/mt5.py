"""mT5: T5 1.1 for texts of a hundred languages."""

import dataclasses

from keras_attention.zoo.core import t5_like
from keras_attention.zoo.t5 import LATER, LATER_SIZES, T5, sizes

MT5 = dataclasses.replace(
    T5,
    name="mT5",
    paper="Xue et al. 2020, https://arxiv.org/abs/2010.11934",
    model_types=("mt5",),
    architectures={
        "EncoderDecoder": "MT5ForConditionalGeneration",
        "TransformerEncoder": "MT5EncoderModel",
    },
    sizes=sizes("mt5_", LATER_SIZES, **LATER),
    defaults={
        **T5.defaults,
        "vocab_size": 250112,
        "d_ff": 1024,
        "num_layers": 8,
        "num_heads": 6,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": True,
    },
    parts=t5_like.parts,
    in_keras_hub=False,
)
