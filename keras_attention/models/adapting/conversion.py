"""A trained model with another flavour of attention."""

import warnings

from keras_attention.checks import check_integer
from keras_attention.models.adapting import flavours, lengths
from keras_attention.models.causal_lm import CausalLM
from keras_attention.models.classifier import Classifier
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.models.masked_lm import MaskedLM
from keras_attention.models.sequence_tagger import SequenceTagger
from keras_attention.models.transformer import Transformer

_PARTS = {
    CausalLM: "decoder",
    Classifier: "encoder",
    EncoderDecoder: "encoder",
    MaskedLM: "encoder",
    SequenceTagger: "encoder",
}


def convert_attention(model, attention, position=None, max_length=None):
    """Makes a model with another flavour of attention from a trained one.

    The weights are those of the given model, which stays as it is. What both
    flavours know (heads, biases, dropout, `qk_norm`, `scale` and the like)
    carries over unless `attention` says otherwise. So do the weights:

    - Projections are copied, those of Longformer's global tokens from the
      others (Beltagy et al. 2020).
    - With a smaller `num_kv_heads`, key and value heads that become one are
      averaged (Ainslie et al. 2023); with a larger one they are repeated.
    - A flavour with further weights, or without a place for one of the model,
      is refused.

    From one to another of `multi_head`, `sliding_window`, `longformer`,
    `bigbird`, `block_sparse` and `sparse_transformer` the outputs are the
    same wherever the new flavour sees all that the old one saw. Others,
    `linear` for example, compute something else with the same projections:
    a warning says that the model has to be trained further.

    Args:
        model: a `TransformerEncoder`, `TransformerDecoder`, `MaskedLM`,
            `CausalLM`, `SequenceTagger`, `SpanPredictor`, `Classifier` over a
            `TransformerEncoder`, or an `EncoderDecoder`, whose encoder is
            converted; cross-attention stays as it is.
        attention: name, configuration or template, or a list that is cycled
            over the blocks; None to leave the attention as it is.
        position: a positional encoding in place of the model's. Its weights
            are fresh unless it is of the same class.
        max_length: integer, how many tokens the model is to read. Learned
            positions are copied again and again, behind the rows of their
            offset, as Longformer was made from RoBERTa. Rotary positions that
            had no scaling get YaRN (Peng et al. 2023), which needs the least
            further training and goes with a cache; the factor of another
            scaling is multiplied. The length of training is then that of
            `max_position_embeddings` in the `config.json` of a published
            model. Encodings without a limit stay as they are.

    Returns:
        A model of the same class and dtype. It is not compiled, all of it is
        trainable, and no longer of a published family: `save_to_preset`
        saves it, `to_huggingface` does not.

    Raises:
        ValueError: for a model without a Transformer, or one that is
            quantized or adapted by LoRA; for weights that do not carry over;
            or if positions cannot reach `max_length`.

    Example:

    ```python
    from keras_attention import (
        SlidingWindowAttention, TransformerEncoder, convert_attention,
    )

    encoder = TransformerEncoder.from_preset("hf://FacebookAI/roberta-base")
    longer = convert_attention(
        encoder,
        SlidingWindowAttention(num_heads=12, window_size=256),
        max_length=4096,
    )
    ```

    Reference:
        Beltagy et al. 2020, Longformer, https://arxiv.org/abs/2004.05150;
        Ainslie et al. 2023, GQA, https://arxiv.org/abs/2305.13245;
        Peng et al. 2023, YaRN, https://arxiv.org/abs/2309.00071
    """
    part = _find_transformer(model)
    _refuse_other_weights(model)
    if max_length is not None:
        check_integer("max_length", max_length)
        if position is not None:
            raise ValueError(
                "max_length extends the positions of the model; a position "
                "of its own says itself how long it is. Received: "
                f"max_length={max_length}, position={position!r}"
            )
    config = part.get_config()
    if attention is not None:
        config["attention"] = flavours.describe_new(part, attention)
    if position is not None:
        config["position"] = position
    elif max_length is not None:
        entries = getattr(model, "published", None) or {}
        known = entries.get("max_position_embeddings")
        config["position"] = lengths.lengthened(part, max_length, known)
    converted = _rebuild(model, part, config)
    new_part = _find_transformer(converted)
    _copy_weights(model, converted, part, new_part)
    changed = flavours.carry_all(part, new_part)
    changed += lengths.carry_all(part, new_part)
    if changed:
        warnings.warn(
            f"{' '.join(changed)} Train the model further before you use it.",
            stacklevel=2,
        )
    return converted


def _find_transformer(model):
    """The Transformer of a model whose attention is converted."""
    names = [name for cls, name in _PARTS.items() if isinstance(model, cls)]
    part = getattr(model, names[0]) if names else model
    if not isinstance(part, Transformer):
        inner = f" over a {type(part).__name__}" if names else ""
        raise ValueError(
            "convert_attention takes a TransformerEncoder or a "
            "TransformerDecoder, or a MaskedLM, CausalLM, Classifier, "
            "SequenceTagger, SpanPredictor or EncoderDecoder of one."
            f" Received: {type(model).__name__}{inner}"
        )
    return part


def _refuse_other_weights(model):
    for layer in model._flatten_layers():
        if getattr(layer, "lora_enabled", False):
            raise ValueError(
                f"{layer.name} is adapted by LoRA; merge_lora(model) folds "
                "the adapters into the weights, which are then converted."
            )
        if getattr(layer, "quantization_mode", None):
            raise ValueError(
                f"{layer.name} is quantized to {layer.quantization_mode}. "
                "Convert the model before you quantize it."
            )


def _rebuild(model, part, config):
    """Makes a model as another, with a new configuration of its part."""
    config.pop("published", None)
    new = type(part).from_config(config)
    if part is model:
        return new
    outer = model.get_config()
    outer.pop("published", None)
    name = next(n for cls, n in _PARTS.items() if isinstance(model, cls))
    return type(model).from_config({**outer, name: new})


def _copy_weights(old, new, old_part, new_part):
    """Copies all weights but those of attention and positions.

    The rest of both models is the same, and so is its order.
    """
    pairs = zip(_rest(old, old_part), _rest(new, new_part), strict=True)
    for source, target in pairs:
        target.assign(source)


def _rest(model, part):
    layers = [block.attention for block in part.blocks]
    layers += lengths.encodings_of(part)
    left_out = {id(w) for layer in layers for w in layer.weights}
    return [w for w in model.weights if id(w) not in left_out]
