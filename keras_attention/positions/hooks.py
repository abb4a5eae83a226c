"""What attention asks of a position, and the answers of none at all."""


class PositionHooks:
    """The hooks of positional encodings, each of which does nothing here."""

    def embed(self, x, start=0):
        """Adds the encoding to embeddings `(batch, length, hidden_dim)`."""
        return x

    def rotate(self, x, positions, role):
        """Rotates split heads `(batch, length, heads, head_dim)`.

        Args:
            x: query or key heads.
            positions: integers `(length,)`, or with leading axes.
            role: `"query"` or `"key"`.

        Returns:
            A tensor of the shape and dtype of `x`.
        """
        return x

    def bias(self, query, key, query_positions, key_positions, causal):
        """Gives what is added to the scaled scores, or None.

        Args:
            query: `(batch, query_length, heads, head_dim)`.
            key: `(batch, key_length, kv_heads, head_dim)`.
            query_positions: integers `(..., query_length)`.
            key_positions: integers `(..., key_length)`.
            causal: whether queries see only the past.

        Returns:
            `(batch or 1, heads, query_length, key_length)` in float32, one
            row for each row of positions that have a leading axis.
        """
        return None

    def values(self, weights, query_positions, key_positions):
        """Gives what is added to the weighted values, or None.

        Args:
            weights: `(batch, heads, query_length, key_length)`.
            query_positions: integers `(..., query_length)`.
            key_positions: integers `(..., key_length)`.

        Returns:
            `(batch, query_length, heads, head_dim)`.
        """
        return None

    def bias_in(self, query, key, visible):
        """Gives the bias of one call of attention; by default that of `bias`.

        An encoding overrides it beside `bias` if it needs to know more than
        the positions: which keys count, that positions are in order, or their
        grid.

        Args:
            query, key: as of `bias`.
            visible: the `Visibility` of the call.

        Returns:
            What `bias` returns.
        """
        return self.bias(
            query,
            key,
            visible.query_positions,
            visible.key_positions,
            visible.causal,
        )

    def values_in(self, weights, visible):
        """Gives what is added to the values in one call of attention.

        Args:
            weights: as of `values`.
            visible: the `Visibility` of the call.

        Returns:
            What `values` returns.
        """
        return self.values(
            weights, visible.query_positions, visible.key_positions
        )

    def scale(self, head_dim):
        """Gives the factor of the scores; by default 1/sqrt(head_dim)."""
        return head_dim**-0.5

    @property
    def acts_in_attention(self):
        """Whether a hook that attention calls is overridden."""
        return self.overrides("rotate", "bias", "values", "scale")

    @property
    def acts_on_scores(self):
        """Whether a hook between queries and output is overridden."""
        return self.overrides("bias", "values", "scale")

    @property
    def acts_on_embeddings(self):
        """Whether `embed` is overridden."""
        return self.overrides("embed")

    def overrides(self, *hooks):
        """Whether this encoding does something in one of the hooks.

        Args:
            *hooks: names, `"bias"` or `"values"` for example. An encoding
                whose option turns one off says so here.

        Returns:
            True for any of them.
        """
        return any(
            getattr(type(self), hook) is not getattr(PositionHooks, hook)
            for hook in hooks
        )


class _NoPosition(PositionHooks):
    weights = ()


NO_POSITION = _NoPosition()
"""For attention across two sequences, which have no common order.

It holds nothing, so one serves every call: a layer made in a call costs more
than a small call itself, and `torch.compile` cannot trace it.
"""
