"""Special tokens around one or two texts, read from `tokenizer.json`."""

from keras_attention.data.tokenizers.base import FIRST, SECOND

PLAIN = {
    "single": [(FIRST, 0)],
    "pair": [(FIRST, 0), (SECOND, 1)],
}


def read_templates(processor):
    """Turns the `post_processor` of a `tokenizer.json` into templates.

    Args:
        processor: dictionary, as JSON holds it, or None.

    Returns:
        Dictionary of `"single"` and `"pair"`; see `Tokenizer.templates`.

    Raises:
        ValueError: if the processor is of a kind that is not known.
    """
    kind = processor["type"] if processor else "ByteLevel"
    if kind == "ByteLevel":  # it cuts offsets alone
        return PLAIN
    if kind == "Sequence":
        found = [read_templates(part) for part in processor["processors"]]
        changed = [part for part in found if part is not PLAIN]
        if len(changed) > 1:
            raise ValueError(
                "the post_processor adds special tokens in more than one step"
            )
        return changed[0] if changed else PLAIN
    if kind == "BertProcessing":
        start, end = processor["cls"][1], processor["sep"][1]
        single = [(start, 0), (FIRST, 0), (end, 0)]
        return {"single": single, "pair": [*single, (SECOND, 1), (end, 1)]}
    if kind == "RobertaProcessing":
        start, end = processor["cls"][1], processor["sep"][1]
        single = [(start, 0), (FIRST, 0), (end, 0)]
        pair = [*single, (end, 0), (SECOND, 0), (end, 0)]
        return {"single": single, "pair": pair}
    if kind == "TemplateProcessing":
        special = processor["special_tokens"]
        return {
            name: _items(processor[name], special)
            for name in ("single", "pair")
        }
    raise ValueError(f"its post_processor is of an unknown kind, {kind!r}")


def processor(single, pair, token_id):
    """Makes the `post_processor` of a `tokenizer.json`.

    Args:
        single, pair: strings, tokens and the places A and B of the texts,
            between spaces: `"<s> A </s>"`. One that ends in `":1"` is of the
            second segment.
        token_id: function from a token to its id.

    Returns:
        A dictionary.

    Raises:
        ValueError: if the vocabulary lacks a token.
    """
    special = {}
    for token in (part.removesuffix(":1") for part in pair.split()):
        if token in (FIRST, SECOND):
            continue
        number = token_id(token)
        if number < 0:
            raise ValueError(f"its vocabulary lacks the token {token!r}")
        special[token] = {"id": token, "ids": [number], "tokens": [token]}
    return {
        "type": "TemplateProcessing",
        "single": _parts(single),
        "pair": _parts(pair),
        "special_tokens": special,
    }


def _parts(pattern):
    found = []
    for part in pattern.split():
        token = part.removesuffix(":1")
        kind = "Sequence" if token in (FIRST, SECOND) else "SpecialToken"
        found.append({kind: {"id": token, "type_id": int(token != part)}})
    return found


def _items(parts, special):
    found = []
    for part in parts:
        ((kind, content),) = part.items()
        segment = content["type_id"]
        if kind == "Sequence":
            found.append((content["id"], segment))
        else:
            ids = special[content["id"]]["ids"]
            found.extend((number, segment) for number in ids)
    return found
