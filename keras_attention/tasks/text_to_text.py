"""Strings in, strings out: a model with its tokenizers and settings."""

import keras
import numpy as np

from keras_attention.generation.generator import Generator
from keras_attention.models.encoder_decoder import EncoderDecoder
from keras_attention.tasks import hugging_face, text_batches
from keras_attention.tasks.checks import (
    check_settings,
    check_shared,
    check_tokenizer,
)
from keras_attention.tasks.task import Task


class TextToText(Task):
    """Translates, summarizes or rewrites text by beam search.

    An input is cut to `max_source_length`, with a warning that counts the
    inputs cut; a blank one gives an empty text. What a text becomes
    does not depend on those beside it.

    Args:
        model: an `EncoderDecoder`.
        source_tokenizer: a `SentencePieceTokenizer` for the input.
        target_tokenizer: one for the output; it may be the same.
        max_source_length: integer, tokens of an input, its end included.
        max_length: integer, tokens of an output, start and end included.
        min_length: integer, the least tokens of an output, start and end
            included; 0 for no minimum.
        no_repeat_ngram_size: integer `n`: no sequence of `n` tokens comes
            twice in an output, which keeps summaries from going in circles;
            0 to let them.
        num_beams: integer; 1 is greedy search.
        length_penalty: float; a beam's score is its log-probability over
            `length ** length_penalty`.
        batch_size: integer, inputs that are processed together.
        jit_compile: whether to compile with XLA: quicker for many inputs,
            slower for the first ones. `"auto"` does it on JAX alone, which
            would otherwise compile anew for every batch.

    Call arguments:
        texts: a string or a list of strings.

    Returns:
        A string, or a list of strings.

    Raises:
        ValueError: if tokenizers, model and settings do not fit together, or
            if something that is not text is given.

    Example:

    ```python
    from keras_attention import (
        EncoderDecoder, TransformerDecoder, TransformerEncoder,
    )
    from keras_attention.data import SentencePieceTokenizer
    from keras_attention.tasks import TextToText

    texts = ["a man rides a horse .", "ein Mann reitet auf einem Pferd ."]
    tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=27)
    size = tokenizer.vocabulary_size
    model = EncoderDecoder(
        TransformerEncoder(size, 2, 32, 4),
        TransformerDecoder(size, 2, 32, 4, cross_attention="multi_head"),
    )
    translator = TextToText(
        model, tokenizer, tokenizer, max_length=10, num_beams=5
    )
    translation = translator("a man rides a horse .")
    translator.save("translator")
    translator = TextToText.load("translator")
    ```
    """

    kind = "text_to_text"
    model_class = EncoderDecoder
    tokenizer_files = ("source_tokenizer.model", "target_tokenizer.model")

    def __init__(
        self,
        model,
        source_tokenizer,
        target_tokenizer,
        *,
        max_source_length=256,
        max_length=128,
        min_length=0,
        no_repeat_ngram_size=0,
        num_beams=4,
        length_penalty=1.0,
        batch_size=32,
        jit_compile="auto",
    ):
        settings = {
            "max_source_length": max_source_length,
            "max_length": max_length,
            "min_length": min_length,
            "no_repeat_ngram_size": no_repeat_ngram_size,
            "num_beams": num_beams,
            "length_penalty": length_penalty,
            "batch_size": batch_size,
            "jit_compile": jit_compile,
        }
        check_settings(model, settings)
        check_tokenizer("source", source_tokenizer, model.encoder, ["end_id"])
        check_tokenizer(
            "target", target_tokenizer, model.decoder, ["start_id", "end_id"]
        )
        check_shared(model, source_tokenizer, target_tokenizer)
        self.model = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.settings = settings
        self._generator = None

    def __call__(self, texts):
        if isinstance(texts, str):
            return self([texts])[0]
        token_ids, _ = self.generate(texts)
        return self.decode(token_ids)

    def generate(self, texts):
        """Generates token ids and their scores.

        Args:
            texts: list of strings.

        Returns:
            `(token_ids, scores)`: NumPy arrays `(len(texts), max_length)` of
            int32, with start, end and padding, and `(len(texts),)` of
            float32, each the best beam's log-probability over
            `length ** length_penalty`.

        Raises:
            ValueError: if `texts` is not a list of strings.
        """
        if isinstance(texts, str) or not hasattr(texts, "__iter__"):
            raise ValueError(
                f"texts must be a list of strings. Received: {texts!r}"
            )
        settings, tokenizer = self.settings, self.source_tokenizer
        max_source_length = settings["max_source_length"]
        rows = text_batches.encode_texts(
            tokenizer, list(texts), max_source_length
        )
        token_ids = np.zeros((len(rows), settings["max_length"]), "int32")
        scores = np.zeros(len(rows), "float32")
        batch_size = settings["batch_size"]
        is_empty = np.array([len(row) == 1 for row in rows], "bool")
        target = self.target_tokenizer
        token_ids[is_empty, :2] = target.start_id, target.end_id
        for chosen in text_batches.in_batches(rows, batch_size):
            chosen = [index for index in chosen if not is_empty[index]]
            if not chosen:
                continue
            batch, shape = [rows[index] for index in chosen], None
            if self._compiles_shapes():
                shape = text_batches.rounded_shape(
                    batch, batch_size, max_source_length
                )
            result = self._search(
                text_batches.pad(batch, tokenizer.padding_id, shape)
            )
            token_ids[chosen] = result["token_ids"][: len(chosen)]
            scores[chosen] = result["scores"][: len(chosen)]
        return token_ids, scores

    def decode(self, token_ids):
        """Turns generated ids into text.

        Args:
            token_ids: integers `(batch, length)`.

        Returns:
            A list of strings.
        """
        tokenizer = self.target_tokenizer
        # A model may know more ids than its tokenizer has pieces.
        known = token_ids < tokenizer.vocabulary_size
        token_ids = np.where(known, token_ids, tokenizer.unknown_id)
        return tokenizer.decode(token_ids) if len(token_ids) else []

    def attention_inputs(self, texts):
        """Generates outputs and gives what shows how they came about.

        `keras_attention.attention_maps(task, texts)` calls this. The model is
        fed the outputs beside the texts, so that its cross-attention aligns
        them.

        Args:
            texts: a string or a list of strings.

        Returns:
            `(model, inputs, tokens)`: the model's named inputs, and the pieces
            of `source_ids`, of `target_ids`, and of `"outputs"`, what each
            place of the target predicts.
        """
        return attention_inputs(self, texts)

    def _compiles_shapes(self):
        if self.settings["jit_compile"] == "auto":
            return keras.backend.backend() == "jax"
        return self.settings["jit_compile"]

    def limits(self):
        """Says when a search ends and what it may not give.

        Returns:
            A dictionary of keyword arguments of `beam_search`.
        """
        tokenizer, settings = self.target_tokenizer, self.settings
        return {
            "max_length": settings["max_length"],
            "end_id": tokenizer.end_id,
            "padding_id": tokenizer.padding_id,
            # There it counts what stands before the end.
            "min_length": max(settings["min_length"] - 1, 0),
            "no_repeat_ngram_size": settings["no_repeat_ngram_size"],
        }

    def _search(self, source_ids):
        settings = self.settings
        if self._generator is None:
            self._generator = Generator(
                self.model,
                **self.limits(),
                strategy="beam",
                settings={
                    "num_beams": settings["num_beams"],
                    "length_penalty": settings["length_penalty"],
                },
                jit_compile=self._compiles_shapes(),
            )
        start_id = self.target_tokenizer.start_id
        start = np.full((len(source_ids), 1), start_id, "int32")
        return self._generator(start, source_ids)

    def to_huggingface(self, folder):
        """Writes a folder for `transformers`; see `hugging_face.write`.

        Args:
            folder: path.
        """
        hugging_face.write(self, folder)

    def tokenizers(self):
        return [self.source_tokenizer, self.target_tokenizer]


def attention_inputs(task, texts):
    """Generates outputs and feeds them to the model beside the texts.

    Args:
        task: a `TextToText`.
        texts: a string or a list of strings.

    Returns:
        `(model, inputs, tokens)`: see `TextToText.attention_inputs`.

    Raises:
        ValueError: if there is no text, or something else.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    if not texts:
        raise ValueError("texts must hold a string at least. Received: []")
    outputs = task.generate(texts)[0]
    source, target = task.source_tokenizer, task.target_tokenizer
    limit = task.settings["max_source_length"] - 1
    rows = text_batches.encode_visible(source, texts)
    rows = [[*row[:limit], source.end_id] for row in rows]
    lengths = [_length(row, target) for row in outputs]
    fed = [
        [int(number) for number in row[:length]]
        for row, length in zip(outputs, lengths, strict=True)
    ]
    predicted = [
        [int(number) for number in row[1 : length + 1]]
        for row, length in zip(outputs, lengths, strict=True)
    ]
    inputs = {
        "source_ids": text_batches.pad(rows, source.padding_id),
        "target_ids": text_batches.pad(fed, target.padding_id),
    }
    tokens = {
        "source_ids": source.pieces(rows),
        "target_ids": target.pieces(fed),
        "outputs": target.pieces(predicted),
    }
    return task.model, inputs, tokens


def _length(row, tokenizer):
    """How many tokens a generated row predicts: up to its end."""
    ends = np.flatnonzero(row[1:] == tokenizer.end_id)
    return int(ends[0]) + 1 if len(ends) else len(row) - 1
