"""Images in, labels out."""

import numpy as np

from keras_attention.checks import is_real
from keras_attention.layers.patches import PatchEmbedding
from keras_attention.positions.core.grid import size_of
from keras_attention.tasks.checks import check_positions, check_positive
from keras_attention.tasks.classifier import Classifying
from keras_attention.tasks.text_batches import compiles_shapes


class ImageClassifier(Classifying):
    """Names the class of an image.

    Args:
        model: a `Classifier` over an encoder of images, for example
            `TransformerEncoder(None, 6, 256, 8, embedding=PatchEmbedding(4,
            256))`.
        labels: list of strings, the names of the classes in the order of the
            model's logits.
        image_shape: `(height, width, channels)` of the images.
        scale: number that pixels are multiplied with before the model sees
            them, for example `1 / 255`.
        offset: number that is then added.
        batch_size: integer, images that are processed together.

    Call arguments:
        images: array of numbers `(batch, height, width, channels)`, or
            without the last axis for one channel; or a single image without
            the first.

    Returns:
        The label of the most probable class of a single image, or a list of
        labels. `probabilities(images)` gives those of all classes.

    Raises:
        ValueError: if model, labels and settings do not fit together, or
            images have another shape.

    Example:

    ```python
    import keras
    from keras_attention import Classifier, PatchEmbedding, TransformerEncoder
    from keras_attention.tasks import ImageClassifier

    encoder = TransformerEncoder(
        None, 2, 32, 4, embedding=PatchEmbedding(2, 32), position="learned"
    )
    model = Classifier(encoder, num_classes=10)
    labels = [str(digit) for digit in range(10)]
    classifier = ImageClassifier(model, labels, image_shape=(8, 8, 1))
    images = keras.random.normal((2, 8, 8, 1))
    answers = classifier(keras.ops.convert_to_numpy(images))
    len(answers)  # 2
    classifier.save("digits")
    classifier = ImageClassifier.load("digits")
    ```
    """

    kind = "image_classifier"

    def __init__(
        self,
        model,
        labels,
        *,
        image_shape,
        scale=1.0,
        offset=0.0,
        batch_size=64,
    ):
        shape = tuple(image_shape) if np.iterable(image_shape) else ()
        if len(shape) != 3:
            raise ValueError(
                "image_shape must be (height, width, channels). Received: "
                f"{image_shape!r}"
            )
        check_positive(batch_size=batch_size)
        for size in shape:
            check_positive(image_shape=size)
        for name, number in (("scale", scale), ("offset", offset)):
            # Float32 holds no larger ones.
            if not is_real(number) or not abs(number) < 2.0**127:
                raise ValueError(
                    f"{name} must be a number. Received: {name}={number!r}"
                )
        settings = {
            "image_shape": list(shape),
            "scale": float(scale),
            "offset": float(offset),
            "batch_size": batch_size,
        }
        super().__init__(model, labels, settings)
        _check_channels(model.encoder, shape[-1])
        _check_patches(model.encoder, shape)

    def __call__(self, images):
        images = as_array(images)
        if self._is_one(images):
            return self(images[None])[0]
        return self.name(self.probabilities(images))

    def probabilities(self, images):
        """Gives the probability of each class.

        Args:
            images: `(batch, height, width, channels)`, or without the last
                axis for one channel.

        Returns:
            NumPy float32 `(batch, len(labels))`, in the order of `labels`.

        Raises:
            ValueError: for images of another shape.
        """
        return super().probabilities(self._checked(images))

    def prepare(self, images):
        """Scales images of the right shape: what the model gets, float32."""
        images = np.asarray(images, "float32").reshape(
            (-1, *self.settings["image_shape"])
        )
        return images * np.float32(self.settings["scale"]) + np.float32(
            self.settings["offset"]
        )

    def batches(self, images):
        size = self.settings["batch_size"]
        for first in range(0, len(images), size):
            batch = self.prepare(images[first : first + size])
            chosen = np.arange(first, first + len(batch))
            if compiles_shapes() and len(batch) < size and first:
                batch = np.resize(batch, (size, *batch.shape[1:]))
            yield chosen, batch

    def _is_one(self, images):
        shape = tuple(self.settings["image_shape"])
        return images.shape == shape or (
            shape[-1] == 1 and images.shape == shape[:-1]
        )

    def _checked(self, images):
        images = as_array(images)
        if not images.size and images.ndim < 3:
            images = images.reshape((0, *self.settings["image_shape"]))
        shape = tuple(self.settings["image_shape"])
        accepted = [shape, shape[:-1]] if shape[-1] == 1 else [shape]
        if images.ndim < 3 or images.shape[1:] not in accepted:
            sizes = ", ".join(map(str, shape))
            raise ValueError(
                f"images must have the shape (batch, {sizes}). Received: "
                f"{images.shape}"
            )
        return images

    def attention_inputs(self, images):
        """What `attention_maps` takes: the model, its inputs and their tokens.

        Args:
            images: as of the call.

        Returns:
            `(model, inputs, tokens)`: an array, and the cells of the image as
            "row,column" where a Transformer sees them as patches, or else
            None.
        """
        images = as_array(images)
        if self._is_one(images):
            images = images[None]
        inputs = self.prepare(self._checked(images))
        embedding = getattr(self.model.encoder, "embedding", None)
        if not isinstance(embedding, PatchEmbedding):
            return self.model, inputs, None
        grid = embedding.grid(*inputs.shape[1:3])
        cells = [f"{row},{column}" for row, column in np.ndindex(grid)]
        tokens = ["class", "distillation"][: embedding.num_class_tokens]
        return self.model, inputs, tokens + cells


def as_array(images):
    """Makes an array of images, and refuses what is no picture.

    Args:
        images: array or nested lists.

    Returns:
        A NumPy array.

    Raises:
        ValueError: for several shapes, or what is not a finite real number.
    """
    try:
        images = np.asarray(images)
    except ValueError:  # NumPy's word for rows of several lengths
        raise ValueError(
            "images must all have one shape. Received: several"
        ) from None
    kind = images.dtype.kind
    if kind not in "biuf" and "float" not in images.dtype.name:
        raise ValueError(f"images must be numbers. Received: {images.dtype}")
    if kind not in "biu" and not np.isfinite(images.astype("float32")).all():
        raise ValueError(
            "images must be finite numbers. Received: NaN or infinity"
        )
    return images


def _check_channels(encoder, channels):
    """Refuses a model that takes no images, or others."""
    part = getattr(encoder, "embedding", encoder)
    expected = getattr(part, "channels", None)
    if expected != channels:
        takes = f"{expected} channels" if expected else "no images"
        raise ValueError(
            f"The {type(encoder).__name__} of the model takes {takes}. "
            f"Received: image_shape with {channels} channels"
        )


def _check_patches(encoder, shape):
    """Refuses encodings and flavours made for other patches than an image's."""
    embedding = getattr(encoder, "embedding", None)
    if not isinstance(embedding, PatchEmbedding):
        return
    grid = embedding.grid(*shape[:2])
    patches = grid[0] * grid[1]
    for part in getattr(encoder, "parts_on_grid", list)():
        found = part.grid
        if found is None and not getattr(part, "grid_of_attention", False):
            found = size_of(patches)
        if found is None or tuple(found) != grid:
            raise ValueError(
                f"image_shape has {grid[0]} rows of {grid[1]} patches; give "
                f"{type(part).__name__} grid={grid}. Received: a grid of "
                f"{found}"
            )
    count = patches + embedding.num_class_tokens
    check_positions(encoder, "image_shape", count)
