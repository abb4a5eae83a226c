"""Which ways to stretch rotary angles there are, and their options."""

import numbers

_NEEDED = object()
_OPTIONS = {
    "linear": {"factor": _NEEDED},
    "ntk": {"factor": _NEEDED, "original_max_length": _NEEDED},
    "yarn": {
        "factor": _NEEDED,
        "original_max_length": _NEEDED,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "attention_factor": None,
        "mscale": None,
        "mscale_all_dim": None,
        "truncate": True,
    },
    # Those of Llama 3.1.
    "llama3": {
        "factor": 8.0,
        "original_max_length": 8192,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
}


def read_scaling(scaling):
    """Completes what a caller gives as `scaling`, and checks it.

    Args:
        scaling: None, a name or a dictionary with a `type`.

    Returns:
        None, or a dictionary with all options of its type.

    Raises:
        ValueError: for an unknown type or option, one that is needed and
            missing, or a number outside of where it makes sense.
    """
    if scaling is None:
        return None
    given = {"type": scaling} if isinstance(scaling, str) else scaling
    if not isinstance(given, dict) or given.get("type") not in _OPTIONS:
        raise ValueError(
            "scaling must be None, a name, or a dictionary whose type is one "
            f"of {', '.join(_OPTIONS)}. Received: {scaling!r}"
        )
    options = _OPTIONS[given["type"]]
    unknown = [name for name in given if name not in {"type", *options}]
    missing = [
        name
        for name, default in options.items()
        if default is _NEEDED and name not in given
    ]
    if unknown or missing:
        wrong = "does not know " if unknown else "needs "
        raise ValueError(
            f"scaling of type {given['type']} has the options "
            f"{', '.join(options)}; it {wrong}"
            f"{', '.join(map(str, unknown or missing))}. Received: {scaling!r}"
        )
    complete = {"type": given["type"], **options, **given}
    _check_numbers(complete)
    if complete["type"] == "yarn":
        _check_yarn(complete)
    if complete["type"] == "llama3":
        _check_order(complete, "low_freq_factor", "high_freq_factor")
    return complete


def _check_numbers(scaling):
    # YaRN's temperature may be left to the formula.
    optional = ("attention_factor", "mscale", "mscale_all_dim")
    for name, value in scaling.items():
        if name == "type" or (value is None and name in optional):
            continue
        if name == "truncate":
            valid, expected = isinstance(value, bool), "True or False"
        elif name == "original_max_length":
            valid = isinstance(value, numbers.Integral) and value > 0
            expected = "a positive integer"
        else:
            least = 1.0 if name == "factor" else 0.0
            valid = isinstance(value, numbers.Real) and least <= value < 1e9
            valid = valid and value > 0
            expected = "1 or more" if least else "a positive number"
        if not valid or (isinstance(value, bool) and name != "truncate"):
            raise ValueError(
                f"{name} of scaling must be {expected}. Received: {value!r}"
            )


def _check_yarn(scaling):
    _check_order(scaling, "beta_slow", "beta_fast")
    temperature = [
        name
        for name in ("attention_factor", "mscale", "mscale_all_dim")
        if scaling[name] is not None
    ]
    if temperature not in (
        [],
        ["attention_factor"],
        ["mscale", "mscale_all_dim"],
    ):
        raise ValueError(
            "scaling of type yarn takes attention_factor, or mscale and "
            "mscale_all_dim together, or none of them. Received: "
            f"{', '.join(temperature)}"
        )


def _check_order(scaling, lower, higher):
    if scaling[lower] >= scaling[higher]:
        raise ValueError(
            f"{lower} of scaling must be less than {higher}. Received: "
            f"{lower}={scaling[lower]}, {higher}={scaling[higher]}"
        )
