"""Which sequence stands on which side of an attention layer."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

OUTPUTS = "outputs"
_MASKS = {
    "source_ids": "source_padding_mask",
    "target_ids": "target_padding_mask",
    "token_ids": "padding_mask",
    "memory": "memory_padding_mask",
}


class Sequence(NamedTuple):
    """A sequence that a model reads.

    Attributes:
        tokens: a list of strings for each row, or None.
        mask: boolean `(batch, length)`, False for padding, or None.
    """

    tokens: Any = None
    mask: Any = None


class Sequences:
    """The sequences of a model: one, or a source and a target.

    Args:
        model: a Keras layer or model.
        inputs: a tensor, or a structure of tensors.
        tokens: lists of strings for each row, or one list for all rows; for a
            model of two sequences a dictionary of them by the names of the
            inputs, where `"outputs"` may say what each place of the target
            predicts.
        tokenizer: what makes tokens of ids by its `pieces`, or None.

    Raises:
        ValueError: if `tokens` names what there is not, or is given beside
            `tokenizer`.
    """

    def __init__(self, model, inputs, tokens=None, tokenizer=None):
        if not isinstance(inputs, dict):
            first = keras.tree.flatten(inputs)[:1]
            inputs = {"token_ids": first[0]} if first else {}
        self.source, self.target = _sides(inputs)
        if tokens is not None and tokenizer is not None:
            raise ValueError("Give tokens or tokenizer. Received: both")
        if tokenizer is not None:
            tokens = _pieces(tokenizer, inputs, {self.source, self.target})
        self.tokens = _by_name(tokens, self.source, self.target)
        self.masks = {
            name: _mask(model, name, inputs)
            for name in {self.source, self.target}
        }
        self.masks[OUTPUTS] = self.masks[self.target]
        self._used, self._lengths = set(), set()

    def of(self, call):
        """Finds both sides of a call.

        Args:
            call: a `recording.Call`.

        Returns:
            Two `Sequence`s, of the queries and of the keys. The tokens of a
            learned query are None.
        """
        names = self._names(call)
        batch, _, *lengths = call.weights.shape
        self._lengths.update(lengths)
        sides = []
        for name, length in zip(names, lengths, strict=True):
            mask = self.masks.get(name)
            if mask is not None and mask.shape != (batch, length):
                mask = None
            sides.append((name, length, mask))
        if call.key_mask is not None:
            sides[1] = (*sides[1][:2], call.key_mask)
            if call.is_self:
                sides[0] = (*sides[0][:2], call.key_mask)
        return [
            Sequence(self._fitting(name, batch, length, mask), mask)
            for name, length, mask in sides
        ]

    def _names(self, call):
        in_encoder = call.path.startswith("encoder/")
        own = self.source if in_encoder else self.target
        if call.layer.kind == "pooling":
            return None, own
        if in_encoder or call.is_self:
            return own, own
        return OUTPUTS if OUTPUTS in self.tokens else own, self.source

    def _fitting(self, name, batch, length, mask):
        rows = self.tokens.get(name)
        if rows is None:
            return None
        if all(isinstance(token, str) for token in rows):
            rows = [rows] * batch
        if len(rows) != batch:
            raise ValueError(
                f"tokens must have a list for each of the {batch} rows. "
                f"Received: {len(rows)} for {name!r}"
            )
        for index, row in enumerate(rows):
            rest = None if mask is None else mask[index, len(row) :]
            fits = len(row) == length or (
                len(row) < length and rest is not None and not rest.any()
            )
            if not fits:
                return None
        self._used.add(name)
        return [[*map(str, row), *[""] * (length - len(row))] for row in rows]

    def check_used(self):
        """Raises ValueError for tokens that fit no layer."""
        for name, rows in self.tokens.items():
            if name in self._used or (name != OUTPUTS and self._is_spare(name)):
                continue
            found = {len(row) for row in rows if not isinstance(row, str)}
            raise ValueError(
                "tokens must have one string for each place of a sequence; "
                f"those of {name!r} fit no layer. The layers see sequences of "
                f"{_listed(self._lengths)} places. Received: "
                f"{_listed(found or {len(rows)})} tokens"
            )

    def _is_spare(self, name):
        """Whether no layer looks from or at a sequence but by its outputs."""
        return name == self.target and OUTPUTS in self._used


def _sides(inputs):
    if "source_ids" in inputs and "target_ids" in inputs:
        return "source_ids", "target_ids"
    if "token_ids" in inputs:
        source = "memory" if "memory" in inputs else "token_ids"
        return source, "token_ids"
    name = next(iter(inputs), "inputs")
    return name, name


def _by_name(tokens, source, target):
    if tokens is None:
        return {}
    known = {source, target, OUTPUTS}
    if not isinstance(tokens, dict):
        if source != target:
            raise ValueError(
                "tokens must be a dictionary for a model of two sequences, "
                f"with {source!r} and {target!r}. Received: "
                f"{type(tokens).__name__}"
            )
        tokens = {source: list(tokens)}
    unknown = [name for name in tokens if name not in known]
    if unknown:
        raise ValueError(
            f"tokens may have {_listed(known)}. Received: {_listed(unknown)}"
        )
    return {name: rows for name, rows in tokens.items() if rows is not None}


def _pieces(tokenizer, inputs, names):
    made = {}
    for name in names:
        ids = _as_numpy(inputs.get(name))
        if ids is not None and ids.ndim == 2 and ids.dtype.kind in "iu":
            made[name] = tokenizer.pieces(ids)
    if not made:
        raise ValueError(
            "tokenizer needs inputs of integer ids, (batch, length). "
            f"Received: {_listed(names)}"
        )
    return made


def _mask(model, name, inputs):
    mask = inputs.get(_MASKS.get(name))
    if mask is None and name in inputs:
        side = {"source_ids": "encoder", "target_ids": "decoder"}.get(name)
        part = getattr(model, side, None) if side else model
        find = getattr(getattr(part, "embedding", None), "padding_mask", None)
        if find is not None:
            mask = find(ops.convert_to_tensor(inputs[name]))
        if mask is not None and hasattr(part, "step"):
            mask = _up_to_the_last(_as_numpy(mask))
    mask = _as_numpy(mask)
    return None if mask is None else mask.astype(bool)


def _up_to_the_last(mask):
    """Marks all before the last token of a row, and its first.

    A decoder hides no token because of its value: one may start with the
    padding id.
    """
    mask = np.maximum.accumulate(mask[:, ::-1], axis=1)[:, ::-1]
    mask[:, :1] = True
    return mask


def _as_numpy(tensor):
    if tensor is None or isinstance(tensor, np.ndarray):
        return tensor
    return ops.convert_to_numpy(tensor)


def _listed(items):
    return ", ".join(str(item) for item in sorted(items, key=str))
