"""Greedy search, sampling and beam search over a model's step."""

from keras_attention.generation.beam import beam_search
from keras_attention.generation.constraints import Constraints
from keras_attention.generation.generator import Generator
from keras_attention.generation.greedy import greedy_search
from keras_attention.generation.sampling import sample

__all__ = [
    "Constraints",
    "Generator",
    "beam_search",
    "greedy_search",
    "sample",
]
