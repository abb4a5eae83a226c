"""Which tokens of a published tokenizer are special, and their roles."""

from keras_attention.data.tokenizers.families import family_of

# In the order in which `transformers` adds those that a vocabulary lacks.
ROLES = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
# Where a configuration lists those that have no role.
EXTRA = ("additional_special_tokens", "extra_special_tokens")
MASKS = ("<mask_1>", "<mask_2>")  # of Pegasus


def named(config):
    """Finds the special tokens by their roles.

    Args:
        config: dictionary, what `tokenizer_config.json` holds.

    Returns:
        A dictionary from roles to strings.
    """
    family = family_of(config)
    defaults = family.special if family else {}
    found = {}
    for role in ROLES:
        token = config.get(f"{role}_token", defaults.get(role))
        if token is not None:
            found[role] = token if isinstance(token, str) else token["content"]
    return found


def complete(document, config):
    """Adds the special tokens of a configuration to a `tokenizer.json`.

    Args:
        document: dictionary, changed in place.
        config: dictionary, what `tokenizer_config.json` holds.

    Returns:
        `document`.
    """
    added = {x["content"]: x for x in document.get("added_tokens") or []}
    vocabulary = document["model"].get("vocab", {})
    if isinstance(vocabulary, list):  # of Unigram
        vocabulary = {piece: i for i, (piece, _) in enumerate(vocabulary)}
    taken = [*vocabulary.values(), *(x["id"] for x in added.values())]
    free = max(taken, default=-1) + 1
    for content, entry in wanted(config).items():
        is_special = entry["special"]
        if content in added:
            added[content]["special"] |= is_special
            continue
        number = vocabulary.get(content, free)
        free += number == free
        flags = {flag: entry.get(flag, False) for flag in FLAGS}
        added[content] = {
            "id": number,
            "content": content,
            **flags,
            "special": is_special,
        }
    document["added_tokens"] = sorted(added.values(), key=lambda x: x["id"])
    return document


def patterns(config, has_own):
    """Finds the templates that a configuration puts in the file's place.

    Args:
        config: dictionary, what `tokenizer_config.json` holds.
        has_own: whether the file has templates.

    Returns:
        `(single, pair)`, for `templates.processor`, or None where the file's
        own stand.
    """
    tokens = named(config)
    family = family_of(config)
    if family and family.language:
        language = config.get("src_lang") or family.language
        single, pair = family.single, family.pair
        if config.get("legacy_behaviour"):  # of NLLB
            single, pair = "A </s> LANGUAGE", "A B </s> LANGUAGE"
        return [x.replace("LANGUAGE", language) for x in (single, pair)]
    if "add_bos_token" not in config and "add_eos_token" not in config:
        if family and not has_own:
            return family.single, family.pair
        return None
    start = end = ""
    if config.get("add_bos_token") and "bos" in tokens:
        start = tokens["bos"]
    if config.get("add_eos_token") and "eos" in tokens:
        end = tokens["eos"]
    second = " ".join(f"{x}:1" for x in (start, "B", end) if x)
    return f"{start} A {end}", f"{start} A {end} {second}"


def further(config):
    """Lists the special tokens of a family that have no role."""
    name = config.get("tokenizer_class") or ""
    if name.startswith("T5"):
        return sentinels(config)
    if name.startswith("Pegasus"):
        return [*MASKS, *reserved(config)]
    if name.startswith("Nllb") and any(x in config for x in EXTRA):
        return []  # there they are
    family = family_of(config)
    languages = family.trailing if family and family.language else ()
    return [token for token in languages if token != "<mask>"]


def sentinels(config):
    """Lists the sentinels of T5, which stand behind the other pieces."""
    count = config.get("extra_ids", 100)
    return [f"<extra_id_{number}>" for number in reversed(range(count))]


def reserved(config):
    """Lists the tokens of Pegasus that no text becomes."""
    return [f"<unk_{number}>" for number in range(2, config.get("offset", 103))]


def wanted(config):
    """Finds the tokens that must be in a vocabulary, and what they do.

    Args:
        config: dictionary, what `tokenizer_config.json` holds.

    Returns:
        A dictionary from tokens, in the order in which they get ids, to the
        flags that a `tokenizer.json` has for them.
    """
    decoder = config.get("added_tokens_decoder") or {}
    described = sorted(decoder.items(), key=lambda x: int(x[0]))
    found = {x["content"]: {"special": False, **x} for _, x in described}
    family = family_of(config)
    defaults = family.special if family else {}
    tokens = [config.get(f"{x}_token", defaults.get(x)) for x in ROLES]
    tokens += further(config)
    for name in EXTRA:
        extra = config.get(name) or []
        tokens += extra.values() if isinstance(extra, dict) else extra
    for token in filter(None, tokens):
        entry = {"content": token} if isinstance(token, str) else token
        found.setdefault(entry["content"], dict(entry))["special"] = True
    return found
