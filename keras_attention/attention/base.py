"""The contract of attention layers and what all of them share."""

import operator

import keras
from keras import ops

from keras_attention import positions, registry
from keras_attention.attention.core import kv_cache
from keras_attention.attention.core.cache_dtype import KeepsCache, released
from keras_attention.attention.core.checks import (
    check_cache,
    check_heads,
    check_masks,
    check_position,
    refuse_unless,
)
from keras_attention.attention.core.einsum import swap_heads
from keras_attention.attention.core.empty import is_empty, run_with_one
from keras_attention.attention.core.inputs import other_than, prepare
from keras_attention.attention.core.projections import Projections
from keras_attention.checks import check_dropout
from keras_attention.masks import as_mask, hide_all, implicit_mask
from keras_attention.tensors import known_integer


class Attention(registry.Template, KeepsCache, Projections, keras.layers.Layer):
    """Base of all attention layers: one call, one cache, one set of masks.

    A flavour overrides `attend`; one that weighs keys by scores starts from
    `ScoredAttention`. One whose state is not keys and values also overrides
    `init_cache` and `attend_with_cache`; one with projections of its own,
    `build` and the `project_` methods. What a flavour cannot honour it
    declares in the class attributes below, and the call refuses it.

    Args:
        num_heads: integer, number of heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads; each serves
            `num_heads // num_kv_heads` query heads. `num_heads` by default.
        use_bias: whether the projections have biases.
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
    """

    kind = "mixer"
    has_heads = True  # whether the constructor takes num_heads
    paper = ""
    cost = ""  # time / memory; `n` length, `d` width of a head
    cache_size = None  # numbers that a row of the cache holds
    supports_cross_attention = True
    supports_causal_mask = True
    supports_attention_mask = True
    supports_rotation = True
    supports_bias = True
    supports_values = True
    supports_scale = True
    supports_counting = True  # whether all that a query sees is scored at once
    supports_cache = True
    masks_scores = False  # whether padding gets no weight, whatever its heads
    exact_causal = True
    counts_from_start = False  # whether it matters where a sequence begins
    rotates_relatively = True  # whether turned heads still tell distances alone

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
        self.use_bias = use_bias
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
            implicit = (key_mask, value_mask)
            if value is None:
                implicit = (key_mask, query_mask, mask)
            padding_mask = next((m for m in implicit if m is not None), None)
        return self.run(
            query,
            value,
            key,
            attention_mask=attention_mask,
            padding_mask=padding_mask,
            use_causal_mask=use_causal_mask,
            cache=released(cache),
            memory=memory,
            start=start,
            training=training,
        )

    def run(
        self,
        query,
        value,
        key,
        *,
        memory=None,
        **inputs,
    ):
        """Projects, attends and projects; the call without implicit masks.

        Args: as of the call, and
            options: dictionary of what a flavour's own call takes besides;
                `attend` receives it.

        Returns:
            What the call returns.
        """
        inputs["memory"] = memory
        if is_empty(query, value, key, memory):
            return run_with_one(self, self._run, query, value, key, **inputs)
        return self._run(query, value, key, **inputs)

    def _run(
        self,
        query,
        value,
        key,
        *,
        cache,
        start,
        training,
        options=None,
        **masks,
    ):
        query, *parts, inputs = prepare(
            self, query, value, key, cache=cache, start=start, **masks
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
        """Turns heads by their positions; a flavour may turn a part of them.

        Args:
            heads: `(batch, length, heads, head_dim)`.
            position: a `PositionalEncoding`.
            positions: integers `(length,)`.
            role: `"query"` or `"key"`.

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

    def compute_weights(self, query, key, visible, position, **inputs):
        """Gives the weights of `attend` as one dense tensor.

        Args: as of `attend`, without `value` and `training`.

        Returns:
            `(batch, num_heads, query_length, key_length)`.
        """
        raise ValueError(f"{type(self).__name__} has no attention weights.")

    def attend_with_cache(
        self, query, key, value, visible, position, cache, start, **inputs
    ):
        """Writes keys and values to the cache and attends to all of it.

        Args: as of `attend`, and
            cache: dictionary from `init_cache`.
            start: integer, the position of the first query.

        Returns:
            `(output, cache)`.
        """
        cache, key, value, visible = kv_cache.extend(
            cache, key, value, visible, start
        )
        output = self.attend(query, key, value, visible, position, **inputs)
        return output, cache

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache for at most `max_length` positions.

        Returns:
            `{"key", "value"}` of `(batch, num_kv_heads, max_length,
            head_dim)`, as every step multiplies them, and `{"mask"}` of
            `(batch, max_length)`.
        """
        self._check_cache()
        return kv_cache.empty(
            batch_size,
            self.num_kv_heads,
            max_length,
            self.head_dim,
            self.compute_dtype,
        )

    def init_memory(self, value, key=None, padding_mask=None):
        """Projects the source of cross-attention once for many calls.

        Args:
            value: `(batch, key_length, dim)`.
            key: `(batch, key_length, dim)`; by default `value`.
            padding_mask: boolean `(batch, key_length)`. (What the call hides
            later reaches no result, but its NaN the gradients of what
            projects it here.)

        Returns:
            `{"key", "value"}` of `(batch, num_kv_heads, key_length,
            head_dim)` and `{"mask"}` of `(batch, key_length)`, to be handed
            to the call as `memory`.
        """
        refuse_unless(
            self,
            self.supports_cross_attention,
            "cross-attention",
            "use MultiHeadAttention for it",
        )
        self._check_built()
        key = value if key is None else key
        for source in (key, value):
            if padding_mask is None:
                padding_mask = implicit_mask(source)
        padding_mask = as_mask("padding_mask", padding_mask)
        check_masks(value, key, padding_mask, None)
        key, value = hide_all(padding_mask, key, value)
        heads = self.project_source(key, value)
        if not self.masks_scores:
            heads = hide_all(padding_mask, *heads)
        if padding_mask is None:
            padding_mask = ops.ones(ops.shape(value)[:2], dtype="bool")
        key, value = map(swap_heads, heads)
        return {"key": key, "value": value, "mask": padding_mask}

    def attention_weights(
        self,
        query,
        value=None,
        key=None,
        *,
        attention_mask=None,
        padding_mask=None,
        use_causal_mask=False,
        memory=None,
        start=0,
        options=None,
    ):
        """Computes the weights that a call with these arguments uses.

        Args: as of the call; `options` as of `run`.

        Returns:
            `(batch, num_heads, query_length, key_length)`.
        """
        value, key = other_than(query, value, key)
        if not self.built:
            sources = (query, value, key)
            self.build(
                *(None if x is None else tuple(x.shape) for x in sources)
            )
        if padding_mask is None and memory is None:
            for source in (key, query if value is None else value):
                if padding_mask is None:
                    padding_mask = implicit_mask(source)
        _, query, key, _, visible, position, inputs = prepare(
            self,
            query,
            value,
            key,
            attention_mask=attention_mask,
            padding_mask=padding_mask,
            use_causal_mask=use_causal_mask,
            memory=memory,
            start=start,
        )
        inputs = {**inputs, **(options or {})}
        return self.compute_weights(query, key, visible, position, **inputs)

    def drop(self, output, training):
        """Applies dropout to mixed heads, for flavours that form no weights.

        Args:
            output: `(batch, query_length, num_heads, head_dim)`.
            training: whether to apply it.

        Returns:
            A tensor of the same shape.
        """
        if not (self.dropout and training):
            return output
        seed = self.seed_generator
        return keras.random.dropout(output, self.dropout, seed=seed)

    def _check_cache(self):
        """Refuses to make a cache where there can be none."""
        check_cache(self)
        self._check_built()

    def _check_built(self):
        refuse_unless(
            self,
            self.built,
            "a cache or memory before it is built",
            "call or build it first",
        )

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
