"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import scored, sets

CASES = {
    **scored.CASES,
    **sets.CASES,
from tests.contract.families import recurrent, scored

CASES = {
    **scored.CASES,
    **recurrent.CASES,
}
