"""GPT-2: a decoder that learned to go on with texts of the web."""

from keras_attention.zoo.core import arguments
from keras_attention.zoo.core.family import Family


def parts(config):
    """The arguments of the models."""
    config.refuse_unless(
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        add_cross_attention=False,
    )
    return arguments.decoder(
        config,
        position=arguments.learned(config),
        normalization=arguments.layer_norm(config),
    )


GPT2 = Family(
    name="GPT-2",
    paper="Radford et al. 2019, Language Models are Unsupervised Multitask "
    "Learners",
    model_types=("gpt2",),
    prefix="transformer",
    sizes={
        "gpt2": {},
        "gpt2_medium": {"n_embd": 1024, "n_layer": 24, "n_head": 16},
        "gpt2_large": {"n_embd": 1280, "n_layer": 36, "n_head": 20},
        "gpt2_xl": {"n_embd": 1600, "n_layer": 48, "n_head": 25},
    },
    names={
        "n_embd": "hidden_size",
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_inner": "intermediate_size",
        "n_positions": "max_position_embeddings",
        "activation_function": "hidden_act",
        "layer_norm_epsilon": "layer_norm_eps",
        "resid_pdrop": "hidden_dropout_prob",
        "attn_pdrop": "attention_probs_dropout_prob",
    },
    defaults={
        "vocab_size": 50257,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "n_positions": 1024,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "resid_pdrop": 0.1,
        "attn_pdrop": 0.1,
        "tie_word_embeddings": True,
    },
    parts=parts,
    tensors={
        "embedding.embedding": "wte",
        "position.table": "wpe.weight",
        "final_norm": "ln_f",
        **arguments.fused(
            "h.{i}.attn.c_attn", "query", "key", "value", transposed=True
        ),
        **arguments.blocks(
            "h.{i}.",
            transposed=True,
            output="attn.c_proj",
            attention_norm="ln_1",
            up="mlp.c_fc",
            down="mlp.c_proj",
            feed_forward_norm="ln_2",
        ),
    },
    **arguments.causal_lm("GPT2Model", "GPT2LMHeadModel"),
)
