"""Base of the encoder and the decoder: embedding, blocks, final norm."""

import keras

# Keras has no public way to hold a layer without making it a sublayer.
from keras.src.utils.tracking import DotNotTrackScope

from keras_attention import attention as attention_layers
from keras_attention import positions
from keras_attention.attention.core import normalization as normalizations
from keras_attention.checks import check_boolean
from keras_attention.layers import blocks, embeddings
from keras_attention.layers import feed_forward as feed_forwards
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.norm_first import (
    refuse_norm_first,
    translate_norm_first,
)
from keras_attention.layers.parts import Parts
from keras_attention.models import least_weights
from keras_attention.models.layer_positions import LayerPositions
from keras_attention.models.saving.preset import Preset
from keras_attention.models.transformer_checks import (
    check_embedding,
    check_grid,
    check_heads,
    check_sizes,
)
from keras_attention.registry import check_given, describe


class Transformer(Preset, keras.Model):
    """Base of `TransformerEncoder` and `TransformerDecoder`.

    It is built at construction, so weights can be counted, loaded and saved
    before the first call.

    Args: see `TransformerEncoder`.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        hidden_dim,
        num_heads,
        *,
        intermediate_dim=None,
        attention="multi_head",
        cross_attention=None,
        position="sinusoidal",
        feed_forward="gelu",
        normalization="layer_norm",
        residual="pre_norm",
        block=None,
        dropout=0.1,
        embedding="tokens",
        embedding_normalization=None,
        final_normalization=True,
        tie_embeddings=True,
        memory_dim=None,
        **kwargs,
    ):
        refuse_norm_first(kwargs)
        super().__init__(**kwargs)
        check_sizes(num_layers, hidden_dim, num_heads, dropout)
        least_weights.check_layers("num_layers", num_layers)
        check_given(normalization=normalization, residual=residual)
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        if intermediate_dim is None:
            intermediate_dim = 4 * hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        check_boolean("final_normalization", final_normalization)
        self.final_normalization = bool(final_normalization)
        self.tie_embeddings = tie_embeddings
        self.memory_dim = memory_dim
        self._parts = {
            "attention": _describe_all(attention),
            "cross_attention": _describe_all(cross_attention),
            "position": _describe_all(position),
            "feed_forward": describe(feed_forward),
            "normalization": describe(normalization),
            "residual": describe(residual),
            "block": describe(block),
            "embedding_normalization": describe(embedding_normalization),
        }
        policy = {"dtype": self.dtype_policy}
        if not isinstance(embedding, keras.layers.Layer):
            embedding = embeddings.get(
                embedding,
                vocabulary_size=vocabulary_size,
                hidden_dim=hidden_dim,
                tie_weights=tie_embeddings,
                name="embedding",
                **policy,
            )
        self.embedding = embedding
        check_embedding(self)
        if isinstance(position, (list, tuple)):
            self.position = LayerPositions(position, **policy)
        else:
            self._place(positions.get(position, name="position", **policy))
        self.embedding_norm = None
        if embedding_normalization is not None:
            self.embedding_norm = normalizations.get(
                embedding_normalization,
                kind="embedding_normalization",
                name="embedding_norm",
                **policy,
            )
        self.embedding_dropout = make_dropout(dropout, **policy)
        self.blocks = Parts(
            self._make_block(index, attention, cross_attention, feed_forward)
            for index in range(num_layers)
        )
        check_grid(self)
        self.final_norm = None
        ends_normalized = self.blocks[-1].residual.ends_normalized
        if final_normalization and not ends_normalized:
            self.final_norm = normalizations.get(
                normalization, name="final_norm", **policy
            )

    @property
    def output_dim(self):
        """Width of the vector of a token."""
        return self.hidden_dim

    def _place(self, position):
        """Keeps the encoding of the model, or what the blocks clone."""
        if position.shared or position.acts_on_embeddings:
            self.position = position
            return
        # A template is never built, which `quantize` refuses in a layer.
        with DotNotTrackScope():
            self.position = position

    def parts_on_grid(self):
        """Lists attention and encodings that take places for cells of a grid.

        Returns:
            List of layers with an attribute `grid`, which may be None. An
            encoding that goes by the grid of its attention is left out.
        """
        parts = []
        for block in self.blocks:
            mixer = block.attention
            position = getattr(mixer, "position", None)
            if hasattr(mixer, "grid"):
                parts.append(mixer)
                if getattr(position, "grid_of_attention", False):
                    continue
            if hasattr(position, "grid") and getattr(position, "axes", 2) == 2:
                parts.append(position)
        return parts

    def _make_block(self, index, attention, cross_attention, feed_forward):
        defaults = {
            "num_heads": self.num_heads,
            "dropout": self.dropout,
            "dtype": self.dtype_policy,
        }
        position = self._position_of_block(index)
        mixer = attention_layers.get(
            _nth(attention, index),
            position=position,
            name="attention",
            **defaults,
        )
        check_heads(mixer, self.hidden_dim)
        cross = _nth(cross_attention, index)
        if cross is not None:
            cross = attention_layers.get(
                cross, name="cross_attention", **defaults
            )
            check_heads(cross, self.hidden_dim)
        return blocks.get(
            self._parts["block"],
            attention=mixer,
            feed_forward=feed_forwards.get(
                feed_forward,
                name="feed_forward",
                intermediate_dim=self.intermediate_dim,
                dropout=self.dropout,
                dtype=self.dtype_policy,
            ),
            cross_attention=cross,
            normalization=self._parts["normalization"],
            residual=self._parts["residual"],
            dropout=self.dropout,
            memory_dim=self.memory_dim,
            name=f"block_{index}",
            dtype=self.dtype_policy,
        )

    def _position_of_block(self, index):
        position = self.position
        if isinstance(position, LayerPositions):
            return position.of_block(index)
        if not position.acts_in_attention:
            return None
        if position.shared:
            return position
        return positions.get(self._parts["position"], dtype=self.dtype_policy)

    def build(self, input_shape=None):
        if self.built:
            return
        least_weights.check_weights(
            self,
            least_weights.of_transformer(self),
            "vocabulary_size",
            "num_layers",
            "hidden_dim",
            "num_heads",
            "intermediate_dim",
        )
        shape = (None, None, self.hidden_dim)
        # Others are built by the first call.
        known_shape = getattr(self.embedding, "known_shape", None)
        if not self.embedding.built and known_shape is not None:
            self.embedding.build(known_shape)
        # What is added to embeddings has the width in which they are found.
        width = getattr(self.embedding, "looked_up_dim", self.hidden_dim)
        if self.position.acts_on_embeddings:
            self.position.build((None, None, width))
        if self.embedding_norm is not None:
            self.embedding_norm.build((None, None, width))
        for block in self.blocks:
            block.build(shape)
        if self.final_norm is not None:
            self.final_norm.build(shape)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Makes a model; a file of an earlier version may say `norm_first`."""
        return super().from_config(translate_norm_first(config), custom_objects)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "final_normalization": self.final_normalization,
            "embedding": embeddings.describe_shared(self.embedding),
            **self._parts,
        }


def _nth(part, index):
    if not isinstance(part, (list, tuple)):
        return part
    if not part:
        raise ValueError("A list of attention layers holds one at least.")
    return part[index % len(part)]


def _describe_all(part):
    if isinstance(part, (list, tuple)):
        return [describe(p) for p in part]
    return describe(part)
