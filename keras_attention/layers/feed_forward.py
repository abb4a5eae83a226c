"""The position-wise network of a Transformer block."""

import functools

import keras
from keras import ops

from keras_attention.checks import (
    check_boolean,
    check_dropout,
    check_integer,
    did_you_mean,
)
from keras_attention.layers.dropout import make_dropout
from keras_attention.registry import (
    PACKAGE,
    Template,
    copy_initializer,
    resolve,
)
from keras_attention.tensors import known_integer


def exact_gelu(x):
    """Computes x P(X <= x) of a standard normal X, without approximation.

    Args:
        x: floats of any shape.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    # TensorFlow's own consists of `erfc`, which has no form in ONNX. By `erf`
    # what is left of large negative numbers is lost: below 1e-6 in float32,
    # too much in half precision.
    if keras.backend.backend() != "tensorflow" or "16" in dtype:
        return keras.activations.gelu(x, approximate=False)
    return 0.5 * x * (1.0 + ops.erf(x * 0.5**0.5))


def quick_gelu(x):
    """Computes x sigmoid(1.702 x), the approximation of GPT and CLIP."""
    return x * ops.sigmoid(1.702 * x)


def squared_relu(x):
    """Computes max(x, 0)^2 (Primer, So et al. 2021)."""
    return ops.square(ops.relu(x))


def clamped_swiglu(gate, up):
    """Computes quick_gelu(gate) (up + 1) of clamped inputs, as gpt-oss does.

    Args:
        gate: floats of any shape; no more than 7 of each counts.
        up: floats of that shape; no more than 7 to either side counts.

    Returns:
        A tensor of that shape.
    """
    return quick_gelu(ops.minimum(gate, 7.0)) * (ops.clip(up, -7.0, 7.0) + 1.0)


_gelu_tanh = functools.partial(keras.activations.gelu, approximate=True)

# Others by Keras' own names.
_PLAIN = {
    "relu": keras.activations.relu,
    "gelu": exact_gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": quick_gelu,
    "squared_relu": squared_relu,
}
# Those that a second projection is multiplied on.
_GATED = {
    "swiglu": keras.activations.silu,
    "geglu": exact_gelu,
    "geglu_tanh": _gelu_tanh,
    "clamped_swiglu": None,  # a function of both projections
}


@keras.saving.register_keras_serializable(package=PACKAGE)
class FeedForward(Template, keras.layers.Layer):
    """Two projections with an activation between: f(x W1) W2.

    The gated forms (`swiglu`, `geglu`) multiply a second projection on:
    (f(x W1) * x W3) W2.

    Args:
        intermediate_dim: integer, the width in the middle.
        activation: `"relu"`, `"gelu"` (exact), `"gelu_tanh"`,
            `"quick_gelu"`, `"squared_relu"`, the gated `"swiglu"`, `"geglu"`
            (exact), `"geglu_tanh"` or `"clamped_swiglu"` (gpt-oss), or any
            activation of Keras by name, configuration or function.
        gated: whether a second projection is multiplied on; by default what
            the name says.
        use_bias: whether the projections have biases.
        dropout: float, share of the middle dropped in training.
        kernel_initializer: initializer of the projections.
        seed: integer for dropout; drawn by default.

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        training: whether to apply dropout.

    Returns:
        `(batch, length, hidden_dim)`.

    Raises:
        ValueError: for an unknown activation (the message lists the known).

    Example:

    ```python
    import keras
    from keras_attention import FeedForward

    layer = FeedForward(intermediate_dim=64, activation="swiglu")
    layer(keras.random.normal((2, 50, 32))).shape  # (2, 50, 32)
    ```

    Reference:
        Vaswani et al. 2017, https://arxiv.org/abs/1706.03762;
        Hendrycks, Gimpel 2016, Gaussian Error Linear Units,
        https://arxiv.org/abs/1606.08415;
        Shazeer 2020, GLU Variants Improve Transformer,
        https://arxiv.org/abs/2002.05202;
        So et al. 2021, Primer (squared_relu),
        https://arxiv.org/abs/2109.08668
    """

    def __init__(
        self,
        intermediate_dim,
        activation="gelu",
        *,
        gated=None,
        use_bias=True,
        dropout=0.0,
        kernel_initializer="glorot_uniform",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        check_integer("intermediate_dim", intermediate_dim)
        self._activate, self._gated = find_activation(activation, gated)
        check_dropout(dropout)
        if seed is not None and known_integer(seed) is None:
            raise ValueError(
                f"seed must be an integer or None. Received: {seed!r}"
            )
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.gated = gated
        self.use_bias = use_bias
        self.dropout = dropout
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.seed = seed

    def build(self, input_shape):
        middle = (*input_shape[:-1], self.intermediate_dim)
        self.up_dense = self._dense(self.intermediate_dim, "up", input_shape)
        if self._gated:
            self.gate_dense = self._dense(
                self.intermediate_dim, "gate", input_shape
            )
        self.down_dense = self._dense(input_shape[-1], "down", middle)
        self.dropout_layer = make_dropout(
            self.dropout, self.seed, self.dtype_policy
        )

    def _dense(self, units, name, input_shape):
        layer = keras.layers.Dense(
            units,
            use_bias=self.use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.build(input_shape)
        return layer

    def call(self, x, training=None):
        middle = self.up_dense(x)
        if not self._gated:
            middle = self._activate(middle)
        elif self._activate is None:
            middle = clamped_swiglu(self.gate_dense(x), middle)
        else:
            middle = self._activate(self.gate_dense(x)) * middle
        middle = self.dropout_layer(middle, training=training)
        return self.down_dense(middle)

    def get_config(self):
        return {
            **super().get_config(),
            "intermediate_dim": self.intermediate_dim,
            "activation": describe_activation(self.activation),
            "gated": self.gated,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "seed": self.seed,
        }


def find_activation(activation, gated=None):
    """Finds an activation.

    Args:
        activation, gated: as of `FeedForward`.

    Returns:
        `(function, whether it is gated)`; the function is None for
        `"clamped_swiglu"`, a function of both projections.

    Raises:
        ValueError: for an unknown name, or a gated form with `gated=False`.
    """
    is_name = isinstance(activation, str)
    if gated is not None:
        check_boolean("gated", gated)
    if is_name and activation in _GATED:
        if gated is False:
            raise ValueError(
                f"activation={activation!r} is a gated form; leave out gated "
                "or name the activation alone. Received: gated=False"
            )
        return _GATED[activation], True
    if is_name and activation in _PLAIN:
        return _PLAIN[activation], bool(gated)
    try:
        if activation is None:
            raise ValueError
        return keras.activations.get(activation), bool(gated)
    except (TypeError, ValueError):
        known = sorted([*_PLAIN, *_GATED])
        of_keras = [
            name
            for name in vars(keras.activations)
            if not name.startswith("_") and name not in _NO_ACTIVATIONS
        ]
        raise ValueError(
            f"Unknown feed-forward activation: {activation!r}. Known names: "
            f"{', '.join(known)}, and those of keras.activations."
            f"{did_you_mean(activation, [*known, *of_keras])}"
        ) from None


def describe_activation(activation):
    """Gives a name, a configuration or a function for a configuration."""
    if isinstance(activation, (str, dict)):
        return activation
    return keras.activations.serialize(activation)


_NO_ACTIVATIONS = ("deserialize", "get", "serialize")


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt feed-forward layer.

    Args:
        name_config_or_layer: the name of an activation of `FeedForward`, a
            configuration, or a layer that serves as the template and maps
            `(batch, length, dim)` to the same shape.
        **defaults: constructor arguments for what is left open.

    Returns:
        A layer.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(name_config_or_layer, str):
        defaults["activation"] = name_config_or_layer
        name_config_or_layer = "feed_forward"
    return resolve(
        name_config_or_layer,
        {"feed_forward": FeedForward},
        "feed-forward",
        defaults,
    )
