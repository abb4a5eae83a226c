"""The contract of attention layers, and their common base."""

import operator

import keras

from keras_attention import positions, registry
from keras_attention.attention.core.checks import (
    Support,
    check_heads,
    check_position,
)
from keras_attention.attention.core.dropout import OutputDropout
from keras_attention.attention.core.empty import run_with_one
from keras_attention.attention.core.inputs import (
    first_mask,
    other_than,
    prepare,
)
from keras_attention.attention.core.kv_cache import (
    KeepsCache,
    KeyValueCache,
    unbox,
)
from keras_attention.attention.core.projections import Projections
from keras_attention.attention.core.weights import WeightsToShow
from keras_attention.checks import check_dropout
from keras_attention.tensors import known_integer


class Attention(
    registry.Template,
    Support,
    KeepsCache,
    Projections,
    KeyValueCache,
    WeightsToShow,
    OutputDropout,
    keras.layers.Layer,
):
    """Base of all attention layers: one call, one cache, one set of masks.

    A flavour overrides `attend`; one that weighs keys by scores starts from
    `ScoredAttention`. One whose state is not keys and values also overrides
    `init_cache` and `attend_with_cache`; one with projections of its own,
    `build` and the `project_` methods. What a flavour cannot honour it
    declares in the class attributes of `Support`, and the call refuses it.

    Args:
        num_heads: integer, number of heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads; each serves
            `num_heads // num_kv_heads` query heads. `num_heads` by default.
        use_bias: boolean, or a list of the projections that have biases.
        dropout: float, share of attention weights dropped in training.
        position: a positional encoding: name, configuration, or a layer,
            which is then used as it is and may be shared. None for none.
        kernel_initializer: initializer of the projections.
        seed: integer for dropout; drawn by default.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`, which makes it
            self-attention.
        key: `(batch, key_length, dim)`; by default `value`.
        attention_mask: boolean `(batch, query_length, key_length)`, True
            where a query may attend to a key.
        padding_mask: boolean `(batch, key_length)`, True for keys that count.
            The implicit Keras mask serves where it is not given. What stands
            at padding reaches no other position and no gradient, not even
            where it is infinite or NaN.
        use_causal_mask: whether a query sees only keys at or before its own
            position.
        cache: dictionary from `init_cache`, holding what earlier calls fed.
            Attention is then causal and the result `(output, cache)`.
        memory: dictionary from `init_memory`, in place of value and key.
        start: integer, the position of the first query. One for all rows.
        training: whether to apply dropout.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`. A query
        that may attend to nothing gives zeros before the output projection.
        Of keys that a causal or dense mask hides from some queries alone, any
        finite number changes nothing for these; infinity or NaN may, since a
        weight of zero times NaN is NaN.

    Raises:
        ValueError: if the flavour cannot honour an argument, or arguments
            exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import Attention

    class SumOfValues(Attention):
        # Mixes the values of all tokens, each with the same weight; padding
        # arrives as zeros.
        supports_causal_mask = supports_attention_mask = False
        supports_bias = supports_cache = False

        def attend(self, query, key, value, visible, position, training=None):
            total = keras.ops.sum(value, axis=1, keepdims=True)
            return keras.ops.broadcast_to(total, keras.ops.shape(query))

    layer = SumOfValues(num_heads=4)
    layer(keras.random.normal((2, 50, 32))).shape  # (2, 50, 32)
    ```
    """

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        use_bias=True,
        dropout=0.0,
        position=None,
        kernel_initializer="glorot_uniform",
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        num_kv_heads = num_heads if num_kv_heads is None else num_kv_heads
        check_heads(num_heads, head_dim, num_kv_heads)
        check_dropout(dropout)
        if seed is not None and known_integer(seed) is None:
            raise ValueError(
                f"seed must be an integer or None. Received: {seed!r}"
            )
        if not isinstance(position, positions.PositionalEncoding):
            position = positions.get(position)
        check_position(self, position)
        # NumPy's integers are not what a configuration can hold.
        self.num_heads = operator.index(num_heads)
        self.head_dim = None if head_dim is None else operator.index(head_dim)
        self.num_kv_heads = operator.index(num_kv_heads)
        self.use_bias = self.check_use_bias(use_bias)
        self.dropout = dropout
        self.position = position
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.seed = seed
        if dropout:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def __call__(self, query, value=None, key=None, **kwargs):
        if kwargs.get("memory") is None:
            # Keras' conversion of inputs would make two objects out of one.
            value, key = other_than(query, value, key)
        return super().__call__(query, value, key, **kwargs)

    def call(
        self,
        query,
        value=None,
        key=None,
        *,
        attention_mask=None,
        padding_mask=None,
        use_causal_mask=False,
        cache=None,
        memory=None,
        start=0,
        training=None,
        mask=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
    ):
        if padding_mask is None and memory is None:
            if value is None:
                padding_mask = first_mask(key_mask, query_mask, mask)
            else:
                padding_mask = first_mask(key_mask, value_mask)
        return self.run(
            query,
            value,
            key,
            attention_mask=attention_mask,
            padding_mask=padding_mask,
            use_causal_mask=use_causal_mask,
            cache=unbox(cache),
            memory=memory,
            start=start,
            training=training,
        )

    def run(self, query, value, key, *, memory=None, **inputs):
        """Projects, attends and projects; the call without implicit masks.

        Args: as of the call, and
            options: dictionary of what a flavour's own call takes besides;
                `attend` receives it.

        Returns:
            What the call returns.
        """
        inputs["memory"] = memory
        source = None if memory is None else memory.get("mask")
        tensors = [x for x in (query, value, key, source) if x is not None]
        # Sizes that a graph computes later count as something.
        if any(size == 0 for x in tensors for size in x.shape[:2]):
            return run_with_one(self, self._run, query, value, key, **inputs)
        return self._run(query, value, key, **inputs)

    def _run(
        self, query, value, key, *, cache, start, training, options=None, **rest
    ):
        query, *parts, inputs = prepare(
            self, query, value, key, cache=cache, start=start, **rest
        )
        inputs = {**inputs, **(options or {}), "training": training}
        if cache is None:
            output = self.attend(*parts, **inputs)
            return self.project_output(output, query)
        output, cache = self.attend_with_cache(
            *parts, cache=cache, start=start, **inputs
        )
        return self.project_output(output, query), cache

    def rotate(self, heads, position, positions, role):
        """Rotates heads by their positions; a flavour may rotate a part.

        Args: heads `(batch, length, heads, head_dim)`, a `PositionalEncoding`,
            and as of its `rotate`.

        Returns:
            A tensor of the shape of `heads`.
        """
        return position.rotate(heads, positions, role)

    def side_inputs(self, query, key, value):
        """Computes what `attend` needs besides heads, gates for example.

        Args:
            query: `(batch, query_length, dim)`.
            key, value: `(batch, key_length, dim)`; None with a memory.

        Returns:
            A dictionary of keyword arguments of `attend`,
            `attend_with_cache` and `compute_weights`.
        """
        return {}

    def attend(self, query, key, value, visible, position, training=None):
        """Mixes values by what the queries see; the idea of a flavour.

        Args:
            query: `(batch, query_length, num_heads, head_dim)`.
            key: `(batch, key_length, num_kv_heads, head_dim)`.
            value: `(batch, key_length, num_kv_heads, head_dim)`.
            visible: the `Visibility` of this call.
            position: the encoding whose `bias`, `values` and `scale` apply.
            training: whether to apply dropout.

        A flavour with `side_inputs` takes these by name as well.

        Returns:
            `(batch, query_length, num_heads, head_dim)`.
        """
        raise self._not_implemented_error(self.attend)

    def draw_dropout(self, training):
        """Gives the dropout of one call, and its seed `(2,)` or None."""
        if not (self.dropout and training):
            return 0.0, None
        return self.dropout, self.seed_generator.next()

    def project_query(self, query):
        """Splits `(batch, query_length, dim)` into query heads."""
        return self.query_dense(query)

    def project_source(self, key, value):
        """Splits what is attended to into `(key_heads, value_heads)`.

        A flavour whose keys are its queries gives None for the keys.
        """
        return self.key_dense(key), self.value_dense(value)

    def project_output(self, output, query):
        """Joins heads; `query` `(batch, query_length, dim)` is the input."""
        return self.output_dense(output)

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "num_kv_heads": self.num_kv_heads,
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "position": registry.describe(self.position),
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "seed": self.seed,
        }
