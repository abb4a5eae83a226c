"""The last layer of a model that may copy tokens of its source."""

import keras
from keras import ops

from keras_attention.attention.exact.pointer import PointerAttention
from keras_attention.checks import check_integer, check_shape
from keras_attention.layers.copy_mixture import mix
from keras_attention.masks import hide
from keras_attention.registry import PACKAGE, Template, copy_initializer
from keras_attention.tensors import at_least_float32, check_ids


@keras.saving.register_keras_serializable(package=PACKAGE)
class CopyGenerator(Template, keras.layers.Layer):
    """Mixes the vocabulary's distribution with copies of source tokens.

    For each target position, with the decoder's state h, its input x, the
    source's states e and their ids:

    ```
    a = softmax(v' tanh(W h + U e))                     (PointerAttention)
    c = sum of a(s) e(s) over the source
    g = sigmoid(w_c' c + w_h' h + w_x' x + b)           (generate or copy)
    p(token) = g softmax(logits)(token)
               + (1 - g) sum of a(s) where source_ids(s) = token
    ```

    The result are the logarithms of p. They serve wherever logits do: their
    softmax is p again. A row without any source token generates (g = 1).

    In the paper `a` is the attention of the decoder. Here it is a layer of
    its own, since a Transformer has many of them, none meant to copy: so the
    layer goes on top of any decoder. Coverage, its other idea, needs the
    weights of the steps before and is not here.

    Ids of the source beyond the vocabulary let words be copied that it does
    not have: `vocabulary_size` for the first such word of a source,
    `vocabulary_size + 1` for the next, up to `num_extra` of them.

    Args:
        hidden_dim: integer, width of the pointer's network; that of the
            decoder's states by default.
        num_extra: integer, how many tokens of a source may be beyond the
            vocabulary.
        kernel_initializer: initializer of all kernels.

    Call arguments:
        hidden: `(batch, length, hidden_dim)`, the decoder's states.
        inputs: `(batch, length, input_dim)`, the embeddings it was fed.
        logits: `(batch, length, vocabulary_size)`.
        source: `(batch, source_length, source_dim)`, the encoder's states.
        source_ids: integers `(batch, source_length)`, which share the ids of
            the vocabulary.
        padding_mask: boolean `(batch, source_length)`, True for tokens that
            may be copied; the implicit Keras mask of `source`, or all, by
            default.
        memory: dictionary from `init_memory`, in place of these three.

    Returns:
        Log-probabilities `(batch, length, vocabulary_size + num_extra)`, in
        float32 or float64. What cannot come has -1e9.

    Raises:
        ValueError: if both or neither of `memory` and the source are given,
            or, in eager use, for ids outside the range.

    Example:

    ```python
    import keras
    from keras_attention import CopyGenerator

    layer = CopyGenerator()
    states = keras.random.normal((2, 7, 32))  # of a decoder
    embeddings = keras.random.normal((2, 7, 32))
    logits = keras.random.normal((2, 7, 100))
    source = keras.random.normal((2, 50, 32))  # states of an encoder
    source_ids = keras.random.randint((2, 50), 1, 100)
    layer(
        states, inputs=embeddings, logits=logits, source=source,
        source_ids=source_ids,
    ).shape  # (2, 7, 100)
    ```

    Reference:
        See, Liu, Manning 2017, Get To The Point: Summarization with
        Pointer-Generator Networks, https://arxiv.org/abs/1704.04368
    """

    def __init__(
        self,
        hidden_dim=None,
        num_extra=0,
        *,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_integer("hidden_dim", 1 if hidden_dim is None else hidden_dim)
        check_integer("num_extra", num_extra, smallest=0)
        self.hidden_dim = hidden_dim
        self.num_extra = num_extra
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.pointer = PointerAttention(
            hidden_dim,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name="pointer",
            dtype=self.dtype_policy,
        )
        self.hidden_gate = self._gate("hidden_gate", use_bias=True)
        self.input_gate = self._gate("input_gate")
        self.source_gate = self._gate("source_gate")

    def _gate(self, name, use_bias=False):
        layer = keras.layers.Dense(
            1,
            use_bias=use_bias,
            kernel_initializer=copy_initializer(self.kernel_initializer),
            name=name,
            dtype=self.dtype_policy,
        )
        layer.supports_masking = True
        return layer

    def build(
        self, hidden_shape, inputs_shape, logits_shape=None, source_shape=None
    ):
        if source_shape is None:
            raise ValueError(
                "A CopyGenerator is built with the shape of its source; call "
                "it with source and source_ids first."
            )
        self.pointer.build(hidden_shape, source_shape)
        self.hidden_gate.build(hidden_shape)
        self.input_gate.build(inputs_shape)
        self.source_gate.build(source_shape)

    def call(
        self,
        hidden,
        inputs,
        logits,
        source=None,
        source_ids=None,
        padding_mask=None,
        memory=None,
    ):
        given = (source is not None, source_ids is not None)
        if memory is None and given != (True, True) or memory and any(given):
            raise ValueError(
                "A CopyGenerator takes source and source_ids, or memory in "
                "their place."
            )
        if memory is None:
            num_tokens = logits.shape[-1] + self.num_extra
            check_ids("source_ids", source_ids, num_tokens, "vocabulary_size")
            memory = self.init_memory(source, source_ids, padding_mask)
        elif padding_mask is not None:
            raise ValueError(
                "The memory has the padding mask already; received another."
            )
        parts = {name: memory[name] for name in ("key", "value", "mask")}
        weights = self.pointer(hidden, memory=parts)
        dtype = at_least_float32(self.compute_dtype)
        gate = self.hidden_gate(hidden) + self.input_gate(inputs)
        # The gate's part of c: a product with w_c may come before the sum.
        gate = gate + ops.einsum("bts,bsi->bti", weights, memory["gate"])
        return mix(
            ops.cast(logits, dtype),
            ops.cast(gate, dtype),
            ops.cast(weights, dtype),
            memory["ids"],
            ops.any(memory["mask"], axis=-1)[:, None, None],
            self.num_extra,
        )

    def init_memory(self, source, source_ids, padding_mask=None):
        """Projects a source once for many calls.

        Args: as of the call.

        Returns:
            A dictionary of tensors `(batch, ...)`, to be handed to the call
            as `memory`.
        """
        memory = self.pointer.init_memory(source, padding_mask=padding_mask)
        check_shape("source_ids", source_ids, tuple(source.shape[:2]))
        return {
            **memory,
            "gate": self.source_gate(hide(source, memory["mask"])),
            "ids": ops.cast(source_ids, "int32"),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_extra": self.num_extra,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }
