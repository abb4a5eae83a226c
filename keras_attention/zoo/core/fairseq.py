"""What models that were first written in fairseq share: their names."""

from keras_attention.zoo.core.gated_decoder import ATTENTION

# What `arguments` calls entries of these families.
NAMES = {
    "activation_function": "hidden_act",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}
# The modules of a block, as of `arguments.blocks`.
BLOCK = {
    **ATTENTION,
    "output": "self_attn.out_proj",
    "attention_norm": "self_attn_layer_norm",
    "up": "fc1",
    "down": "fc2",
    "feed_forward_norm": "final_layer_norm",
}
