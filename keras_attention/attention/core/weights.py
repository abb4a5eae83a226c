"""The weights of a call, to look at."""

from keras_attention.attention.core.inputs import (
    first_mask,
    other_than,
    prepare,
)
from keras_attention.masks import implicit_mask


class WeightsToShow:
    """Gives the weights of a call as a tensor; mixed into `Attention`."""

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
            padding_mask = first_mask(
                implicit_mask(key),
                implicit_mask(query if value is None else value),
            )
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

    def compute_weights(self, query, key, visible, position, **inputs):
        """Gives the weights of `attend` as one dense tensor.

        Args: as of `attend`, without `value` and `training`.

        Returns:
            `(batch, num_heads, query_length, key_length)`.
        """
        raise ValueError(f"{type(self).__name__} has no attention weights.")
