"""Strings in, labels out."""

from keras_attention.tasks import text_batches
from keras_attention.tasks.checks import (
    check_positions,
    check_positive,
    check_tokenizer,
)
from keras_attention.tasks.classifier import Classifying, compiles_shapes


class TextClassifier(Classifying):
    """Names the class of a text.

    A text becomes a start token and its pieces; it is cut to `max_length`,
    with a warning that counts the texts cut. What is found for a text does
    not depend on those beside it, but for flavours that cannot tell padding
    from text (`"fourier"`) or whose grid is that of the batch (`"axial"`).

    Args:
        model: a `Classifier` over an encoder of tokens.
        tokenizer: a `SentencePieceTokenizer`.
        labels: list of strings, the names of the classes in the order of the
            model's logits.
        max_length: integer, tokens of a text, the start included.
        batch_size: integer, texts that are processed together.

    Call arguments:
        texts: a string or a list of strings.

    Returns:
        The label of the most probable class, or a list of labels.
        `probabilities(texts)` gives those of all classes.

    Raises:
        ValueError: if tokenizer, model, labels and settings do not fit
            together, or if something that is not text is given.

    Example:

    ```python
    from keras_attention import Classifier, TransformerEncoder
    from keras_attention.data import SentencePieceTokenizer
    from keras_attention.tasks import TextClassifier

    texts = ["a gripping film .", "a dull film .", "two hours too long ."]
    tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=24)
    encoder = TransformerEncoder(tokenizer.vocabulary_size, 2, 32, 4)
    model = Classifier(encoder, num_classes=2)
    classifier = TextClassifier(model, tokenizer, ["bad", "good"])
    answers = classifier(texts)
    classifier.probabilities(texts).shape  # (3, 2)
    classifier.save("sentiment")
    classifier = TextClassifier.load("sentiment")
    ```
    """

    kind = "text_classifier"
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self, model, tokenizer, labels, *, max_length=256, batch_size=32
    ):
        settings = {"max_length": max_length, "batch_size": batch_size}
        super().__init__(model, labels, settings)
        check_positive(**settings)
        if max_length < 2:
            raise ValueError(
                "max_length must be at least 2, the start and one token. "
                f"Received: max_length={max_length}"
            )
        check_tokenizer("", tokenizer, model.encoder, ["start_id"])
        check_positions(model.encoder, "max_length", max_length)
        self.tokenizer = tokenizer

    def __call__(self, texts):
        if isinstance(texts, str):
            return self([texts])[0]
        return self.name(self.probabilities(texts))

    def probabilities(self, texts):
        """Gives the probability of each class.

        Args:
            texts: list of strings.

        Returns:
            NumPy float32 `(len(texts), len(labels))`, in the order of
            `labels`.

        Raises:
            ValueError: if `texts` is not a list of strings.
        """
        if isinstance(texts, str) or not hasattr(texts, "__iter__"):
            raise ValueError(
                f"texts must be a list of strings. Received: {texts!r}"
            )
        return super().probabilities(list(texts))

    def encode(self, texts):
        """Turns a list of strings into lists of ids, as the model gets them."""
        return text_batches.encode_texts(
            self.tokenizer,
            texts,
            self.settings["max_length"],
            setting="max_length",
            mark="start",
        )

    def batches(self, texts):
        rows, size = self.encode(texts), self.settings["batch_size"]
        for chosen in text_batches.in_batches(rows, size):
            batch, shape = [rows[index] for index in chosen], None
            if compiles_shapes():
                shape = text_batches.rounded_shape(
                    batch, size, self.settings["max_length"]
                )
            yield (
                chosen,
                text_batches.pad(batch, self.tokenizer.padding_id, shape),
            )

    def attention_inputs(self, texts):
        """What `attention_maps` takes: the model, its inputs and their tokens.

        Args:
            texts: a string or a list of strings.

        Returns:
            `(model, inputs, tokens)`: inputs and tokens are dictionaries of
            `token_ids`, an array and lists of strings.

        Raises:
            ValueError: if there is no text, or something else.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not texts:
            raise ValueError("texts must hold a string at least. Received: []")
        rows = self.encode(texts)
        token_ids = text_batches.pad(rows, self.tokenizer.padding_id)
        tokens = self.tokenizer.pieces(rows)
        return self.model, {"token_ids": token_ids}, {"token_ids": tokens}

    def tokenizers(self):
        return [self.tokenizer]
