"""Images in, labels out."""

from keras_attention.tasks.classification import published_images
from keras_attention.tasks.classification.base import Classifying
from keras_attention.tasks.core.image_inputs import ImageInputs


class ImageClassifier(Classifying):
    """Names the class of an image.

    `from_preset` reads a published ViT or DeiT, and takes images of its size:

    ```python
    classifier = ImageClassifier.from_preset(folder)
    ```

    Args:
        model: a `Classifier` over an encoder of images, for example
            `TransformerEncoder(None, 6, 256, 8, embedding=PatchEmbedding(4,
            256))`.
        labels: list of strings, the names of the classes in the order of the
            model's logits; by default the model's own.
        image_shape: `(height, width, channels)` of the images.
        scale: number that pixels are multiplied with before the model sees
            them, for example `1 / 255`, or a list of one for each channel.
        offset: number, or numbers, that are then added.
        batch_size: integer, images that are processed together.

    Call arguments:
        images: array of numbers `(batch, height, width, channels)`, or
            without the last axis for one channel; or a single image without
            the first; or the path of an image file, or a list of paths.

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
    pipeline_tag = "image-classification"

    def __init__(
        self,
        model,
        labels=None,
        *,
        image_shape,
        scale=1.0,
        offset=0.0,
        batch_size=64,
    ):
        # Before its encoder is looked at, the model must be a Classifier.
        super().__init__(model, labels, {})
        self.inputs = ImageInputs(
            model.encoder, image_shape, scale, offset, batch_size
        )
        self.settings = self.inputs.settings

    def __call__(self, images):
        images, is_one = self.inputs.read(images)
        found = self.name(super().probabilities(images))
        return found[0] if is_one else found

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
        return super().probabilities(self.inputs.read(images)[0])

    @classmethod
    def preset_settings(cls, folder, model, tokenizers):
        return published_images.read_settings(folder, model)

    def batches(self, images):
        return self.inputs.batches(images)

    def attention_inputs(self, images):
        """What `attention_maps` takes: the model, its inputs and their tokens.

        Args:
            images: as of the call.

        Returns:
            `(model, inputs, tokens)`: an array, and the cells of the image as
            "row,column" where a Transformer sees them as patches, or else
            None.
        """
        images = self.inputs.scaled(self.inputs.read(images)[0])
        return self.model, images, self.inputs.cells()
