"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import blocks, scored

CASES = {
    **blocks.CASES,
    **scored.CASES,
}
