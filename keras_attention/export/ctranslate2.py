"""A model for CTranslate2, an engine that generates text on CPUs."""

from keras_attention import optional
from keras_attention.checks import (
    check_integer,
    check_plain_weights,
    did_you_mean,
)
from keras_attention.export.ctranslate2_parts import norms_of, options_of
from keras_attention.export.ctranslate2_vocabulary import read_vocabulary
from keras_attention.export.ctranslate2_weights import fill_logits, fill_side
from keras_attention.files import check_folder, replacing_folder
from keras_attention.models.causal_lm import CausalLM
from keras_attention.models.encoder import TransformerEncoder
from keras_attention.models.encoder_decoder import EncoderDecoder

MODEL = "model.bin"
# What a specification of an encoder has no word for.
_OF_DECODERS = ("parallel_residual", "shared_layer_norm", "project_in_out")


def ctranslate2(
    model,
    vocabulary,
    folder,
    quantization=None,
    *,
    start_token=None,
    end_token=None,
    unknown_token=None,
    add_source_end=None,
    max_length=1024,
):
    """Writes a model as a folder that CTranslate2 loads.

    ```python
    import ctranslate2

    engine = ctranslate2.Translator("exported")  # or Generator, of a CausalLM
    engine.translate_batch([["▁a", "▁man"]], beam_size=4, max_batch_size=32)
    ```

    The folder holds weights and vocabularies; settings of the search are
    those of the call. Its scores are ours: a sum of log-probabilities over
    `length ** length_penalty`, the end token counted. What differs:

    - A search of several beams ends with as many finished hypotheses as there
      are beams, which here is `early_stopping=True`; `TextToText` goes on
      while better ones may come.
    - `max_decoding_length` counts new tokens alone, `max_length` of
      `TextToText` the start too.
    - `min_decoding_length` is 1 unless it is given: an empty result needs 0.
    - Tokens of a `target_prefix` count in the length that divides a score.

    Args:
        model: an `EncoderDecoder` or `CausalLM` of Transformers.
        vocabulary: a tokenizer or the list of its tokens by their ids, or a
            pair of those, of source and target. A vocabulary shorter than the
            model's is filled up with tokens that stand for nothing.
        folder: path. It is complete or not there at all; an earlier export in
            its place is kept until then.
        quantization: how weights are kept: `"int8"`, `"int8_float32"`,
            `"int8_float16"`, `"int8_bfloat16"`, `"int16"`, `"float16"`,
            `"bfloat16"` or `"float32"`; None for float32. The engine computes
            in what it is told when it loads them.
        start_token: token that a target begins with; by default the
            tokenizer's, or `"<s>"`.
        end_token: token that ends a text; the tokenizer's, or `"</s>"`.
        unknown_token: token for those that the vocabulary lacks; the
            tokenizer's, or `"<unk>"`.
        add_source_end: whether the engine puts the end token behind every
            source; by default where a tokenizer is given, as `TextToText`
            does.
        max_length: integer, positions for which sinusoids are kept; longer
            texts are an error there.

    Raises:
        ImportError: if the package is missing.
        ValueError: if the engine cannot compute a part of the model, which is
            named, the vocabulary does not fit, or the folder holds something
            else.

    Reference:
        https://github.com/OpenNMT/CTranslate2
    """
    package = optional.load("ctranslate2", "export.ctranslate2")
    _check_quantization(package, quantization)
    check_integer("max_length", max_length)
    check_folder(folder, MODEL)
    check_plain_weights(
        model, "which the specification of CTranslate2 cannot say"
    )
    cls = type(model)
    if cls not in (EncoderDecoder, CausalLM):
        raise ValueError(
            "model must be an EncoderDecoder or a CausalLM. Received: "
            f"{cls.__name__}"
        )
    tokens = {
        "start": start_token,
        "end": end_token,
        "unknown": unknown_token,
    }
    vocabulary = read_vocabulary(vocabulary, model, tokens, add_source_end)
    spec = _specify(package.specs, model, max_length)
    vocabulary.register(spec)
    spec.validate()
    spec.optimize(quantization=quantization)
    with replacing_folder(folder, MODEL) as partial:
        spec.save(str(partial))


def _check_quantization(package, quantization):
    known = package.specs.model_spec.ACCEPTED_MODEL_TYPES
    if quantization is not None and quantization not in known:
        raise ValueError(
            f"quantization must be None or one of {', '.join(known)}. "
            f"Received: {quantization!r}.{did_you_mean(quantization, known)}"
        )


def _specify(specs, model, max_length):
    """Makes the specification of a model, with its weights."""
    if getattr(model, "copy_generator", None) is not None:
        raise ValueError("CTranslate2 has no copy_generator, this model has.")
    sides = [model.decoder]
    if isinstance(model, EncoderDecoder):
        sides.insert(0, model.encoder)
    is_alone = len(sides) == 1
    # All are looked at before any weight is.
    options = [options_of(side, is_alone) for side in sides]
    epsilon = _epsilon(sides)
    made = [
        _side(specs, side, given, not is_alone)
        for side, given in zip(sides, options, strict=True)
    ]
    for spec, side in zip(made, sides, strict=True):
        fill_side(spec, side, max_length)
    fill_logits(made[-1], model.decoder.embedding)
    cls = specs.TransformerSpec
    if is_alone:
        cls = specs.TransformerDecoderModelSpec
    spec = cls(*made)
    spec.config.layer_norm_epsilon = epsilon
    return spec


def _side(specs, side, options, has_memory):
    """Makes the specification of a side, without weights."""
    options = dict(options)
    options["activation"] = specs.common_spec.Activation[options["activation"]]
    factor = options.pop("linear_factor", None)
    if factor is not None:
        kind = specs.attention_spec.RotaryScalingType.Linear
        options["rotary_scaling_type"] = kind
        options["rotary_scaling_factor"] = factor
    if isinstance(side, TransformerEncoder):
        options = {n: x for n, x in options.items() if n not in _OF_DECODERS}
        return specs.TransformerEncoderSpec(**options)
    return specs.TransformerDecoderSpec(
        with_encoder_attention=has_memory, **options
    )


def _epsilon(sides):
    """The epsilon of all normalizations, of which the engine has one."""
    found = {}
    for side in sides:
        for norm in sum(norms_of(side), []):
            found.setdefault(float(norm.epsilon), norm)
    if len(found) > 1:
        raise ValueError(
            "CTranslate2 has one epsilon for all normalizations of a model. "
            f"Received: {', '.join(map(str, found))}"
        )
    return next(iter(found))
