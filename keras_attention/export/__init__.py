"""Models that are served without this package."""

from keras_attention.export.classifiers import (
    export_image_classifier,
    export_text_classifier,
)
from keras_attention.export.ctranslate2 import ctranslate2
from keras_attention.export.source_to_text import (
    export_image_to_text,
    export_speech_to_text,
    export_text_to_text,
)
from keras_attention.export.text_generator import export_text_generator
from keras_attention.export.texts import (
    export_masked_text,
    export_question_answerer,
    export_text_embedder,
    export_token_classifier,
)

__all__ = [
    "ctranslate2",
    "export_image_classifier",
    "export_image_to_text",
    "export_masked_text",
    "export_question_answerer",
    "export_speech_to_text",
    "export_text_classifier",
    "export_text_embedder",
    "export_text_generator",
    "export_text_to_text",
    "export_token_classifier",
]
