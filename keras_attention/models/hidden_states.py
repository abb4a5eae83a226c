"""A guard: hidden states are not trained as if they were logits."""

import keras

_CLASSES = (
    keras.losses.CategoricalCrossentropy,
    keras.losses.CategoricalFocalCrossentropy,
    keras.losses.SparseCategoricalCrossentropy,
)
_FUNCTIONS = (
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
)
_OURS = "keras_attention>LabelSmoothedCrossentropy"


class HiddenStates:
    """Mixin of models whose call gives hidden states.

    A cross-entropy of tokens would take their `output_dim` numbers for the
    logits of as many tokens: the loss would fall, and the weights that make
    logits would never be trained. `compile` therefore refuses it, except for
    a subclass with a call, a `compute_loss` or a `train_step` of its own.
    """

    # What to do, for the error message.
    instead = (
        "For a class of each input compile Classifier(encoder, num_classes), "
        "for a class of each token SequenceTagger(encoder, num_classes), for "
        "the tokens themselves MaskedLM(encoder)."
    )

    def compile(self, optimizer="rmsprop", loss=None, *args, **kwargs):
        """Configures training as `keras.Model.compile` does.

        Raises:
            ValueError: for a cross-entropy of tokens, since the outputs are
                hidden states and no logits.
        """
        for part in keras.tree.flatten(loss):
            if _is_of_tokens(part) and _trains_as_given(type(self)):
                raise ValueError(
                    f"{type(self).__name__} gives hidden states of width "
                    f"{self.output_dim}, which a cross-entropy would take for "
                    f"logits. {self.instead} Received: loss={_name(part)}"
                )
        super().compile(optimizer, loss, *args, **kwargs)

    def compile_from_config(self, config):
        """Compiles a model that comes from a file, whatever its loss."""
        if type(self).compile is not HiddenStates.compile:
            super().compile_from_config(config)
            return
        # Keras passes over models with a `compile` of their own.
        super().compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)


def _name(loss):
    if isinstance(loss, str):
        return loss
    return getattr(loss, "__name__", type(loss).__name__)


def _is_of_tokens(loss):
    """Whether it is a cross-entropy over classes, of Keras or of ours.

    One of the user's own may make logits of hidden states itself.
    """
    loss = getattr(loss, "func", loss)  # of a `functools.partial`
    if isinstance(loss, (str, dict)):
        try:
            loss = keras.losses.get(loss)
        except (TypeError, ValueError):
            return False  # Keras says what is wrong with it
    if isinstance(loss, _CLASSES):
        return type(loss).call is keras.losses.CategoricalCrossentropy.call
    return loss in _FUNCTIONS or _OURS in _registered_names(type(loss))


def _registered_names(cls):
    return [keras.saving.get_registered_name(base) for base in cls.__mro__]


def _trains_as_given(cls):
    """Whether outputs and loss are those of the models of this folder."""
    owner = next(base for base in cls.__mro__ if "call" in vars(base))
    return (
        owner.__module__.startswith(f"{__package__}.")
        and cls.compute_loss is keras.Model.compute_loss
        and cls.train_step is keras.Model.train_step
    )
