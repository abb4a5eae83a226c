"""The flavours that go through the contract: one line each, by family."""

from tests.contract.families import (
    exact,
    linear,
    recurrent,
    reduced,
    sparse,
    windows,
)

CASES = {
    **exact.CASES,
    **windows.CASES,
    **sparse.CASES,
    **linear.CASES,
    **recurrent.CASES,
    **reduced.CASES,
}
