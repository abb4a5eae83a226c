"""Strings in, labels out."""

import reprlib

from keras_attention.models.published.reading import CONFIG
from keras_attention.tasks.classification.base import Classifying
from keras_attention.tasks.core.text_inputs import TextInputs, check_list


class TextClassifier(Classifying):
    """Names the class of a text, or of a pair of texts.

    A text gets the special tokens of a published tokenizer's template, or the
    start id of one without; it is cut to `max_length`, with a warning that
    counts the texts cut. What is found for a text does
    not depend on those beside it, but for flavours that cannot tell padding
    from text (`"fourier"`) or whose grid is that of the batch (`"axial"`).

    Args:
        model: a `Classifier` over an encoder of tokens.
        tokenizer: a `Tokenizer`, such as a `SentencePieceTokenizer` or one
            from `load_tokenizer`.
        labels: list of strings, the names of the classes in the order of the
            model's logits; by default the model's own.
        max_length: integer, tokens of a text, special ones included; None for
            what model and tokenizer allow, or 256 where neither has a limit.
        batch_size: integer, texts that are processed together.

    Call arguments:
        texts: a string, or a pair of them as a tuple, for models of pairs; or
            a list of such.

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
    pipeline_tag = "text-classification"
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self,
        model,
        tokenizer,
        labels=None,
        *,
        max_length=None,
        batch_size=32,
    ):
        settings = {"max_length": max_length, "batch_size": batch_size}
        super().__init__(model, labels, settings)
        self.inputs = TextInputs(
            model.encoder, tokenizer, max_length, batch_size
        )
        settings["max_length"] = self.inputs.max_length
        self.tokenizer = tokenizer

    def __call__(self, texts):
        if isinstance(texts, (str, tuple)):
            return self([texts])[0]
        return self.name(self.probabilities(texts))

    def probabilities(self, texts):
        """Gives the probability of each class.

        Args:
            texts: list of strings, or of pairs of them as tuples.

        Returns:
            NumPy float32 `(len(texts), len(labels))`, in the order of
            `labels`.

        Raises:
            ValueError: if `texts` is not a list of strings.
        """
        if isinstance(texts, tuple):
            # In a call it is a pair.
            raise ValueError(
                "texts must be a list of strings, or of pairs of them. "
                f"Received: {reprlib.repr(texts)}"
            )
        return super().probabilities(check_list(texts))

    def encode(self, texts):
        """Turns a list of texts into lists of ids, as the model gets them."""
        return [ids for ids, _ in self.inputs.encode(texts)]

    def batches(self, texts):
        return self.inputs.batches(self.inputs.encode(texts))

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
        is_one = isinstance(texts, (str, tuple))
        texts = [texts] if is_one else list(texts)
        if not texts:
            raise ValueError("texts must hold a string at least. Received: []")
        rows = self.inputs.encode(texts)
        tokens = self.tokenizer.pieces([ids for ids, _ in rows])
        return self.model, self.inputs.arrays(rows), {"token_ids": tokens}

    def tokenizers(self):
        return [self.tokenizer]

    @classmethod
    def preset_settings(cls, folder, model, tokenizers):
        problem = (model.published or {}).get("problem_type")
        if problem == "multi_label_classification":
            raise ValueError(
                f"{folder / CONFIG} describes a model that gives several "
                "classes to one text, with a probability each. A "
                "TextClassifier names one class; read the model with "
                "Classifier.from_preset."
            )
        return {}
