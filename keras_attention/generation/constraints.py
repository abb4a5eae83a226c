"""What a result must and may not hold, the same for every search."""

import dataclasses
import math

from keras_attention.checks import check_boolean, did_you_mean, is_real
from keras_attention.generation.stop_strings import StopStrings
from keras_attention.tensors import known_integer

_COUNTS = ("min_length", "min_new_tokens", "no_repeat_ngram_size")


@dataclasses.dataclass(frozen=True)
class Constraints:
    """What the tokens of a result must and may not be.

    Greedy search, sampling, beam search and `Generator` take each of these as
    a keyword argument. They apply in this order: the repetition penalty, then
    all that is ruled out, then what is forced, which wins over the rest.

    Args:
        min_length: integer: the end token cannot come before the result has so
            many tokens, prompt included. 0 for no minimum.
        min_new_tokens: integer: the same, without the prompt.
        max_new_tokens: integer: a row ends after so many tokens behind its own
            prompt. None for no limit but `max_length`.
        no_repeat_ngram_size: integer `n`: no sequence of `n` tokens comes twice
            in a result, prompt included. 0 to let them.
        repetition_penalty: positive number. The score of a token that the row
            already holds, prompt included, is divided by it where it is
            positive and multiplied where it is negative. Above 1 repeats
            become less probable. Scores are logits, in beam search
            log-probabilities. 1 for no penalty.
        bad_words: lists of ids, each a sequence that may not come; one that is
            nothing but the end token is passed over.
        suppressed_ids: ids that never come.
        suppressed_first_ids: ids that are not the first behind the prompt (nor
            the second, where `forced_first_id` has the first).
        forced_first_id: the id at position 1, behind a prompt of one token:
            the target language of M2M100 or mBART. None for any.
        forced_last_id: the id, or the ids, one of which is the last token of a
            row that reaches its greatest length. None for any.
        forced_ids: dictionary of positions, prompt included, and their ids, or
            pairs of both.
        renormalize: whether the probabilities that are left sum to 1 again,
            which only the scores of a beam search show.
        stops: `StopStrings`: a row ends with the token that completes one of
            them. None for none.

    Raises:
        ValueError: if one of them is out of its range.

    Reference:
        - [Keskar et al., 2019, CTRL: A Conditional Transformer Language Model
          for Controllable Generation](https://arxiv.org/abs/1909.05858) (the
          repetition penalty)
        - [Paulus et al., 2018, A Deep Reinforced Model for Abstractive
          Summarization](https://arxiv.org/abs/1705.04304) (no trigram twice)
    """

    min_length: int = 0
    min_new_tokens: int = 0
    max_new_tokens: int | None = None
    no_repeat_ngram_size: int = 0
    repetition_penalty: float = 1.0
    bad_words: tuple = ()
    suppressed_ids: tuple = ()
    suppressed_first_ids: tuple = ()
    forced_first_id: int | None = None
    forced_last_id: int | tuple | None = None
    forced_ids: tuple = ()
    renormalize: bool = False
    stops: StopStrings | None = None

    def __post_init__(self):
        for name in _COUNTS:
            number = getattr(self, name)
            if type(number) is not int or number < 0:
                raise ValueError(
                    f"`{name}` must be an integer of at least 0, which stands "
                    f"for none. Received: {name}={number!r}"
                )
        number = self.max_new_tokens
        if number is not None and (type(number) is not int or number < 1):
            raise ValueError(
                "`max_new_tokens` must be an integer of at least 1, or None. "
                f"Received: max_new_tokens={number!r}"
            )
        penalty = self.repetition_penalty
        if not is_real(penalty) or not 0 < penalty < math.inf:
            raise ValueError(
                "`repetition_penalty` must be a finite number above 0. "
                f"Received: repetition_penalty={penalty!r}"
            )
        check_boolean("renormalize", self.renormalize)
        forced = self.forced_ids
        pairs = forced.items() if isinstance(forced, dict) else forced
        self._set("forced_ids", _sequences("forced_ids", pairs, size=2))
        self._set("bad_words", _sequences("bad_words", self.bad_words))
        for name in ("suppressed_ids", "suppressed_first_ids"):
            self._set(name, read_ids(name, getattr(self, name)))
        if self.forced_first_id is not None:
            read_ids("forced_first_id", [self.forced_first_id])
        last = self.forced_last_id
        self._set("forced_last_id", read_ids("forced_last_id", last))

    def _set(self, name, value):
        object.__setattr__(self, name, value)


_FIELDS = tuple(field.name for field in dataclasses.fields(Constraints))
# Those that a user writes down.
NAMES = tuple(name for name in _FIELDS if name != "stops")


def make_constraints(max_length=None, **given):
    """Makes `Constraints` of keyword arguments that a search was given.

    Args:
        max_length: the length of the result, which is compared with where it
            is known.
        **given: arguments of `Constraints`.

    Returns:
        `Constraints`.

    Raises:
        ValueError: if there is no such constraint, or it is out of its range.
    """
    for name in given:
        if name not in _FIELDS:
            raise ValueError(
                f"There is no argument {name!r}. What a result must and may "
                f"not hold: {', '.join(NAMES)}.{did_you_mean(name, NAMES)}"
            )
    constraints = Constraints(**given)
    longest = known_integer(max_length)
    if longest is not None and constraints.min_length > longest:
        raise ValueError(
            "`min_length` must be at most `max_length`. Received: "
            f"min_length={constraints.min_length}, max_length={longest}"
        )
    return constraints


def read_ids(name, ids):
    """Reads one id, several or None.

    Args:
        name: the argument's name.
        ids: what was received.

    Returns:
        A tuple of integers.

    Raises:
        ValueError: for anything else.
    """
    if ids is None:
        return ()
    several = (
        list(ids)
        if hasattr(ids, "__iter__") and not isinstance(ids, (str, dict))
        else [ids]
    )
    for number in several:
        is_id = hasattr(number, "__index__") and not isinstance(number, bool)
        if not is_id or number < 0:
            raise ValueError(
                f"`{name}` must hold ids, each an integer from 0 on. "
                f"Received: {name}={ids!r}"
            )
    return tuple(map(int, several))


def _sequences(name, rows, size=None):
    """Reads a list of lists of ids, each of `size` where it is given."""
    is_list = hasattr(rows, "__iter__") and not isinstance(rows, str)
    rows = list(rows) if is_list else [rows]
    for row in rows:
        fits = isinstance(row, (list, tuple)) and len(row) > 0
        if not fits or size not in (None, len(row)):
            expected = "pairs of a position and an id" if size else "lists"
            raise ValueError(
                f"`{name}` must hold {expected}. Received: {row!r}"
            )
    return tuple(read_ids(name, row) for row in rows)
