"""An encoder of text by convolutions, to compare attention with."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.layers import embeddings
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.parts import Parts
from keras_attention.masks import as_mask
from keras_attention.models import least_weights
from keras_attention.models.baselines.recurrent_encoder import make_embedding
from keras_attention.models.call_inputs import unpack
from keras_attention.models.hidden_states import HiddenStates
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class ConvolutionalEncoder(HiddenStates, Preset, keras.Model):
    """Kim's convolutions over the words of a text.

    Filters of several widths go over the embeddings side by side, each
    followed by a ReLU. With the maximum over time on top, `Classifier(encoder,
    num_classes, pooling="max", dropout=0.5)`, it is the paper's CNN-rand.
    There filters lie wholly within a padded text; here each word has one in
    its middle, and padding counts as zeros.

    Args:
        vocabulary_size: integer, number of tokens.
        embedding_dim: integer, width of the embedding.
        filters: integer, filters of each width.
        kernel_sizes: integers, the widths.
        dropout: float, for the embeddings (the paper has none).
        embedding: `"tokens"`, a configuration, or a layer with a method
            `padding_mask(inputs)`, which is used as it is.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary with
            `token_ids` and optionally `padding_mask`.
        padding_mask: boolean `(batch, length)`; by default where the ids are
            not the padding id, 0.
        training: whether to apply dropout.

    Returns:
        `(batch, length, filters * len(kernel_sizes))`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    ```python
    import keras
    from keras_attention import Classifier, ConvolutionalEncoder

    encoder = ConvolutionalEncoder(100, embedding_dim=32, filters=16)
    model = Classifier(encoder, num_classes=2, pooling="max")
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 2)
    ```

    Reference:
        Kim 2014, Convolutional Neural Networks for Sentence Classification,
        https://arxiv.org/abs/1408.5882
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_dim=300,
        *,
        filters=100,
        kernel_sizes=(3, 4, 5),
        dropout=0.0,
        embedding="tokens",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_integer("embedding_dim", embedding_dim)
        check_integer("filters", filters)
        kernel_sizes = check_sizes("kernel_sizes", kernel_sizes)
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.filters = filters
        self.kernel_sizes = kernel_sizes
        self.dropout = dropout
        policy = {"dtype": self.dtype_policy}
        self.embedding = make_embedding(
            embedding, vocabulary_size, embedding_dim, **policy
        )
        self.embedding_dropout = make_dropout(dropout, **policy)
        self.convolutions = Parts(
            keras.layers.Conv1D(
                filters,
                size,
                padding="same",
                activation="relu",
                name=f"convolution_{size}",
                **policy,
            )
            for size in kernel_sizes
        )
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        dim = self.embedding_dim
        counts = {
            "embedding": least_weights.of_layer(self.embedding, dim),
            "convolutions": sum(self.kernel_sizes) * dim * self.filters,
        }
        sizes = "vocabulary_size", "embedding_dim", "filters", "kernel_sizes"
        least_weights.check_weights(self, counts, *sizes)
        known_shape = getattr(self.embedding, "known_shape", None)
        if not self.embedding.built and known_shape is not None:
            self.embedding.build(known_shape)
        for convolution in self.convolutions:
            convolution.build((None, None, self.embedding_dim))

    @property
    def output_dim(self):
        """Width of the vector of a token."""
        return self.filters * len(self.kernel_sizes)

    def call(self, token_ids, padding_mask=None, training=None):
        token_ids, padding_mask = unpack(
            token_ids, ("token_ids", None), ("padding_mask", padding_mask)
        )
        if padding_mask is None:
            padding_mask = self.padding_mask(token_ids)
        padding_mask = as_mask("padding_mask", padding_mask)
        x = self.embedding(token_ids, training=training)
        x = self.embedding_dropout(x, training=training)
        if 0 in tuple(x.shape)[:2]:  # where Keras' Conv1D fails on TensorFlow
            return ops.zeros((*ops.shape(x)[:2], self.output_dim), x.dtype)
        if padding_mask is not None:
            x = ops.where(ops.expand_dims(padding_mask, -1), x, 0.0)
        return ops.concatenate([c(x) for c in self.convolutions], axis=-1)

    def padding_mask(self, token_ids):
        """Marks the positions of `(batch, length)` that hold a token."""
        return self.embedding.padding_mask(token_ids)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.embedding_dim,
            "filters": self.filters,
            "kernel_sizes": list(self.kernel_sizes),
            "dropout": self.dropout,
            "embedding": embeddings.describe_shared(self.embedding),
        }


def check_sizes(name, sizes):
    """Reads a list of positive integers.

    Args:
        name: the argument's name.
        sizes: what was received.

    Returns:
        A tuple.

    Raises:
        ValueError: if it is empty, no list, or holds something else.
    """
    sizes = tuple(sizes) if isinstance(sizes, (list, tuple)) else ()
    if not sizes:
        raise ValueError(f"{name} must be a list of integers, not empty.")
    least_weights.check_layers(f"The length of {name}", len(sizes))
    for size in sizes:
        check_integer(name, size)
    return sizes
