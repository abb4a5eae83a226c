"""A question and a text in, the span that answers it out."""

import numpy as np
from keras import ops

from keras_attention.checks import check_boolean
from keras_attention.data.tokenizers.texts import is_blank
from keras_attention.models.span_predictor import SpanPredictor
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.checks import check_positive
from keras_attention.tasks.core.task import Task
from keras_attention.tasks.core.text_inputs import TextInputs, check_list
from keras_attention.tasks.tokens.spans import best_spans, joined_by_words
from keras_attention.tasks.tokens.text_windows import (
    check_stride,
    spans_of,
    windows,
    words_of,
)


class QuestionAnswerer(Task):
    """Finds the answer to a question in a text.

    A context longer than the room beside its question is read in windows that
    overlap by `stride` tokens, or by half of that room where it is less. A
    span that several windows hold counts in the one that sees most around it.
    A question that leaves less than half of `max_length` is cut, with a
    warning that counts the questions cut.

    Args:
        model: a `SpanPredictor`.
        tokenizer: a `Tokenizer` with a template of pairs, such as
            `load_tokenizer` reads.
        top_k: integer, how many answers are given.
        max_answer_length: integer, tokens of an answer at most.
        handle_impossible_answer: whether there may be none: the empty answer
            then takes part with the probability of the first token, which
            stands for it in models that learned from SQuAD 2.
        align_to_words: whether answers are widened to whole words, as in the
            pipeline of `transformers`. Of the best `2 * top_k + 10` spans,
            those that become the same text, in upper or lower case, are then
            one answer with the sum of their scores.
        stride: integer, the tokens that windows over a long context share.
        max_length: integer, ids of question and context, special ones
            included; None for what model and tokenizer allow, or 256 where
            neither has a limit.
        batch_size: integer, windows that are processed together.

    Call arguments:
        question: a string or a list of strings.
        context: a string for all questions, or a list of as many.

    Returns:
        For a question a dictionary: `answer`, a string; `score`, the product
        of the probabilities of its first and last token within their window,
        or the sum of several; `start` and `end`, the characters of the
        context where it begins and ends. With `top_k` over 1 a list of them,
        the best first. For a list of questions a list of either. No answer is
        `""`, from 0 to 0.

    Raises:
        ValueError: if tokenizer, model and settings do not fit together, or
            if a question or a context is empty or no text.

    Example:

    ```python
    from keras_attention.tasks import QuestionAnswerer

    answerer = QuestionAnswerer.from_preset(
        "hf://distilbert/distilbert-base-cased-distilled-squad"
    )
    answerer("Who rides?", "A man rides a horse.")["answer"]
    ```

    Reference:
        Rajpurkar et al. 2016, SQuAD, https://arxiv.org/abs/1606.05250;
        Rajpurkar et al. 2018, SQuAD 2, https://arxiv.org/abs/1806.03822
    """

    kind = "question_answerer"
    pipeline_tag = "question-answering"
    model_class = SpanPredictor
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self,
        model,
        tokenizer,
        top_k=1,
        *,
        max_answer_length=15,
        handle_impossible_answer=False,
        align_to_words=True,
        stride=128,
        max_length=None,
        batch_size=32,
    ):
        self.check_model(model)
        if tokenizer.templates is None:
            raise ValueError(
                "The tokenizer must have a template of pairs, for question "
                "and context. Received: one without"
            )
        check_boolean("handle_impossible_answer", handle_impossible_answer)
        check_boolean("align_to_words", align_to_words)
        check_positive(top_k=top_k, max_answer_length=max_answer_length)
        self.model, self.tokenizer = model, tokenizer
        self.inputs = TextInputs(
            model.encoder, tokenizer, max_length, batch_size
        )
        if self.inputs.room(pair=True) < 2:
            raise ValueError(
                "max_length must leave a token of the question and one of the "
                f"context. Received: max_length={self.inputs.max_length}"
            )
        check_stride(stride, max(self.inputs.room(pair=True), stride + 1))
        self.settings = {
            "top_k": top_k,
            "max_answer_length": max_answer_length,
            "handle_impossible_answer": handle_impossible_answer,
            "align_to_words": align_to_words,
            "stride": stride,
            "max_length": self.inputs.max_length,
            "batch_size": batch_size,
        }
        self.takes_global_mask = all(
            getattr(block.attention, "takes_global_mask", False)
            for block in model.encoder.blocks
        )

    def __call__(self, question, context):
        if isinstance(question, str):
            return self([question], [context])[0]
        questions = check_list(question, "question")
        if isinstance(context, str):
            context = [context] * len(questions)
        contexts = check_list(context, "context")
        if len(questions) != len(contexts):
            raise ValueError(
                "question and context must be lists of one length. Received: "
                f"{len(questions)} and {len(contexts)}"
            )
        asked = self._cut(self._ids("question", questions))
        read = self._ids("context", contexts)
        parts = self._parts(asked, read)
        logits = self._logits(asked, read, parts)
        spans = spans_of(self.tokenizer, contexts)
        words = words_of(self.tokenizer, contexts)
        return [
            self._answers(text, *of_text)
            for text, *of_text in zip(
                contexts, spans, words, parts, logits, strict=True
            )
        ]

    def _ids(self, name, texts):
        """Gives the ids of texts, of which none may be empty."""
        found = self.inputs.ids(texts, name)
        for index, ids in enumerate(found):
            if not ids or is_blank(texts[index]):
                raise ValueError(
                    f"Each {name} must hold a word. Received: "
                    f"{texts[index]!r} at index {index}"
                )
        return found

    def _cut(self, questions):
        limit = self.inputs.room(pair=True) // 2
        text_batches.warn_of_cut(
            sum(len(row) > limit for row in questions),
            len(questions),
            f"{limit}, half of max_length={self.inputs.max_length},",
            stacklevel=4,
        )
        return [row[:limit] for row in questions]

    def _parts(self, questions, contexts):
        """Lists the windows over each context."""
        found = []
        for question, context in zip(questions, contexts, strict=True):
            room = self.inputs.room(pair=True) - len(question)
            stride = min(self.settings["stride"], room // 2)
            found.append(windows(len(context), room, stride))
        return found

    def _logits(self, questions, contexts, parts):
        """Gives `(1 + tokens, 2)` for each window, the null token first."""
        rows, places = [], []
        for index, of_text in enumerate(parts):
            question = questions[index]
            for first, behind in of_text:
                part = contexts[index][first:behind]
                rows.append(self.inputs.with_special_tokens(question, part))
                start = self.inputs.place_of_text(len(question))
                places.append((index, start, start + behind - first))
        behind = [
            self.inputs.place_of_text() + len(questions[index])
            for index, _, _ in places
        ]
        found = [None] * len(rows)
        for indices, inputs in self.inputs.batches(rows):
            if self.takes_global_mask:
                # As Longformer was trained: all see the question.
                _, length = inputs["token_ids"].shape
                ends = np.zeros(len(inputs["token_ids"]), "int32")
                ends[: len(indices)] = [behind[index] for index in indices]
                inputs["global_mask"] = np.arange(length) < ends[:, None]
            logits = ops.convert_to_numpy(self.model.predict_on_batch(inputs))
            for index, row in zip(indices, logits, strict=False):
                _, start, end = places[index]
                found[index] = np.concatenate([row[:1], row[start:end]])
        grouped = [[] for _ in parts]
        for (index, _, _), row in zip(places, found, strict=True):
            grouped[index].append(row)
        return grouped

    def _answers(self, text, spans, words, parts, logits):
        """Describes the best answers to one question."""
        settings = self.settings
        top_k, aligns = settings["top_k"], settings["align_to_words"]
        # Some become one answer.
        count = 2 * top_k + 10 if aligns else top_k
        best, null_score = best_spans(
            logits, parts, settings["max_answer_length"], count
        )
        if aligns:
            found = joined_by_words(text, best, spans, words)
        else:
            found = [(s, spans[i][0], spans[j][1]) for s, i, j in best]
        if settings["handle_impossible_answer"]:
            found.append((null_score, 0, 0))
        found.sort(key=lambda x: -x[0])
        answers = [
            {"answer": text[i:j], "score": score, "start": i, "end": j}
            for score, i, j in found[:top_k]
        ]
        return answers[0] if top_k == 1 else answers

    def tokenizers(self):
        return [self.tokenizer]
