"""Low-rank adapters of whole models."""

import math

import keras

from keras_attention.checks import check_integer, check_number, did_you_mean
from keras_attention.models.adapting.parts import (
    as_list,
    find_parts,
    named_layers,
    release,
)

ALL = "all"
_FACTORS = {
    "kernel": ("lora_kernel_a", "lora_kernel_b"),
    "embeddings": ("lora_embeddings_a", "lora_embeddings_b"),
}


def enable_lora(
    model, rank, targets=("query", "value"), *, alpha=None, train=()
):
    """Adapts a model by LoRA: it trains a few small matrices, and no more.

    A projection W of a target becomes W + alpha / rank * A B, with A of
    `(inputs, rank)` and B of `(rank, outputs)`, which is zero at first, so
    that outputs are what they were. All other weights are frozen. Call it
    before `compile`, with the model that is called: what a model around it
    has compiled before does not know the adapters.

    `save_lora` writes the adapters alone, in the format of PEFT. What saves
    or exports the whole model (`save_to_preset`, `.keras`, `to_huggingface`,
    `export`) holds the weights with the adapters folded in, as `merge_lora`
    does.

    Args:
        model: a built Keras model.
        rank: integer.
        targets: string or list of strings, projections by their names:
            `"query"`, `"key"`, `"value"`, `"output"` of attention, `"up"`,
            `"gate"`, `"down"` of feed-forward parts, `"embedding"` for the
            vectors of tokens. More of a path tells them apart,
            `"cross_attention.query"` or `"blocks.3.attention.key"`. `"all"`
            stands for all projections in blocks.
        alpha: number, by default `rank`.
        train: names of parts that are trained as a whole besides, as of
            `freeze`: `"head"`, for example. `save_lora` saves them too.

    Returns:
        The model.

    Raises:
        ValueError: for targets or parts that match nothing, a rank larger
            than a side of a projection, or a model that is adapted or
            quantized.

    Example:

    ```python
    from keras_attention import Classifier, TransformerEncoder, enable_lora

    model = Classifier(TransformerEncoder(100, 2, 32, 4), num_classes=3)
    enable_lora(model, rank=4, targets=["query", "value"], train="head")
    model.compile("adam", "sparse_categorical_crossentropy")
    ```

    Reference:
        Hu et al. 2021, LoRA: Low-Rank Adaptation of Large Language Models,
        https://arxiv.org/abs/2106.09685
    """
    rank = check_integer("rank", rank)
    if alpha is not None:
        check_number("alpha", alpha)
    check_adaptable(model)
    layers = find_targets(model, targets)
    parts = find_parts(model, train)
    _check_rank(rank, layers)
    for layer in layers.values():
        layer.enable_lora(rank, lora_alpha=alpha)
    train_only(model, [w for part in parts for w in part.weights])
    return model


def _check_rank(rank, layers):
    for path, layer in layers.items():
        sides = sides_of(layer)
        if rank > min(sides):
            raise ValueError(
                f"rank must be no larger than a side of each projection. "
                f"Received: rank={rank} for {path}, of {sides[0]} inputs and "
                f"{sides[1]} outputs"
            )


def merge_lora(model):
    """Folds the adapters of a model into its weights.

    Outputs stay what they are. The model then has the weights it had before
    `enable_lora`, with other numbers, and all of them are trainable. Compile
    it again to train it further.

    Args:
        model: a model with adapters, of `enable_lora` here or of Keras'
            layers.

    Returns:
        The model.

    Raises:
        ValueError: if it has no adapters, or an adapted layer is quantized.
    """
    layers = adapted_layers(model)
    if not layers:
        raise ValueError(f"This {type(model).__name__} has no adapters.")
    for layer in layers:
        if layer.quantization_mode is not None:
            raise ValueError(
                f"{layer.name} is quantized to {layer.quantization_mode}, and "
                "its adapters cannot be folded in. save_to_preset saves both."
            )
    for layer in layers:
        name = matrix_of(layer)
        variable_of(layer).assign(getattr(layer, name))
        for factor in _FACTORS[name]:
            layer._untrack_variable(getattr(layer, factor))
            # Keras collects garbage whenever a weight is deleted.
            setattr(layer, factor, None)
        layer.lora_enabled = False
        layer.lora_rank = layer.lora_alpha = None
    release(model)
    _forget_compiled(model)
    return model


def adapted_layers(model):
    """Lists the layers of a model that have adapters."""
    layers = model._flatten_layers()
    return [x for x in layers if getattr(x, "lora_enabled", False)]


def can_merge(model):
    """Whether a model has adapters, and none of them of a quantized layer."""
    layers = adapted_layers(model)
    return bool(layers) and not any(x.quantization_mode for x in layers)


def matrix_of(layer):
    """What Keras calls the matrix of a layer: kernel or embeddings."""
    is_embedding = isinstance(layer, keras.layers.Embedding)
    return "embeddings" if is_embedding else "kernel"


def factors_of(layer):
    """Gives the two variables of an adapter."""
    return [getattr(layer, factor) for factor in _FACTORS[matrix_of(layer)]]


def check_adaptable(model):
    """Refuses a model that is adapted or quantized already."""
    if adapted_layers(model):
        raise ValueError(
            f"This {type(model).__name__} has adapters. merge_lora(model) "
            "folds them into its weights, which further ones can adapt."
        )
    for layer in model._flatten_layers():
        if getattr(layer, "quantization_mode", None):
            raise ValueError(
                f"{layer.name} is quantized to {layer.quantization_mode}. "
                "Adapt the model before you quantize it."
            )


def variable_of(layer):
    """Gives the matrix of a layer without its adapter."""
    return getattr(layer, f"_{matrix_of(layer)}")


def projections_of(model):
    """Lists the built projections and embeddings of a model by path."""
    kinds = (
        keras.layers.Dense,
        keras.layers.EinsumDense,
        keras.layers.Embedding,
    )
    return {
        path: layer
        for path, layer in named_layers(model).items()
        if isinstance(layer, kinds) and layer.built
    }


def find_targets(model, targets):
    """Finds projections by the names of `enable_lora`.

    Returns:
        Dictionary from path to layer.
    """
    layers = projections_of(model)
    names = {_name(path): path for path in layers}
    found = {}
    for target in as_list(targets):
        chosen = {
            path: layer
            for path, layer in layers.items()
            if _matches(target, path)
        }
        if not chosen:
            ends = sorted({name.split(".")[-1] for name in names})
            raise ValueError(
                f"targets has {target!r}, which no projection of this "
                f"{type(model).__name__} is called. There are "
                f"{', '.join(ends)}, and 'all'."
                f"{did_you_mean(target, [*ends, *names])}"
            )
        found |= chosen
    if not found:
        raise ValueError(f"targets must name projections. Received: {targets}")
    return found


def _name(path):
    return path.removesuffix("_dense")


def _matches(target, path):
    if target == ALL:
        return "blocks." in path
    # Keras calls the last projection of attention so.
    target = str(target).replace("attention_output", "output")
    return f".{_name(path)}".endswith(f".{_name(target)}")


def sides_of(layer):
    """How many inputs and outputs a projection has."""
    shape = tuple(variable_of(layer).shape)
    number = getattr(layer, "num_input_axes", 1)
    return math.prod(shape[:number]), math.prod(shape[number:])


def train_only(model, weights):
    """Freezes all weights but those of adapters and some others.

    Args:
        model: the model.
        weights: list of variables.
    """
    release(model)  # a frozen layer would hide its adapters
    trainable = {id(weight) for weight in model.trainable_weights}
    layers = adapted_layers(model)
    wanted = {id(x) for layer in layers for x in factors_of(layer)}
    wanted |= {id(x) for x in weights} & trainable
    wanted -= {id(variable_of(layer)) for layer in layers}
    for weight in model.weights:
        weight.trainable = id(weight) in wanted
    _forget_compiled(model)


def _forget_compiled(model):
    """Has a model compile `fit` and `predict` anew, as `quantize` does.

    A graph of TensorFlow computes with the variables that it was traced with.
    """
    if isinstance(model, keras.Model):
        model.train_function = model.test_function = None
        model.predict_function = None
