"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import (
    blocks,
    linear,
    older,
    recurrent,
    reduced,
    scored,
    sets,
    windows,
)

CASES = {
    **blocks.CASES,
    **linear.CASES,
    **older.CASES,
    **recurrent.CASES,
    **reduced.CASES,
    **scored.CASES,
    **sets.CASES,
    **windows.CASES,
}
