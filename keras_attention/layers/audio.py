"""Sound as a sequence of vectors."""

import keras
from keras import ops

from keras_attention.checks import check_integer
from keras_attention.masks import as_mask, hide, implicit_mask
from keras_attention.registry import PACKAGE, Template


@keras.saving.register_keras_serializable(package=PACKAGE)
class AudioEmbedding(Template, keras.layers.Layer):
    """Turns frames of sound into vectors by convolutions, and fewer of them.

    Two convolutions over time, each with a GELU, of which the second takes
    every other frame: what Whisper puts before its encoder. What stands at
    padding does not reach its neighbours.

    ```python
    encoder = TransformerEncoder(None, 4, 256, 4, embedding=AudioEmbedding(256))
    ```

    Args:
        hidden_dim: integer, width of the vectors.
        num_mels: integer, numbers of a frame.
        kernel_size: odd integer, frames that a convolution sees at once.
        strides: integers, a convolution each: how many frames it moves on.

    Call arguments:
        inputs: frames `(batch, frames, num_mels)`.
        padding_mask: boolean `(batch, frames)`, True where there is sound.

    Returns:
        `(batch, frames / 2, hidden_dim)`, rounded up; of other strides,
        divided by each in turn. `output_mask(padding_mask)` gives the mask
        that goes with it.

    Raises:
        ValueError: if a size is no positive integer, `kernel_size` even, or
            frames have another width.

    Example:

    ```python
    import keras
    from keras_attention import AudioEmbedding

    layer = AudioEmbedding(hidden_dim=32)
    layer(keras.random.normal((2, 101, 80))).shape  # (2, 51, 32)
    ```

    Reference:
        Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak
        Supervision, https://arxiv.org/abs/2212.04356
    """

    def __init__(
        self, hidden_dim, num_mels=80, kernel_size=3, strides=(1, 2), **kwargs
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        check_integer("hidden_dim", hidden_dim)
        check_integer("num_mels", num_mels)
        if check_integer("kernel_size", kernel_size) % 2 == 0:
            raise ValueError(
                "kernel_size must be odd, so that a convolution has a middle. "
                f"Received: kernel_size={kernel_size}"
            )
        if not isinstance(strides, (list, tuple)) or not strides:
            raise ValueError(
                "strides must be a list of integers, one a convolution. "
                f"Received: strides={strides!r}"
            )
        self.hidden_dim = hidden_dim
        self.num_mels = num_mels
        self.kernel_size = kernel_size
        self.strides = tuple(check_integer("strides", x) for x in strides)

    @property
    def known_shape(self):
        """The shape to build with before any call."""
        return (None, None, self.num_mels)

    def build(self, input_shape=None):
        self.convolutions = [
            keras.layers.Conv1D(
                self.hidden_dim,
                self.kernel_size,
                strides=stride,
                activation=lambda x: ops.gelu(x, approximate=False),
                data_format="channels_last",
                name=f"convolution_{index}",
                dtype=self.dtype_policy,
            )
            for index, stride in enumerate(self.strides)
        ]
        width = self.num_mels
        for convolution in self.convolutions:
            convolution.build((None, None, width))
            width = self.hidden_dim

    def call(self, inputs, padding_mask=None, training=None):
        x = self._frames(inputs)
        mask = as_mask("padding_mask", padding_mask)
        side = self.kernel_size // 2
        for stride, convolution in zip(
            self.strides, self.convolutions, strict=True
        ):
            if mask is not None:
                x = hide(x, mask)
                mask = mask[:, ::stride]
            # Of strides, "same" would not see as far to both sides.
            x = convolution(ops.pad(x, [(0, 0), (side, side), (0, 0)]))
        return x

    def _frames(self, inputs):
        x = ops.cast(ops.convert_to_tensor(inputs), self.compute_dtype)
        if len(x.shape) == 3 and x.shape[-1] is None:
            x = ops.reshape(x, (*ops.shape(x)[:2], self.num_mels))
        if len(x.shape) != 3 or x.shape[-1] != self.num_mels:
            raise ValueError(
                f"frames must have the shape (batch, frames, {self.num_mels}). "
                f"Received: {tuple(x.shape)}"
            )
        return x

    def padding_mask(self, inputs):
        """The implicit Keras mask of the frames, or None."""
        return implicit_mask(inputs)

    def output_mask(self, padding_mask):
        """Marks the vectors that stand for sound, `(batch, frames / 2)`."""
        for stride in self.strides:
            padding_mask = padding_mask[:, ::stride]
        return padding_mask

    def compute_mask(self, inputs, previous_mask=None):
        if previous_mask is None:
            return None
        return self.output_mask(previous_mask)

    def length(self, frames):
        """Counts the vectors of so many frames."""
        for stride in self.strides:
            frames = -(-frames // stride)
        return frames

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_mels": self.num_mels,
            "kernel_size": self.kernel_size,
            "strides": list(self.strides),
        }
