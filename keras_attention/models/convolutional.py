"""Encoders of convolutions, which models with attention are compared with."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.layers import embeddings
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.parts import Parts
from keras_attention.layers.patches import as_images
from keras_attention.masks import as_mask
from keras_attention.models import least_weights
from keras_attention.models.hidden_states import HiddenStates
from keras_attention.models.recurrent_encoder import make_embedding
from keras_attention.models.saving import Preset
from keras_attention.models.transformer import unpack
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
        kernel_sizes = _check_sizes("kernel_sizes", kernel_sizes)
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


@keras.saving.register_keras_serializable(package=PACKAGE)
class ImageConvolutionEncoder(HiddenStates, Preset, keras.Model):
    """A small convolutional network for images.

    Each stage has two convolutions of 3 by 3, each with batch normalization
    and a ReLU, and takes the maximum of every 2 by 2 cells, as the networks
    of VGG do. What is left of the image is given as a sequence, row by row.

    Args:
        filters: integers, filters of each stage.
        channels: integer, numbers of a pixel.
        dropout: float, after each stage.

    Call arguments:
        images: `(batch, height, width, channels)`, or without the last axis
            for one channel. Height and width are at least
            `2 ** len(filters)`.
        training: whether to normalize by the batch and apply dropout.

    Returns:
        `(batch, cells, filters[-1])`.

    Raises:
        ValueError: if an argument is out of its range, or images are smaller.

    Example:

    ```python
    import keras
    from keras_attention import Classifier, ImageConvolutionEncoder

    encoder = ImageConvolutionEncoder(filters=(8, 16), channels=3)
    model = Classifier(encoder, num_classes=10, pooling="mean")
    model(keras.random.normal((2, 28, 28, 3))).shape  # (2, 10)
    ```

    Reference:
        Simonyan, Zisserman 2014, Very Deep Convolutional Networks,
        https://arxiv.org/abs/1409.1556; Ioffe, Szegedy 2015, Batch
        Normalization, https://arxiv.org/abs/1502.03167
    """

    def __init__(self, filters=(32, 64), channels=1, dropout=0.1, **kwargs):
        super().__init__(**kwargs)
        self.filters = _check_sizes("filters", filters)
        check_integer("channels", channels)
        self.channels = channels
        self.dropout = dropout
        self._check_weights()
        policy = {"dtype": self.dtype_policy}
        self.stages = Parts(
            Parts(
                self._convolution(number, f"stage_{stage}_{index}")
                for index in range(2)
            )
            for stage, number in enumerate(self.filters)
        )
        self.pool = keras.layers.MaxPooling2D(
            2, data_format="channels_last", **policy
        )
        self.dropouts = Parts(
            make_dropout(dropout, **policy) for _ in self.filters
        )
        self.build()

    def _check_weights(self):
        channels = (self.channels, *self.filters)
        pairs = zip(channels, self.filters, strict=False)
        count = sum(9 * number * (before + number) for before, number in pairs)
        least_weights.check_weights(
            self, {"convolutions": count}, "filters", "channels"
        )

    def _convolution(self, filters, name):
        policy = {"dtype": self.dtype_policy}
        parts = [
            keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                use_bias=False,
                data_format="channels_last",
                name=f"{name}_convolution",
                **policy,
            ),
            # Of Keras' own 0.99, short runs would keep the statistics that
            # they began with.
            keras.layers.BatchNormalization(
                momentum=0.9, name=f"{name}_norm", **policy
            ),
        ]
        return Parts(parts)

    def build(self, input_shape=None):
        if self.built:
            return
        channels = self.channels
        for stage, number in zip(self.stages, self.filters, strict=True):
            for convolution, norm in stage:
                convolution.build((None, None, None, channels))
                norm.build((None, None, None, number))
                channels = number

    @property
    def output_dim(self):
        """Width of the vector of a cell."""
        return self.filters[-1]

    def padding_mask(self, images):
        """None: every cell of an image counts."""
        return None

    def call(self, images, training=None):
        x = as_images(images, self.channels, self.compute_dtype)
        smallest = 2 ** len(self.filters)
        sizes = [size for size in x.shape[1:3] if size is not None]
        if min(sizes, default=smallest) < smallest:
            raise ValueError(
                f"images must be at least {smallest} high and wide. Received "
                f"the shape: {tuple(images.shape)}"
            )
        for stage, dropout in zip(self.stages, self.dropouts, strict=True):
            for convolution, norm in stage:
                x = ops.relu(norm(convolution(x), training=training))
            x = dropout(self.pool(x), training=training)
        return ops.reshape(x, (ops.shape(x)[0], -1, self.output_dim))

    def get_config(self):
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "channels": self.channels,
            "dropout": self.dropout,
        }


def _check_sizes(name, sizes):
    sizes = tuple(sizes) if isinstance(sizes, (list, tuple)) else ()
    if not sizes:
        raise ValueError(f"{name} must be a list of integers, not empty.")
    least_weights.check_layers(f"The length of {name}", len(sizes))
    for size in sizes:
        check_integer(name, size)
    return sizes
