"""The cases of all families."""

from tests.zoo.families import decoders, encoders, images, pairs

CASES = {
    **encoders.CASES,
    **decoders.CASES,
    **pairs.CASES,
    **images.CASES,
}
