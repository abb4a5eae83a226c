"""Parts of a model that training leaves as they are."""

from keras_attention.models.adapting.parts import (
    as_list,
    find_parts,
    own_weights,
)

_ALL_BUT = "all but "


def freeze(model, parts):
    """Freezes parts of a model: training leaves their weights as they are.

    Call it before `compile`. What was frozen before stays so; to free all of
    it, set `model.trainable` to False and then to True. Dropout acts in
    frozen parts as well. A matrix of tokens that makes the logits too is a
    part of the embedding.

    Args:
        model: a Keras model.
        parts: string or list of strings. A part is named by the attributes
            that lead to it, or the last of them: `"encoder"`, `"embedding"`,
            `"blocks"`, `"blocks.0"`, `"blocks.0-5"` (the first six),
            `"attention"` (of all blocks), `"decoder.blocks.3.feed_forward"`;
            `"head"` is what stands behind an encoder or decoder. `"all"`
            is the whole, and `"all but head"` or another name what is not
            that part.

    Returns:
        The model.

    Raises:
        ValueError: for a part that the model does not have.

    Example:

    ```python
    from keras_attention import Classifier, TransformerEncoder, freeze

    model = Classifier(TransformerEncoder(100, 4, 32, 4), num_classes=3)
    freeze(model, ["embedding", "blocks.0-1"])
    model.compile("adam", "sparse_categorical_crossentropy")
    ```
    """
    parts = as_list(parts)
    frozen, kept = [], []
    for part in parts:
        if isinstance(part, str) and part.startswith(_ALL_BUT):
            kept.append(find_parts(model, part.removeprefix(_ALL_BUT)))
        elif part != "all":
            frozen += find_parts(model, part)
    # All names are known: nothing is half frozen.
    if "all" in parts:
        model.trainable = False
    for layer in frozen:
        layer.trainable = False
    for layers in kept:
        _freeze_around(model, {id(layer) for layer in layers})
    return model


def _freeze_around(layer, kept):
    """Freezes a layer but for those in it that are kept."""
    if id(layer) in kept:
        return
    if not any(id(part) in kept for part in layer._flatten_layers()):
        layer.trainable = False
        return
    # A layer that is not trainable would hide those in it that are.
    for weight in own_weights(layer):
        weight.trainable = False
    for part in layer._flatten_layers(include_self=False, recursive=False):
        _freeze_around(part, kept)
