"""The input signature with which Keras exports a model."""

import contextlib
import tempfile
import warnings

import keras
from keras import tree

from keras_attention.layers.attention_recurrence import AttentionRecurrence
from keras_attention.layers.recurrence import state_names
from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.models.adapting.lora import can_merge
from keras_attention.tensors import fixed_sizes


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
        `memory` and `token_ids`. Padding is read off the ids. Adapters of LoRA
        are folded into the weights. The states of
        a `RecurrentEncoder` come out as `state_layer_0_hidden` and so on.

        On torch, Keras traces `"onnx"` and `"openvino"` at a length of one.
        What would then be bound to it is refused: recurrent layers, images,
        and attention in blocks, chunks or windows. These need a signature of
        fixed lengths there, or the export on TensorFlow. The formats
        `"torch"` (without `dynamic_shapes`) and `"litert"` of torch always
        need one.

        Args: see `keras.Model.export`.

        Raises:
            ValueError: if no shape of the inputs is known, as of an embedding
                of the user's own, if the model cannot keep a length free, or
                the format is unknown.
        """
        if can_merge(self):
            with tempfile.TemporaryDirectory() as folder:
                self.save_to_preset(folder)
                merged = type(self).from_preset(folder)
            return merged.export(
                filepath, format, verbose, input_signature, **kwargs
            )
        if input_signature is None:
            input_signature = free_signature(self)
        surroundings = contextlib.nullcontext()
        # With `dynamic_shapes` torch itself checks what is free.
        if keras.backend.backend() == "torch" and not (
            format == "torch" and "dynamic_shapes" in kwargs
        ):
            surroundings = _traced_by_torch(self, format, input_signature)
        model = _FlatOutputs(self) if _has_states(self) else super()
        with surroundings:
            model.export(
                filepath,
                format=format,
                verbose=verbose,
                input_signature=input_signature,
                **kwargs,
            )


@contextlib.contextmanager
def _traced_by_torch(model, format, signature):
    """Fixes sizes where a signature does, or refuses what cannot be free."""
    import torch

    sizes = contextlib.nullcontext()
    if any(None in _sizes(spec)[1:] for spec in tree.flatten(signature)):
        _check_free_on_torch(model, format, signature)
    else:
        sizes = fixed_sizes()
    with sizes, warnings.catch_warnings():
        # Of sizes that Python reads; what would be wrong is refused.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        yield


def _sizes(spec):
    return tuple(spec.shape or ())  # Keras refuses one without any


def _check_free_on_torch(model, format, signature):
    """Refuses what torch would bind to a length of one without a word."""
    free = None
    if format in ("torch", "litert"):
        free = f'format="{format}"'
    elif any(len(_sizes(spec)) == 4 for spec in tree.flatten(signature)):
        free = "a model of images"
    elif any(isinstance(layer, _LOOPS) for layer in model._flatten_layers()):
        free = "a recurrent layer"
    if free is not None:
        raise ValueError(
            f"On torch, {free} is exported for fixed sizes alone. Give the "
            "export an input_signature without None, or export on TensorFlow. "
            f"Received: {signature}"
        )


# They run over time in Python there.
_LOOPS = (keras.layers.RNN, AttentionRecurrence)


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
    if hasattr(model, "decoder") and not hasattr(model, "encoder"):
        return free_signature(model.decoder)  # of a CausalLM
    if hasattr(model, "decoder"):
        inputs = {
            "source_ids": _embedded(model.encoder, "source_ids"),
            "target_ids": _embedded(model.decoder, "target_ids"),
        }
        return [inputs]
    if hasattr(model, "encoder"):  # under a head
        return free_signature(model.encoder)
    memory = _memory(model)
    if memory is None:
        return [_embedded(model)]
    # The exported function sorts its arguments by name.
    return [{"memory": memory, "token_ids": _embedded(model, "token_ids")}]


def _embedded(model, name=None):
    """Describes what the embedding of a model takes, under some name."""
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
    if isinstance(embedding, TokenEmbedding):
        dtype, usual = "int32", "token_ids"
    else:
        dtype, usual = "float32", "images" if len(shape) == 4 else "vectors"
    return keras.InputSpec(shape=shape, dtype=dtype, name=name or usual)


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
