"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import (
    blocks,
    recurrent,
    scored,
    sets,
    windows,
)
from tests.contract.families import linear, scored

CASES = {
    **blocks.CASES,
    **recurrent.CASES,
    **scored.CASES,
    **sets.CASES,
    **windows.CASES,
    **linear.CASES,
}
