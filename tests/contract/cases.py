"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import scored, windows

CASES = {
    **scored.CASES,
    **windows.CASES,
}
