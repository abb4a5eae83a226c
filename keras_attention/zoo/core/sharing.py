"""Matrices of tokens that a file keeps under several names.

Files keep one matrix once or under all of its names, and some that are said to
be one differ: the released mT5 models have their own matrix for logits, which
newer versions of their `config.json` deny. What is stored decides.
"""

import numpy as np

from keras_attention.zoo.core import checkpoint
from keras_attention.zoo.core.reading import LOGITS, find_name
from keras_attention.zoo.core.writing import CONFIG

SHARED = "shared.weight"
SOURCE, TARGET = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"
NAMES = (SHARED, SOURCE, TARGET)


def settle(family, entries, folder):
    """Corrects what a `config.json` says of shared matrices.

    Args:
        family: a `Family`; those without `shares` stay as they are.
        entries: dictionary, the content of `config.json`.
        folder: `pathlib.Path`.

    Returns:
        A dictionary: `tie_word_embeddings` is False where logits have their
        own matrix, `share_encoder_decoder_embeddings` where the sides do.
    """
    if not family.shares:
        return _settle_logits(family, entries, folder)
    settled = dict(entries)
    is_said = entries.get("tie_word_embeddings") is False
    with checkpoint.opened(folder) as stored:
        found = {
            name: stored[place]
            for name in (*NAMES, LOGITS)
            if (place := find_name(family, name, stored))
        }
        target = found.get(TARGET, found.get(SHARED))
        if _differ(found.get(SOURCE), found.get(TARGET)):
            settled["share_encoder_decoder_embeddings"] = False
        if not is_said and _differ(target, found.get(LOGITS)):
            settled["tie_word_embeddings"] = False
            if family.t5_logits:  # as the file was made
                settled.setdefault("scale_decoder_outputs", True)
        # Their models of T5's kind share what is not stored, and do not scale.
        if is_said and family.t5_logits and LOGITS not in found:
            settled["tie_word_embeddings"] = True
            settled.setdefault("scale_decoder_outputs", False)
    return settled


def _settle_logits(family, entries, folder):
    """Says that a decoder's logits have their own matrix where they have."""
    if "CausalLM" not in family.architectures or not entries.get(
        "tie_word_embeddings", family.defaults.get("tie_word_embeddings", True)
    ):
        return entries
    config = family.configuration(str(folder / CONFIG), entries)
    tokens = f"{family.table(config)['embedding.embedding']}.weight"
    with checkpoint.opened(folder) as stored:
        places = (find_name(family, name, stored) for name in (tokens, LOGITS))
        if _differ(*map(stored.get, places)):
            return {**entries, "tie_word_embeddings": False}
    return entries


def _differ(first, second):
    if first is None or second is None:
        return False
    if first.shape != second.shape:
        return True
    return not np.array_equal(first.load(), second.load())


def copies(c):
    """The copies that `transformers` reads, as of `Family`.

    Without tied logits its models of BART's kind share no matrix at all.
    """
    if c.get("tie_word_embeddings", True):
        return {}
    if c.get("share_encoder_decoder_embeddings", True):
        return {SOURCE: SHARED, TARGET: SHARED}
    return {SHARED: SOURCE}
