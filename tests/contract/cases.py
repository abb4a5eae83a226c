"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import reduced, scored

CASES = {
    **reduced.CASES,
    **scored.CASES,
}
