"""What Keras is told about the inputs of a model when it exports one."""

import keras

from keras_attention.layers.embeddings import TokenEmbedding
from keras_attention.layers.recurrence import state_names


class AnyLengthExport:
    """Mixin that lets `model.export` keep every length free.

    Keras takes shapes from the first call, freezes every dimension but the
    batch and refuses a model that was never called.
    """

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        **kwargs,
    ):
        """Exports the model as `keras.Model.export` does, for any length.

        Without `input_signature`, batch and lengths (of images height and
        width) are free, token ids are int32, and a model of several inputs
        takes the dictionary that `fit` passes: `EncoderDecoder` one of
        `source_ids` and `target_ids`, a decoder with cross-attention one of
        `memory` and `token_ids`. Padding is read off the ids. The states of
        a `RecurrentEncoder` come out as `state_layer_0_hidden` and so on.

        Args: see `keras.Model.export`.

        Raises:
            ValueError: if no shape of the inputs is known, as of an embedding
                of the user's own, or the format is unknown.
        """
        if input_signature is None:
            input_signature = free_signature(self)
        model = _FlatOutputs(self) if _has_states(self) else super()
        model.export(
            filepath,
            format=format,
            verbose=verbose,
            input_signature=input_signature,
            **kwargs,
        )


def free_signature(model):
    """Describes the inputs of a model, with batch and lengths left open.

    Args:
        model: one of the models of this package.

    Returns:
        List of what the model takes as its first argument: a
        `keras.InputSpec`, or a dictionary of these by name.

    Raises:
        ValueError: if the embedding does not say what it takes.
    """
    if hasattr(model, "decoder"):
        inputs = {
            "source_ids": _embedded(model.encoder, "source_ids"),
            "target_ids": _embedded(model.decoder, "target_ids"),
        }
        return [inputs]
    if hasattr(model, "encoder"):  # a Classifier
        return free_signature(model.encoder)
    memory = _memory(model)
    token_ids = _embedded(model, "token_ids")
    # The exported function sorts its arguments by name.
    return [{"memory": memory, "token_ids": token_ids} if memory else token_ids]


def _embedded(model, name):
    """Describes what the embedding of a model takes."""
    embedding = getattr(model, "embedding", None)
    if embedding is None and hasattr(model, "channels"):  # of an image
        shape = (None, None, None, model.channels)
    else:
        shape = getattr(embedding, "known_shape", None)
    if shape is None:
        raise ValueError(
            f"Nothing is known of the shape that {type(embedding).__name__} "
            "takes. Call the model once where the embedding finds its width "
            "then, or give the export an input_signature, such as "
            "[keras.InputSpec(shape=(None, None, 80), dtype='float32')]"
        )
    dtype = "int32" if isinstance(embedding, TokenEmbedding) else "float32"
    return keras.InputSpec(shape=shape, dtype=dtype, name=name)


def _memory(model):
    """Describes the memory that a decoder cannot do without, or None."""
    if hasattr(model, "recurrence"):
        return _recurrent_memory(model)
    blocks = getattr(model, "blocks", ())
    attends = [getattr(block, "cross_attention", None) for block in blocks]
    if not any(part is not None for part in attends):
        return None
    return _vectors("memory", None, model.memory_dim or model.hidden_dim)


def _recurrent_memory(model):
    """Describes what a `RecurrentEncoder` gives to its decoder."""
    width = model.state_dim or model.hidden_dim
    states = {
        f"layer_{index}": {
            name: _vectors(f"memory_state_layer_{index}_{name}", width)
            for name in state_names(model.cell)
        }
        for index in range(model.num_layers)
    }
    hidden = _vectors(
        "memory_hidden", None, model.memory_dim or model.hidden_dim
    )
    return {"hidden": hidden, "state": states}


def _vectors(name, *sizes):
    return keras.InputSpec(shape=(None, *sizes), dtype="float32", name=name)


def _has_states(model):
    """Whether a model returns the states of recurrent layers too."""
    return hasattr(model, "recurrent_layers")


class _FlatOutputs(keras.Model):
    """A model whose nested outputs become one dictionary of tensors.

    A SavedModel knows no others.
    """

    def __init__(self, model):
        super().__init__(name=model.name)
        self.model = model
        self.built = True

    def call(self, inputs):
        return dict(_named(self.model(inputs, training=False)))


def _named(outputs, prefix=""):
    for name, value in outputs.items():
        if isinstance(value, dict):
            yield from _named(value, f"{prefix}{name}_")
        else:
            yield f"{prefix}{name}", value
