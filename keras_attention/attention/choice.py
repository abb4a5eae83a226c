"""Choosing an attention layer by the length of the sequences."""

from keras_attention.checks import check_integer


class ChosenAttention(str):
    """The registered name of a flavour, with the reason for it.

    Attributes:
        reason: a sentence.
    """

    def __new__(cls, name, reason):
        chosen = super().__new__(cls, name)
        chosen.reason = reason
        return chosen

    def __getnewargs__(self):
        return str(self), self.reason


def choose_attention(length, *, exact_up_to=2_000, window_up_to=10_000):
    """Chooses a flavour that is affordable at a length.

    Exact attention compares all positions and grows with the square of the
    length; a sliding window sees only the neighbourhood; linear attention
    sees everything, summed up in a state of fixed size.

    ```python
    choice = choose_attention(4_096)
    print(choice, "-", choice.reason)
    encoder = TransformerEncoder(8000, 4, 256, 4, attention=choice)
    ```

    Args:
        length: integer, tokens in the longest sequence.
        exact_up_to: integer, the longest sequence for exact attention.
        window_up_to: integer, the longest one for a sliding window.

    Returns:
        A string, `"multi_head"`, `"sliding_window"` or `"linear"`, that can
        be given as `attention` to a model or to `attention.get`; its
        attribute `reason` says why.

    Raises:
        ValueError: if a number is no positive integer, or the thresholds are
            not in order.
    """
    check_integer("length", length)
    check_integer("exact_up_to", exact_up_to, smallest=0)
    check_integer("window_up_to", window_up_to, smallest=0)
    if window_up_to < exact_up_to:
        raise ValueError(
            "window_up_to must not be less than exact_up_to. Received: "
            f"exact_up_to={exact_up_to}, window_up_to={window_up_to}"
        )
    if length <= exact_up_to:
        return ChosenAttention(
            "multi_head",
            f"{length:,} tokens are no more than exact_up_to="
            f"{exact_up_to:,}: comparing all of them is affordable, and "
            "nothing is left out.",
        )
    if length <= window_up_to:
        return ChosenAttention(
            "sliding_window",
            f"{length:,} tokens are more than exact_up_to={exact_up_to:,} and "
            f"no more than window_up_to={window_up_to:,}: each token attends "
            "to its neighbourhood, at a cost that grows with the length.",
        )
    return ChosenAttention(
        "linear",
        f"{length:,} tokens are more than window_up_to={window_up_to:,}: a "
        "state of fixed size sums up all of them, at a cost that grows with "
        "the length.",
    )
