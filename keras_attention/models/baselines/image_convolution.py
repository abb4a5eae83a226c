"""An encoder of images by convolutions, to compare attention with."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.parts import Parts
from keras_attention.layers.patches import as_images
from keras_attention.models import least_weights
from keras_attention.models.baselines.convolutional import check_sizes
from keras_attention.models.hidden_states import HiddenStates
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE


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
        self.filters = check_sizes("filters", filters)
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
