"""What BERT and its descendants have in common."""

from keras_attention.zoo.core import arguments

DEFAULTS = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
ROBERTA_DEFAULTS = {**DEFAULTS, "pad_token_id": 1}
# What a size beyond the base one says.
LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}

EMBEDDINGS = {
    "embedding.embedding": "embeddings.word_embeddings",
    "embedding.segments": "embeddings.token_type_embeddings.weight",
    "position.table": "embeddings.position_embeddings.weight",
    "embedding_norm": "embeddings.LayerNorm",
}
TENSORS = {
    **EMBEDDINGS,
    **arguments.blocks(
        "encoder.layer.{i}.",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        output="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        up="intermediate.dense",
        down="output.dense",
        feed_forward_norm="output.LayerNorm",
    ),
}
# The heads over every token, which have the same names in all families.
OVER_TOKENS = {
    "SequenceTagger": {"dense": "classifier"},
    "SpanPredictor": {"dense": "qa_outputs"},
}
ROBERTA_HEADS = {
    "MaskedLM": arguments.masked_lm(
        transform="lm_head.dense",
        norm="lm_head.layer_norm",
        bias="lm_head.bias",
        decoder="lm_head.decoder",
    ),
    "Classifier": {
        "hidden": "classifier.dense",
        "dense": "classifier.out_proj",
    },
    **OVER_TOKENS,
}


def with_heads(start):
    """Names the classes of `transformers` over an encoder like BERT's.

    Args:
        start: what their names begin with.

    Returns:
        Dictionary from names of model classes here to those.
    """
    return {
        "TransformerEncoder": f"{start}Model",
        "MaskedLM": f"{start}ForMaskedLM",
        "Classifier": f"{start}ForSequenceClassification",
        "SequenceTagger": f"{start}ForTokenClassification",
        "SpanPredictor": f"{start}ForQuestionAnswering",
    }


def roberta(c, **changes):
    """The arguments of an encoder as RoBERTa's, and of its heads.

    Args:
        c: a `Configuration`.
        **changes: as of `arguments.bert`.

    Returns:
        Dictionary from the names of parts to their arguments.
    """
    # Positions begin behind the padding id, whose row padding has.
    offset = c.pad_token_id + 1
    position = arguments.learned(
        c,
        max_length=c.max_position_embeddings - offset,
        offset=offset,
        skips_padding=True,
    )
    given = arguments.bert(c, position=position, **changes)
    given["masked_lm"]["activation"] = "gelu"  # whatever that of the blocks
    return given
