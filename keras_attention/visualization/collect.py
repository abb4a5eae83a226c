"""The weights of every attention layer of a model in one pass."""

import inspect
import warnings

import keras

from keras_attention.visualization.layer_paths import unique
from keras_attention.visualization.maps import AttentionMaps
from keras_attention.visualization.recording import recording
from keras_attention.visualization.sequences import Sequences


def attention_maps(model, inputs, *, tokens=None, tokenizer=None):
    """Collects the weights of all attention layers in one forward pass.

    Neither the model nor what it computes is changed, and no dropout is
    applied. A layer that a model uses several times gets a name for each call,
    `"attention/call_2"` for the second; one that a loop uses step by step has
    all steps in one array. The arrays are as large as they look: for long
    sequences give few rows.

    Args:
        model: a layer or model that holds `Attention` layers, or a task that
            offers `attention_inputs(texts)`, which returns `(model, inputs,
            tokens)` as they are taken here: a `TextToText`, `ImageToText` or
            `SpeechToText` generates its outputs and is then fed them together
            with the inputs.
        inputs: what the model is called with: a tensor, or a dictionary of
            its named inputs; for a task, what it is called with.
        tokens: a list of strings for each row, of which a shorter one leaves
            out padding; or one list of strings for all rows, cells of a grid
            for example. For a model of two sequences a dictionary of them by
            input, `{"source_ids": ..., "target_ids": ...}`; `"outputs"`
            beside them says what each place of the target predicts and stands
            on the query side of cross-attention.
        tokenizer: a `SentencePieceTokenizer` that turns ids into tokens, in
            place of `tokens`.

    Returns:
        An `AttentionMaps`: a dictionary from a layer's path, such as
        `"decoder/block_1/cross_attention"`, to a float32 array `(batch, heads,
        query_length, key_length)`, with the tokens of both sides. Layers that
        have no weights stand in its `skipped`, and a warning names them.

    Raises:
        ValueError: if the model holds no attention layer, none of them has
            weights, or the tokens do not fit.

    Example:

    ```python
    maps = attention_maps(encoder, token_ids, tokenizer=tokenizer)
    maps["block_0/attention"].shape
    ```
    """
    if hasattr(model, "attention_inputs"):
        if tokens is not None or tokenizer is not None:
            raise ValueError(
                f"{type(model).__name__} has tokens of its own; leave out "
                "tokens and tokenizer."
            )
        model, inputs, tokens = model.attention_inputs(inputs)
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(
            "model must be a Keras layer or model, or a task with "
            f"attention_inputs. Received: {model!r}"
        )
    sequences = Sequences(model, inputs, tokens, tokenizer)
    options = {}
    if "training" in inspect.signature(model.call).parameters:
        options["training"] = False
    if not model.built:
        model(inputs, **options)  # only then it has all of its layers
    with recording(model) as made:
        model(inputs, **options)
    maps = _maps(made, sequences)
    _report(model, made, maps)
    sequences.check_used()
    return maps


def _maps(made, sequences):
    maps, counts = AttentionMaps(), {}
    for call in made.joined():
        if call.path in made.refused:
            continue
        counts[call.path] = counts.get(call.path, 0) + 1
        name = call.path
        if counts[call.path] > 1:
            name = unique(f"{name}/call_{counts[call.path]}", made.layers)
        query, key = sequences.of(call)
        maps[name] = call.weights
        maps.query_tokens[name], maps.key_tokens[name] = (
            query.tokens,
            key.tokens,
        )
        maps.query_masks[name], maps.key_masks[name] = query.mask, key.mask
        if not call.is_self and call.layer.kind != "pooling":
            maps.across.append(name)
    maps.skipped = {
        path: made.refused.get(path, "It was not called, or compiled before.")
        for path in made.layers
        if path in made.refused or path not in counts
    }
    return maps


def _report(model, made, maps):
    if not made.layers:
        raise ValueError(
            "model must hold an attention layer of keras_attention. Received: "
            f"{type(model).__name__} with none"
        )
    reasons = "; ".join(f"{path}: {why}" for path, why in maps.skipped.items())
    if not maps:
        raise ValueError(
            f"No attention layer of the model has weights to show. {reasons}"
        )
    if maps.skipped:
        warnings.warn(f"Without weights to show: {reasons}", stacklevel=3)
