"""Models that are served without this package."""

from keras_attention.export.text_to_text import export_text_to_text

__all__ = ["export_text_to_text"]
