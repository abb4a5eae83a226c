"""The vocabularies of a model in CTranslate2."""

import dataclasses

from keras_attention.checks import check_boolean, did_you_mean

# By default, of a vocabulary that is a list.
_USUAL = {"start": "<s>", "end": "</s>", "unknown": "<unk>"}
_ARGUMENTS = {name: f"{name}_token" for name in _USUAL}


@dataclasses.dataclass
class Vocabulary:
    """The tokens of a model, as long as its matrices.

    Args:
        source: list of strings; None for a decoder alone.
        target: list of strings.
        special: dictionary with the tokens `"start"`, `"end"`, `"unknown"`.
        add_source_end: whether the end token is put behind a source.
    """

    source: list | None
    target: list
    special: dict
    add_source_end: bool

    def register(self, spec):
        """Hands the tokens to a specification."""
        config, special = spec.config, self.special
        config.unk_token = special["unknown"]
        config.bos_token = special["start"]
        config.eos_token = special["end"]
        if self.source is None:
            spec.register_vocabulary(self.target)
            return
        config.decoder_start_token = special["start"]
        config.add_source_eos = self.add_source_end
        spec.register_source_vocabulary(self.source)
        spec.register_target_vocabulary(self.target)


def read_vocabulary(vocabulary, model, special, add_source_end):
    """Reads what a caller gives as `vocabulary`.

    Args:
        vocabulary, add_source_end: as of `export.ctranslate2`.
        model: the model.
        special: dictionary of the special tokens that were given, or None.

    Returns:
        A `Vocabulary`.

    Raises:
        ValueError: if there are more tokens than the model has, two are the
            same, or a special token is none of them.
    """
    encoder = getattr(model, "encoder", None)
    is_pair = isinstance(vocabulary, (tuple, list)) and len(vocabulary) == 2
    is_pair = is_pair and not any(isinstance(x, str) for x in vocabulary)
    source, target = vocabulary if is_pair else (vocabulary, vocabulary)
    if is_pair and encoder is None:
        raise ValueError(
            "vocabulary of a CausalLM is one. Received: a pair of them"
        )
    lists = [
        _fill_up(_tokens(given, argument), side.vocabulary_size, argument)
        for given, side, argument in (
            (source, encoder or model.decoder, "source"),
            (target, model.decoder, "target"),
        )
    ]
    found = {
        name: _special(name, token, target, lists[1])
        for name, token in special.items()
    }
    has_tokenizer = hasattr(source, "end_id")
    if add_source_end is None:
        add_source_end = has_tokenizer and encoder is not None
    check_boolean("add_source_end", add_source_end)
    if add_source_end and encoder is None:
        raise ValueError(
            "A CausalLM has no source. Received: add_source_end=True"
        )
    if encoder is not None:
        needed = ["unknown", *["end"] * bool(add_source_end)]
        for name in needed:
            _special(name, found[name], source, lists[0])
    return Vocabulary(
        None if encoder is None else lists[0], lists[1], found, add_source_end
    )


def _tokens(vocabulary, side):
    """The tokens of a tokenizer or a list of them."""
    tokens = getattr(vocabulary, "vocabulary", vocabulary)
    if not isinstance(tokens, (list, tuple)) or not all(
        isinstance(token, str) for token in tokens
    ):
        raise ValueError(
            f"vocabulary of the {side} must be a tokenizer or a list of "
            f"strings. Received: {type(vocabulary).__name__}"
        )
    return list(tokens)


def _fill_up(tokens, size, side):
    """Adds tokens that stand for nothing, up to the size of the model."""
    seen = set()
    for token in tokens:
        if token in seen:
            raise ValueError(
                f"vocabulary of the {side} has {token!r} twice; the engine "
                "knows tokens by their strings."
            )
        seen.add(token)
    if len(tokens) > size:
        raise ValueError(
            f"vocabulary of the {side} has {len(tokens)} tokens, more than "
            f"the vocabulary_size of the model, {size}."
        )
    further = (f"<unused_{number}>" for number in range(size + len(seen)))
    free = [token for token in further if token not in seen]
    return tokens + free[: size - len(tokens)]


def _special(name, token, given, tokens):
    """Finds a special token, by default that of the tokenizer."""
    argument = _ARGUMENTS[name]
    number = getattr(given, f"{name}_id", None)
    if token is None and number is not None:
        if number < 0:
            raise ValueError(
                f"The tokenizer has no {name}_id; give {argument}."
            )
        token = tokens[number]
    token = _USUAL[name] if token is None else token
    if token not in tokens:
        raise ValueError(
            f"{argument} must be a token of the vocabulary. Received: "
            f"{token!r}.{did_you_mean(token, tokens)}"
        )
    return token
