"""Tasks: what a recipe trains, saves, calls and exports."""

from keras_attention.tasks.text_to_text import TextToText

__all__ = ["TextToText"]
