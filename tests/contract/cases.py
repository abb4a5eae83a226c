"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import linear, scored

CASES = {
    **scored.CASES,
    **linear.CASES,
}
