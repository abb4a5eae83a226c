"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import older, scored

CASES = {
    **older.CASES,
    **scored.CASES,
}
