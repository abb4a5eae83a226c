"""An embedding of tokens whose matrix is narrower than the model."""

import keras

from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class FactorizedEmbedding(TokenEmbedding):
    """Looks up narrow vectors, which are projected behind everything else.

    The matrix of a large vocabulary is `(vocabulary_size, embedding_dim)`. In
    a `TransformerEncoder` or `TransformerDecoder` the kinds of tokens and
    positions are added, and vectors normalized and dropped out, in this width,
    and projected to that of the model after that. A `TokenEmbedding` with
    `embedding_dim` projects first.

    Args:
        vocabulary_size, hidden_dim: see `TokenEmbedding`.
        embedding_dim: integer, the narrower width.
        **kwargs: further arguments of `TokenEmbedding`.

    Call arguments:
        inputs, reverse, segment_ids: see `TokenEmbedding`.
        narrow: whether vectors are returned as they were looked up, to be
            projected by the layer's `input_projection`.

    Returns:
        `(batch, length, hidden_dim)`; with `narrow=True` `(batch, length,
        embedding_dim)`; with `reverse=True` logits `(..., vocabulary_size)`.

    Example:

    ```python
    import keras
    from keras_attention import FactorizedEmbedding, TransformerEncoder

    embedding = FactorizedEmbedding(100, 32, 8, num_segments=2)
    encoder = TransformerEncoder(
        100, 2, 32, 4, position="learned", embedding=embedding,
        embedding_normalization="layer_norm",
    )
    encoder(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Lan et al. 2020, ALBERT, https://arxiv.org/abs/1909.11942;
        Clark et al. 2020, ELECTRA, https://arxiv.org/abs/2003.10555
    """

    projects_with_bias = True

    def __init__(self, vocabulary_size, hidden_dim, embedding_dim, **kwargs):
        super().__init__(
            vocabulary_size, hidden_dim, embedding_dim=embedding_dim, **kwargs
        )

    @property
    def looked_up_dim(self):
        return self.embedding_dim

    def widen(self, vectors):
        return vectors

    def call(
        self,
        inputs,
        reverse=False,
        segment_ids=None,
        training=None,
        narrow=False,
    ):
        found = super().call(inputs, reverse, segment_ids, training)
        return found if reverse or narrow else self.input_projection(found)
