"""AdamW as people fine-tune with it: a rate and a decay for each weight."""

import keras
from keras import ops

from keras_attention.checks import check_number, is_real
from keras_attention.models.adapting.parts import named_layers
from keras_attention.models.transformer import Transformer

# What is added to activations or scales them is not drawn towards zero.
_UNDECAYED = ("bias", "beta", "gamma", "scale")
# Weights of an embedding that make logits, behind the last block.
_OF_LOGITS = ("reverse_embeddings", "logit_bias")


def adamw_for(
    model, learning_rate, *, weight_decay=0.01, layer_decay=1.0, **arguments
):
    """Makes the AdamW that a model is fine-tuned with.

    Weights decay but for biases and the weights of normalizations. With
    `layer_decay` below 1, the learning rate is smaller the farther a weight
    stands from the output: that of block `i` of `n`, counted from 0, times
    `layer_decay ** (n - i)`, of embeddings times `layer_decay ** (n + 1)`,
    and of the head times 1. Of an encoder and a decoder, each counts its own
    blocks.

    Args:
        model: a built model. What is trainable must not change afterwards.
        learning_rate: float or a Keras schedule.
        weight_decay: float; a weight loses this share of itself in an update,
            times its learning rate.
        layer_decay: float above 0 and up to 1.
        **arguments: of `keras.optimizers.AdamW`, such as `global_clipnorm`.

    Returns:
        A `LayerwiseAdamW`, or `keras.optimizers.AdamW` without `layer_decay`.

    Raises:
        ValueError: if a number is out of its range, or the model has no
            blocks that a `layer_decay` could go by.

    Example:

    ```python
    from keras_attention import Classifier, TransformerEncoder, training

    model = Classifier(TransformerEncoder(100, 4, 32, 4), num_classes=3)
    model.compile(
        training.adamw_for(model, 1e-4, layer_decay=0.9),
        "sparse_categorical_crossentropy",
    )
    ```

    Reference:
        Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101;
        Clark et al. 2020, ELECTRA, https://arxiv.org/abs/2003.10555
    """
    check_number("layer_decay", layer_decay, most=1.0)
    if not (is_real(weight_decay) and weight_decay >= 0):
        raise ValueError(
            "weight_decay must be a number of 0 or more. Received: "
            f"{weight_decay!r}"
        )
    weights = model.trainable_weights
    decayed = [is_decayed(weight) for weight in weights]
    if layer_decay < 1.0:
        return LayerwiseAdamW(
            learning_rate,
            weight_decay,
            rates=layer_rates(model, layer_decay),
            decayed=decayed,
            **arguments,
        )
    pairs = zip(weights, decayed, strict=True)
    left_out = [weight for weight, decays in pairs if not decays]
    if len(left_out) == len(weights):
        weight_decay = 0.0  # Keras on torch cannot decay nothing
        left_out = []
    optimizer = keras.optimizers.AdamW(
        learning_rate, weight_decay=weight_decay, **arguments
    )
    optimizer.exclude_from_weight_decay(var_list=left_out)
    return optimizer


def is_decayed(weight):
    """Whether a weight decays: all but biases and those of normalizations."""
    name = weight.path.split("/")[-1]
    is_bias = name in _UNDECAYED or name.endswith("_bias")
    return len(weight.shape) > 1 and not is_bias


def layer_rates(model, decay):
    """Factors of the learning rate, smaller farther from the output.

    Args:
        model: a built model.
        decay: float, the factor from one block to the next.

    Returns:
        List of floats, one for each of `model.trainable_weights`; see
        `adamw_for`.

    Raises:
        ValueError: if the model has no stack of blocks.
    """
    layers = [model, *named_layers(model).values()]
    stacks = [layer for layer in layers if isinstance(layer, Transformer)]
    if not stacks:
        raise ValueError(
            "layer_decay needs a model with the blocks of a Transformer. "
            f"Received: {type(model).__name__}"
        )
    distances = {}
    for stack in stacks:
        for weight, distance in _distances(stack):
            # An embedding of two stacks is as far as the farther.
            known = distances.get(id(weight), 0)
            distances[id(weight)] = max(known, distance)
    return [
        decay ** distances.get(id(weight), 0)
        for weight in model.trainable_weights
    ]


def _distances(stack):
    """Yields the weights of a stack and how far from its end they stand."""
    count, inner = len(stack.blocks), set()
    for place, block in enumerate(stack.blocks):
        for weight in block.weights:
            inner.add(id(weight))
            yield weight, count - place
    if stack.final_norm is not None:
        inner |= {id(weight) for weight in stack.final_norm.weights}
    for weight in stack.weights:
        makes_logits = weight.path.split("/")[-1] in _OF_LOGITS
        if id(weight) not in inner and not makes_logits:
            yield weight, count + 1


@keras.saving.register_keras_serializable(package="keras_attention")
class LayerwiseAdamW(keras.optimizers.AdamW):
    """AdamW with a factor of the learning rate for each weight.

    `adamw_for` makes one for a model.

    Args:
        learning_rate: float or a Keras schedule.
        weight_decay: float, as of `keras.optimizers.AdamW`.
        rates: list of floats, one for each trainable weight of the model, in
            their order: the learning rate is multiplied by it.
        decayed: list of booleans, one for each: whether it decays.
        **arguments: of `keras.optimizers.AdamW`.

    Raises:
        ValueError: if there are not as many of both, or, when the optimizer
            is built, as the model has trainable weights.
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.01,
        *,
        rates,
        decayed,
        **arguments,
    ):
        super().__init__(learning_rate, weight_decay=weight_decay, **arguments)
        if len(rates) != len(decayed):
            raise ValueError(
                "rates and decayed must have one entry for each weight. "
                f"Received: {len(rates)} and {len(decayed)}"
            )
        self.rates = [float(rate) for rate in rates]
        self.decayed = [bool(decays) for decays in decayed]

    def build(self, variables):
        if not self.built and len(variables) != len(self.rates):
            raise ValueError(
                f"This optimizer has rates for {len(self.rates)} weights. "
                f"Received: a model with {len(variables)} trainable ones"
            )
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype) * self.rates[index]
        if self.decayed[index]:
            shrunk = ops.multiply(variable, rate * self.weight_decay)
            self.assign_sub(variable, shrunk)
        super().update_step(gradient, variable, rate)

    def _apply_weight_decay(self, variables):
        """Keras knows one rate for all; `update_step` applies each one's."""

    def get_config(self):
        return {
            **super().get_config(),
            "rates": list(self.rates),
            "decayed": list(self.decayed),
        }
