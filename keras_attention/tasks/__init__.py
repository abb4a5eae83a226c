"""Tasks: what a recipe trains, saves, calls and exports."""

from keras_attention.tasks.classification.image_classifier import (
    ImageClassifier,
)
from keras_attention.tasks.classification.text_classifier import TextClassifier
from keras_attention.tasks.core.folder import kind_of
from keras_attention.tasks.embedding.text_embedder import TextEmbedder
from keras_attention.tasks.generation.text_generator import TextGenerator
from keras_attention.tasks.sequence_to_sequence.image_to_text import ImageToText
from keras_attention.tasks.sequence_to_sequence.speech_to_text import (
    SpeechToText,
)
from keras_attention.tasks.sequence_to_sequence.text_to_text import TextToText
from keras_attention.tasks.tokens.masked_text import MaskedText
from keras_attention.tasks.tokens.question_answerer import QuestionAnswerer
from keras_attention.tasks.tokens.token_classifier import TokenClassifier

__all__ = [
    "ImageClassifier",
    "ImageToText",
    "MaskedText",
    "QuestionAnswerer",
    "SpeechToText",
    "TextClassifier",
    "TextEmbedder",
    "TextGenerator",
    "TextToText",
    "TokenClassifier",
    "load",
]

_CLASSES = {
    cls.kind: cls
    for cls in (
        ImageClassifier,
        ImageToText,
        MaskedText,
        QuestionAnswerer,
        SpeechToText,
        TextClassifier,
        TextEmbedder,
        TextGenerator,
        TextToText,
        TokenClassifier,
    )
}


def load(folder, **settings):
    """Makes the task, of whatever kind, that a folder holds.

    Args:
        folder: path of a folder that a task's `save` wrote.
        **settings: settings of the task to change.

    Returns:
        A task of the class that wrote it.

    Raises:
        ValueError: if it holds no task, or one of another kind.
    """
    kind = kind_of(folder)
    if kind not in _CLASSES:
        raise ValueError(
            f"{folder} holds a task of the kind {kind!r}, which is none of "
            f"{', '.join(_CLASSES)}."
        )
    return _CLASSES[kind].load(folder, **settings)
