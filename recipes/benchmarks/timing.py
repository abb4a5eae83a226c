"""Timing of alternatives in turn, so that drifts of the machine cancel."""

import json
import platform
import statistics
import time


def in_turn(functions, rounds):
    """Times functions in the order A B A B and so on.

    Args:
        functions: dictionary from name to a function without arguments that
            returns when its work is done.
        rounds: integer, how often each is timed, after one call that is not.

    Returns:
        Dictionary from name to the list of seconds.
    """
    for function in functions.values():
        function()
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def report(seconds, ours, peer, **more):
    """Prints medians, the ratio round by round, and one line of JSON.

    Args:
        seconds: what `in_turn` returned.
        ours, peer: names in it; the ratio is the seconds of `peer` over ours.
        **more: further entries of the JSON line.
    """
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    ratios = [b / a for a, b in zip(seconds[ours], seconds[peer], strict=True)]
    ratio = statistics.median(ratios)
    for name, median in medians.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(f"{name:28} median {median:.4f} s ({low:.4f} to {high:.4f})")
    print(
        f"{ours} is {ratio:.2f} times as fast as {peer} (median of rounds, "
        f"{min(ratios):.2f} to {max(ratios):.2f})"
    )
    result = {"median_seconds": medians, "ratio": ratio, **more}
    print(json.dumps({**result, "machine": platform.processor()}))
