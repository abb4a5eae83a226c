"""Small changes that later models made to softmax attention."""

import keras
import numpy as np
from keras import ops

from keras_attention import registry
from keras_attention.attention.core import normalization
from keras_attention.attention.core.checks import refuse_unless
from keras_attention.attention.core.projections import Projections
from keras_attention.attention.core.softmax import Scoring
from keras_attention.checks import check_number, did_you_mean

_OVER = ("head", "all_heads")
_OF_THE_LAST_AXIS = (
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
)


class SoftmaxOptions:
    """The options that flavours whose weights are a softmax share.

    Mixed in before `Attention`. It normalizes and gates heads itself; the
    functions that compute weights receive the others as `self.scoring`. A
    flavour that builds its own projections ends with `build_options`.

    Args: as of `MultiHeadAttention`.
    """

    projections = (*Projections.projections, "gate")
    takes_more_than_booleans = ("qk_norm", "use_bias")
    supports_qk_norm = True
    num_maps = 1
    """How many softmaxes a head has, each with a sink of its own."""

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        scale=None,
        qk_norm=False,
        qk_norm_over="head",
        logit_softcap=None,
        gate=False,
        sink_logits=False,
        off_by_one=False,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if scale is not None:
            scale = check_number("scale", scale)
        if logit_softcap is not None:
            logit_softcap = check_number("logit_softcap", logit_softcap)
        if sink_logits and off_by_one:
            raise ValueError(
                "sink_logits learns the logit that off_by_one holds at 0; "
                "use one of them. Received: sink_logits=True, off_by_one=True"
            )
        if qk_norm_over not in _OVER:
            raise ValueError(
                f"qk_norm_over must be one of {_OVER}. Received: "
                f"{qk_norm_over!r}.{did_you_mean(qk_norm_over, _OVER)}"
            )
        if qk_norm_over != "head" and not qk_norm:
            raise ValueError(
                f"qk_norm_over={qk_norm_over!r} needs qk_norm, which says "
                f"what normalizes. Received: qk_norm={qk_norm!r}"
            )
        if not gate and isinstance(self.use_bias, list):
            if "gate" in self.use_bias:
                raise ValueError(
                    "use_bias may list the projection 'gate' with gate=True "
                    f"alone. Received: use_bias={self.use_bias}, gate={gate}"
                )
        refuse_unless(
            self,
            self.supports_qk_norm or not qk_norm,
            "qk_norm",
            "what its keys are made of is normalized already",
        )
        self.scale = scale
        self.qk_norm = _check_norm(qk_norm)
        self.qk_norm_over = qk_norm_over
        self.logit_softcap = logit_softcap
        # NumPy's booleans are not what a configuration can hold.
        self.gate = bool(gate)
        self.sink_logits = bool(sink_logits)
        self.off_by_one = bool(off_by_one)

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.build_options(query_shape)

    def build_options(self, query_shape, value_dim=None):
        """Makes the weights of the options, once `head_dim` is known.

        Args:
            query_shape: shape of the query, `(..., dim)`.
            value_dim: integer, width of a head's value; `head_dim` by default.
        """
        if self.qk_norm:
            for name in ("query", "key"):
                setattr(self, f"{name}_norm", self.make_norm(name))
        if self.gate:
            self.gate_dense = self._split_dense(
                "gate", self.num_heads, value_dim
            )
            self.gate_dense.build(query_shape)
        if self.sink_logits:
            self.sinks = self.add_weight(
                shape=(self.num_maps * self.num_heads,),
                initializer="zeros",
                name="sinks",
                autocast=False,
            )

    def make_norm(self, name):
        """Makes the normalization of what a projection gives.

        Args:
            name: `"query"`, `"key"` or the name of another projection.

        Returns:
            A built layer.
        """
        chosen = "rms_norm" if self.qk_norm is True else self.qk_norm
        norm = normalization.get(
            chosen, name=f"{name}_norm", dtype=self.dtype_policy
        )
        # Without it Keras warns whenever the input carries a mask.
        norm.supports_masking = True
        dense = getattr(self, f"{name}_dense")
        _, heads, width = dense.partial_output_shape
        if self.qk_norm_over == "all_heads":
            width = heads * width
        norm.build((None, width))
        return norm

    def normalize(self, norm, heads):
        """Normalizes heads `(batch, length, heads, width)`, if that is set.

        Args:
            norm: string, the attribute that holds the normalization.
            heads: the tensor.
        """
        if not self.qk_norm:
            return heads
        norm = getattr(self, norm)
        if self.qk_norm_over == "head":
            return norm(heads)
        heads = ops.convert_to_tensor(heads)
        shape = ops.shape(heads)
        joined = ops.reshape(heads, (*shape[:2], shape[2] * shape[3]))
        return ops.reshape(norm(joined), shape)

    @property
    def scoring(self):
        """The `Scoring` that these options ask for."""
        sink = 0.0 if self.off_by_one else None
        if self.sink_logits:
            sink = self.sinks
        return Scoring(self.scale, self.logit_softcap, sink)

    def project_query(self, query):
        return self.normalize("query_norm", super().project_query(query))

    def project_source(self, key, value):
        key_heads, value_heads = super().project_source(key, value)
        return self.normalize("key_norm", key_heads), value_heads

    def project_output(self, output, query):
        if self.gate:
            gates = ops.sigmoid(self.gate_dense(query))
            output = ops.convert_to_tensor(output) * gates
        return super().project_output(output, query)

    def get_config(self):
        return {
            **super().get_config(),
            "scale": self.scale,
            "qk_norm": self.qk_norm,
            "qk_norm_over": self.qk_norm_over,
            "logit_softcap": self.logit_softcap,
            "gate": self.gate,
            "sink_logits": self.sink_logits,
            "off_by_one": self.off_by_one,
        }


def _check_norm(qk_norm):
    """Reads which normalization, and refuses an unknown one at once."""
    if qk_norm is None or isinstance(qk_norm, (bool, np.bool_)):
        return bool(qk_norm)
    made = normalization.get(qk_norm, kind="qk_norm")
    axis = getattr(made, "axis", -1)
    known = type(made).__module__.startswith("keras.")
    if axis not in (-1, [-1], (-1,)) or (
        known and not isinstance(made, _OF_THE_LAST_AXIS)
    ):
        raise ValueError(
            "qk_norm must normalize the last axis alone, as layer_norm and "
            f"rms_norm do. Received: {type(made).__name__} with axis={axis}"
        )
    described = registry.describe(qk_norm)
    if isinstance(described, dict):
        # One configuration makes two layers, whose names are their own.
        config = dict(described.get("config", {}))
        config.pop("name", None)
        described = {**described, "config": config}
    return described
