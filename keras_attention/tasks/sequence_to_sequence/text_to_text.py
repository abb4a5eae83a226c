"""Strings in, strings out: a model with its tokenizers and settings."""

from keras_attention.data.tokenizers import load_tokenizer
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.checks import (
    check_shared,
    check_tokenizer,
    padding_of,
)
from keras_attention.tasks.core.text_inputs import check_list
from keras_attention.tasks.sequence_to_sequence import (
    hugging_face,
    search_settings,
)
from keras_attention.tasks.sequence_to_sequence.alignment import (
    attention_inputs,
)
from keras_attention.tasks.sequence_to_sequence.base import SourceToText


class TextToText(SourceToText):
    """Translates, summarizes or rewrites text by beam search.

    An input is cut to `max_source_length`, with a warning that counts the
    inputs cut; a blank one gives an empty text. What a text becomes
    does not depend on those beside it. `from_preset` reads a published model
    and generates as its `generation_config.json` says:

    ```python
    translator = TextToText.from_preset(
        folder, source_language="en_XX", target_language="fr_XX"
    )
    ```

    Args:
        model: an `EncoderDecoder`.
        source_tokenizer: a `SentencePieceTokenizer` for the input, or any
            that `load_tokenizer` reads.
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
        early_stopping: True, False or `"never"`, when a search is complete:
            see `beam_search`.
        batch_size: integer, inputs that are processed together.
        decoder_start_id: integer, the id before an output; by default the
            `start_id` of `target_tokenizer`. T5 and Pegasus start with the
            padding id, BART and mBART with the end id.
        forced_start_id: integer, the id that every output begins with behind
            the start, whatever its probability; None for none.
        source_language, target_language: string, of a model of many
            languages, as its tokenizer names them: `"fr"`, `"fr_XX"` or
            `"fra_Latn"`. The target language becomes the `forced_start_id`
            where a decoder starts with the end id (mBART-50, M2M100, NLLB),
            and otherwise the `decoder_start_id` (mBART).
        constraints: dictionary of other arguments of `Constraints`, such as
            `{"repetition_penalty": 1.2, "bad_words": [[7, 5]]}`.
        jit_compile: whether to compile with XLA: quicker for many inputs,
            slower for the first ones. `"auto"` does it on JAX alone, which
            would otherwise compile anew for every batch.

    Call arguments:
        texts: a string or a list of strings.
        return_scores: whether to give scores too.

    Returns:
        A string for one text, a list of them for a list. With
        `return_scores` each is a dictionary of `"text"` and `"score"`, the
        best beam's log-probability over `length ** length_penalty`.

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
    pipeline_tag = "text2text-generation"
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
        early_stopping=False,
        batch_size=32,
        decoder_start_id=None,
        forced_start_id=None,
        source_language=None,
        target_language=None,
        constraints=None,
        jit_compile="auto",
    ):
        settings = {
            "max_source_length": max_source_length,
            "max_length": max_length,
            "min_length": min_length,
            "no_repeat_ngram_size": no_repeat_ngram_size,
            "num_beams": num_beams,
            "length_penalty": length_penalty,
            "early_stopping": early_stopping,
            "batch_size": batch_size,
            "decoder_start_id": decoder_start_id,
            "forced_start_id": forced_start_id,
            "source_language": source_language,
            "target_language": target_language,
            "constraints": search_settings.check_constraints(constraints),
            "jit_compile": jit_compile,
        }
        source_tokenizer = search_settings.with_languages(
            settings, source_tokenizer, target_tokenizer
        )
        super().__init__(model, target_tokenizer, settings, side="target")
        needed = ["end_id"] if source_tokenizer.templates is None else []
        check_tokenizer("source", source_tokenizer, model.encoder, needed)
        check_shared(model, source_tokenizer, target_tokenizer)
        self.source_tokenizer = source_tokenizer

    @classmethod
    def preset_tokenizers(cls, folder):
        source = load_tokenizer(folder)
        # Only Marian has two.
        if not getattr(source, "is_marian", False):
            return [source, source]
        return [source, load_tokenizer(folder, target=True)]

    @classmethod
    def preset_settings(cls, folder, model, tokenizers):
        return search_settings.published(model, *tokenizers)

    def __call__(self, texts, *, return_scores=False):
        if isinstance(texts, str):
            return self([texts], return_scores=return_scores)[0]
        return self.answers(*self.generate(texts), return_scores)

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
        texts = check_list(texts)
        return self.search(
            text_batches.encode_texts(
                self.source_tokenizer,
                texts,
                self.settings["max_source_length"],
            )
        )

    def source_batches(self, sources):
        batch_size = self.settings["batch_size"]
        # What has no tokens but its marks stays empty.
        num_marks = self.source_tokenizer.num_special_tokens()
        for chosen in text_batches.in_batches(sources, batch_size):
            chosen = [x for x in chosen if len(sources[x]) > num_marks]
            if not chosen:
                continue
            batch, shape = [sources[index] for index in chosen], None
            if self.compiles_shapes():
                shape = text_batches.rounded_shape(
                    batch, batch_size, self.settings["max_source_length"]
                )
            padded = text_batches.pad(batch, self.source_padding_id, shape)
            yield chosen, {"source_ids": padded}

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

    @property
    def source_padding_id(self):
        """The id that fills up a batch of inputs."""
        return padding_of(self.source_tokenizer, self.model.encoder)

    def to_huggingface(self, folder):
        """Writes a folder for `transformers`; see `hugging_face.write`.

        Args:
            folder: path.
        """
        hugging_face.write(self, folder)

    def tokenizers(self):
        return [self.source_tokenizer, self.target_tokenizer]
