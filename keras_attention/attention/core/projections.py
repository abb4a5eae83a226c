"""The projections of attention layers: to heads and back."""

import keras
import numpy as np
from keras import ops

from keras_attention import registry
from keras_attention.checks import did_you_mean


class Projection(keras.layers.EinsumDense):
    """An `EinsumDense` whose LoRA has one pair of factors for all heads.

    The update of the kernel is the product of `(inputs, rank)` and `(rank,
    outputs)`, as in the paper and in the files of PEFT. Keras has factors for
    the last axis alone, the features of a head, which a quantized layer still
    gets.

    Reference:
        Hu et al. 2021, LoRA, https://arxiv.org/abs/2106.09685
    """

    @property
    def num_input_axes(self):
        """How many axes of the kernel, from the first on, are inputs."""
        axes, output = self.equation.split(",")[1].split("->")
        return sum(axis not in output for axis in axes)

    def enable_lora(self, *args, **kwargs):
        super().enable_lora(*args, **kwargs)
        # A step without adapters does without a function of this file.
        self.__class__ = AdaptedProjection

    def add_weight(self, shape=None, *args, name=None, **kwargs):
        is_factor = name in ("lora_kernel_a", "lora_kernel_b")
        if is_factor and self.quantization_mode is None:
            axes, number = tuple(self._kernel.shape), self.num_input_axes
            if name == "lora_kernel_a":
                shape = (*axes[:number], shape[-1])
            else:
                shape = (shape[0], *axes[number:])
        return super().add_weight(shape, *args, name=name, **kwargs)

    def quantize(self, mode=None, type_check=True, config=None):
        if self.lora_enabled:
            raise ValueError(
                f"{self.name} is adapted by LoRA. merge_lora(model) folds the "
                "adapters into the weights, which can then be quantized."
            )
        # Keras quantizes no subclasses by itself; this one is no other layer.
        return super().quantize(mode, type_check=False, config=config)


class AdaptedProjection(Projection):
    """What a `Projection` is from the moment on that it has adapters."""

    @property
    def kernel(self):
        if not self.lora_enabled or self.quantization_mode is not None:
            return super().kernel
        update = ops.tensordot(self.lora_kernel_a, self.lora_kernel_b, axes=1)
        scale = self.lora_alpha / self.lora_rank
        kernel = ops.add(self._kernel, scale * update)
        return ops.cast(kernel, self.compute_dtype)


class Projections:
    """Makes the four `Dense` sublayers of attention.

    Mixed into `Attention`, whose constructor sets what is read here and whose
    `project_` methods call them. A flavour with other projections overrides
    `build` and these.
    """

    takes_more_than_booleans = ("use_bias",)
    projections = ("query", "key", "value", "output")
    """The names that `use_bias` may list."""

    def build(self, query_shape, value_shape=None, key_shape=None):
        value_shape = value_shape or query_shape
        key_shape = key_shape or value_shape
        dim = query_shape[-1]
        self._choose_head_dim(dim)
        heads, kv_heads = self.num_heads, self.num_kv_heads
        self.query_dense = self._split_dense("query", heads)
        self.key_dense = self._split_dense("key", kv_heads)
        self.value_dense = self._split_dense("value", kv_heads)
        self.output_dense = self._dense(
            "attention_output", "bthd,hdm->btm", (None, dim), "m"
        )
        split_shape = (*query_shape[:-1], heads, self.head_dim)
        for dense, shape in (
            (self.query_dense, query_shape),
            (self.key_dense, key_shape),
            (self.value_dense, value_shape),
            (self.output_dense, split_shape),
        ):
            if dense is not None:  # a flavour may leave out some
                dense.build(shape)
                # TensorFlow would mix up rows of another width unnoticed.
                dense.input_spec = keras.layers.InputSpec(axes={-1: shape[-1]})
        if not self.position.built:
            self.position.build(split_shape)

    def _choose_head_dim(self, dim):
        """Divides the width among the heads where head_dim is left open."""
        if self.head_dim is not None:
            return
        if dim % self.num_heads:
            raise ValueError(
                "The width of the query must be a multiple of num_heads "
                "where head_dim is not given. Received: "
                f"dim={dim}, num_heads={self.num_heads}"
            )
        self.head_dim = dim // self.num_heads

    def _split_dense(self, name, heads, width=None):
        shape = (None, heads, width or self.head_dim)
        return self._dense(name, "btm,mhd->bthd", shape, "hd")

    def _dense(self, name, equation, output_shape, bias_axes):
        layer = Projection(
            equation,
            output_shape=output_shape,
            bias_axes=bias_axes if self._has_bias(name) else None,
            kernel_initializer=registry.copy_initializer(
                self.kernel_initializer
            ),
            name=name,
            dtype=self.dtype_policy,
        )
        # Without it Keras warns whenever the input carries a mask.
        layer.supports_masking = True
        return layer

    def check_use_bias(self, use_bias):
        """Reads which projections have biases.

        Args:
            use_bias: a boolean, or a list of names from `projections`.

        Returns:
            A boolean, or the list in the order of `projections`.
        """
        known = self.projections
        if isinstance(use_bias, (bool, np.bool_)):
            return bool(use_bias)
        if not isinstance(use_bias, (list, tuple, set, frozenset)):
            raise ValueError(
                "use_bias must be True or False, or a list of the projections "
                f"that have one, of {', '.join(known)}. Received: {use_bias!r}"
            )
        for name in use_bias:
            if name not in known:
                raise ValueError(
                    "use_bias must be True or False, or list projections of "
                    f"{type(self).__name__}: {', '.join(known)}. Received: "
                    f"{name!r}.{did_you_mean(name, known)}"
                )
        return [name for name in known if name in use_bias]

    def _has_bias(self, name):
        """Whether a projection has a bias, by its layer's name."""
        if isinstance(self.use_bias, list):
            return name.removeprefix("attention_") in self.use_bias
        return self.use_bias
