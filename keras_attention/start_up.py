"""Keras imported without what TensorFlow says of itself at every start."""

import contextlib
import os
import re
import sys
import tempfile

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Lines of information and warnings of TensorFlow's C++ code, with what
# precedes the first of them and what follows one about the processor.
_OWN_LINE = re.compile(
    rb"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: )?[IW]\d* ?.*\.cc:\d+\] "
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions: "
)
_STANDARD_ERROR = 2


@contextlib.contextmanager
def without_own_lines():
    """Keeps TensorFlow's lines of information off standard error.

    Its C++ code writes them past Python while it is imported, before it reads
    a setting. What else comes meanwhile is written at the end. Whoever has set
    the environment variable TF_CPP_MIN_LOG_LEVEL to 0 sees all.
    """
    if "tensorflow" in sys.modules or os.environ.get(LEVEL) == "0":
        yield
        return
    # Its errors reach Python as exceptions, but for that of a missing GPU.
    os.environ.setdefault(LEVEL, "3")
    with contextlib.ExitStack() as stack:
        try:
            kept = stack.enter_context(tempfile.TemporaryFile())
            real = os.dup(_STANDARD_ERROR)
        except OSError:  # no standard error, or no room for a file
            yield
            return
        stack.callback(os.close, real)
        _flush()
        os.dup2(kept.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            _flush()
            os.dup2(real, _STANDARD_ERROR)
            kept.seek(0)
            rest = [line for line in kept if not _OWN_LINE.match(line)]
            with contextlib.suppress(OSError):
                os.write(_STANDARD_ERROR, b"".join(rest))


def _flush():
    """Has what Python holds back written where it belongs."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
