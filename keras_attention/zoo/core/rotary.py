"""Rotary embeddings as the configurations of Hugging Face describe them."""

from keras_attention.checks import did_you_mean

_TYPES = ("default", "dynamic", "linear", "llama3", "longrope", "su", "yarn")


def rotary(c, base=10_000.0, partial=False):
    """The rotary embedding of a model.

    Newer files say everything in `rope_parameters`; older ones give
    `rope_theta` and, where frequencies are scaled, `rope_scaling`.

    Args:
        c: a `Configuration`.
        base: float, that of the family where a file names none.
        partial: whether the family may rotate a part of each head.

    Returns:
        A configuration of a `RotaryEmbedding`.

    Raises:
        ValueError: for a type of scaling that is not known, or parameters for
            each type of layer.
    """
    given = c.get("rope_scaling") or c.get("rope_parameters") or {}
    if not isinstance(given, dict):
        raise ValueError(
            f"{c.name} has rope parameters that are no object: {given!r}"
        )
    if any(isinstance(value, dict) for value in given.values()):
        raise ValueError(
            f"{c.name} has rope_parameters for each type of layer, which its "
            f"family does not know. Received: {given}"
        )
    kind = given.get("rope_type") or given.get("type") or "default"
    if kind not in _TYPES:
        raise ValueError(
            f"{c.name} has rope_type={kind!r}; known are {', '.join(_TYPES)}."
            f"{did_you_mean(kind, _TYPES)}"
        )
    if "short_factor" in given and kind in ("su", "yarn"):
        kind = "longrope"  # what early files of Phi-3 call it

    for name, value in given.items():
        if isinstance(value, str) and not name.endswith("type"):
            raise ValueError(
                f"{c.name} has {name}={value!r} in its rope parameters, which "
                "is no number."
            )

    def find(name, default=None):
        value = given.get(name)
        return c.get(name, default) if value is None else value

    fraction = find("partial_rotary_factor", 1.0)
    if fraction != 1.0 and not partial:
        raise ValueError(
            f"{c.name} has partial_rotary_factor={fraction!r}, which the "
            "models of its family do not honour; it can only be 1.0."
        )
    config = {"base": find("rope_theta", base), "fraction": fraction}
    if kind != "default":
        config["scaling"] = _scaling(c, kind, given)
    return {"class_name": "rotary", "config": config}


def _scaling(c, kind, given):
    """The `scaling` of a `RotaryEmbedding`."""
    known = c.max_position_embeddings
    # That of the model goes before that of the scaling.
    original = c.get(
        "original_max_position_embeddings",
        given.get("original_max_position_embeddings", known),
    )
    factor = given.get("factor")
    if factor is None:
        factor = known / original
    if kind == "linear":
        return {"type": "linear", "factor": factor}
    if kind == "dynamic":
        return {"type": "ntk", "factor": factor, "original_max_length": known}
    scaling = {
        "type": kind,
        "factor": factor,
        "original_max_length": original,
    }
    if kind == "llama3":
        names = ("low_freq_factor", "high_freq_factor")
    elif kind == "longrope":
        scaling["short_factors"] = given["short_factor"]
        scaling["long_factors"] = given["long_factor"]
        names = ("attention_factor",)
    else:
        names = ("attention_factor", "beta_fast", "beta_slow", "truncate")
        has_both = given.get("mscale") and given.get("mscale_all_dim")
        if has_both and given.get("attention_factor") is None:
            names = (*names, "mscale", "mscale_all_dim")
    found = {name: given.get(name) for name in names}
    return {**scaling, **{n: x for n, x in found.items() if x is not None}}
