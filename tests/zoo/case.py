"""Small models of `transformers` for each family, and what they are given.

Two variants of a family differ in every switch of its `config.json` that has
more than one value.
"""

from typing import NamedTuple

import numpy as np

VOCABULARY, LENGTH = 37, 9


class Case(NamedTuple):
    """One variant of a family.

    Attributes:
        family: name of its `model_type`.
        entries: dictionary of entries of `config.json`.
        classes: names of the model classes here that are compared.
        inputs: names of further inputs, beside ids and a mask.
        image: `(height, width, channels)` of images, which stand in place of
            those; None for tokens.
    """

    family: str
    entries: dict
    classes: tuple
    inputs: tuple = ()
    image: tuple | None = None

    def ids(self, rng, padding_id=0, length=LENGTH):
        """Tokens without the padding id, but for the end of a row."""
        ids = rng.integers(3, VOCABULARY, (3, length))
        ids[ids == padding_id] = 3
        ids[1, -3:] = padding_id
        return ids


IMAGE_ENCODERS = ("TransformerEncoder", "Classifier")
ENCODERS = (
    "TransformerEncoder",
    "MaskedLM",
    "Classifier",
    "SequenceTagger",
    "SpanPredictor",
)
DECODERS = ("TransformerDecoder", "CausalLM")
PAIRS = ("EncoderDecoder",)


def further_inputs(case, rng, shape):
    """Draws what a case takes beside ids, by our names."""
    given = {}
    if "segment_ids" in case.inputs:
        kinds = case.entries.get("type_vocab_size", 2)
        given["segment_ids"] = rng.integers(0, kinds, shape)
    if "global_mask" in case.inputs:
        marked = np.zeros(shape, bool)
        marked[:, 0] = marked[0, 3] = True
        given["global_mask"] = marked
    return given
