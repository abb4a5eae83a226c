"""Tasks: what a recipe trains, saves, calls and exports."""

from keras_attention.tasks.folder import kind_of
from keras_attention.tasks.image_classifier import ImageClassifier
from keras_attention.tasks.image_to_text import ImageToText
from keras_attention.tasks.masked_text import MaskedText
from keras_attention.tasks.question_answerer import QuestionAnswerer
from keras_attention.tasks.speech_to_text import SpeechToText
from keras_attention.tasks.text_classifier import TextClassifier
from keras_attention.tasks.text_embedder import TextEmbedder
from keras_attention.tasks.text_generator import TextGenerator
from keras_attention.tasks.text_to_text import TextToText
from keras_attention.tasks.token_classifier import TokenClassifier

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
