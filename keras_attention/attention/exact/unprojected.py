"""Base of the flavours from recurrent networks, with fewer projections."""

from keras import ops

from keras_attention.attention.core import kv_cache
from keras_attention.attention.core.checks import refuse_unless
from keras_attention.attention.exact.base import ScoredAttention


class ContextAttention(ScoredAttention):
    """Base of flavours whose papers have fewer projections than a Transformer.

    There the result is the context vector, the weighted sum of what is
    attended to, as it is. A flavour says in `left_out` which projections do
    not exist; such a query, key or value is cut into heads.

    Args: as of `ScoredAttention`, and
        use_projections: whether there are the projections of multi-head
            attention that the paper has not, that of the output among them.
    """

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        use_projections=True,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        self.use_projections = use_projections
        refuse_unless(
            self,
            use_projections or self.num_kv_heads == num_heads,
            f"num_kv_heads={num_kv_heads} beside use_projections=False",
            "each head then takes its own part of the values, so leave "
            "num_kv_heads open",
        )

    def left_out(self):
        """Names the projections that do not exist.

        Returns:
            Some of `"query"`, `"key"`, `"value"`, `"attention_output"`.
        """
        return () if self.use_projections else ("value", "attention_output")

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        value_shape = value_shape or query_shape
        widths = {
            "query": query_shape[-1],
            "key": (key_shape or value_shape)[-1],
            "value": value_shape[-1],
        }
        left_out = self.left_out()
        for name in ("query", "key"):
            expected = self.num_heads * self.head_dim
            if name in left_out and widths[name] != expected:
                raise ValueError(
                    f"This {type(self).__name__} does not project its {name}, "
                    f"which must be num_heads * head_dim = {expected} wide. "
                    f"Received: {widths[name]}"
                )
        if "value" in left_out and widths["value"] % self.num_heads:
            raise ValueError(
                "The width of a value that is not projected must be a "
                f"multiple of num_heads={self.num_heads}. "
                f"Received: {widths['value']}"
            )
        self._value_dim = widths["value"] // self.num_heads

    def _dense(self, name, *arguments):
        if name in self.left_out():
            return None
        return super()._dense(name, *arguments)

    def project_query(self, query):
        return self._split(self.query_dense, query, self.num_heads)

    def project_source(self, key, value):
        heads = self.num_kv_heads
        return (
            self._split(self.key_dense, key, heads),
            self._split(self.value_dense, value, heads),
        )

    def project_output(self, output, query):
        if self.output_dense is not None:
            return self.output_dense(output)
        batch, length, heads, width = ops.shape(output)
        return ops.reshape(output, (batch, length, heads * width))

    def _split(self, dense, x, heads):
        if dense is not None:
            return dense(x)
        shape = (*ops.shape(x)[:2], heads, x.shape[-1] // heads)
        return ops.reshape(ops.cast(x, self.compute_dtype), shape)

    def init_cache(self, batch_size, max_length):
        cache = super().init_cache(batch_size, max_length)
        if self.value_dense is None:
            cache["value"] = kv_cache.empty(
                batch_size,
                self.num_heads,
                max_length,
                self._value_dim,
                self.compute_dtype,
            )["value"]
        return cache

    def get_config(self):
        return {
            **super().get_config(),
            "use_projections": self.use_projections,
        }
