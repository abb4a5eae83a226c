"""Checks of options, which a user can mend."""

import dataclasses


class UsageError(ValueError):
    """What the user can mend: one message and exit code 2."""


def check_numbers(options, *names, at_least=1, above=None, below=None):
    """Refuses options out of their range, by the names of their flags.

    Args:
        options: dataclass.
        *names: fields of it.
        at_least: the least value; not used with `above` or `below` alone.
        above, below: bounds that a value may not reach, or None.

    Raises:
        UsageError: for the first value out of its range.
    """
    if above is not None:
        at_least = None
    for name in names:
        value = getattr(options, name)
        # So that a NaN fits nowhere.
        fits = (
            (at_least is None or value >= at_least)
            and (above is None or value > above)
            and (below is None or value < below)
        )
        if not fits:
            bounds = (
                f"at least {at_least}" * (at_least is not None),
                f"above {above}" * (above is not None),
                f"below {below}" * (below is not None),
            )
            raise UsageError(
                f"--{name.replace('_', '-')} must be "
                f"{' and '.join(filter(None, bounds))}. Received: {value}"
            )


def check_own_options(config, option, own):
    """Refuses options that mean nothing to what was chosen.

    Args:
        config: dataclass of options with defaults.
        option: name of the field that chooses.
        own: dictionary from what can be chosen to the names of the fields
            that belong to it alone.

    Raises:
        UsageError: for the first field of another choice that is not as by
            default.
    """
    defaults = {x.name: x.default for x in dataclasses.fields(config)}
    chosen = getattr(config, option)
    for name in defaults:
        owners = [owner for owner, names in own.items() if name in names]
        if owners and chosen not in owners:
            if getattr(config, name) != defaults[name]:
                raise UsageError(
                    f"--{name.replace('_', '-')} is an option of --{option} "
                    f"{' or '.join(owners)}, not of --{option} {chosen}."
                )
