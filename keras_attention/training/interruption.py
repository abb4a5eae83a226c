"""Signals that end training: Ctrl-C and SIGTERM."""

import contextlib
import os
import signal
import sys
import threading

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Lets a step of training end before a signal does, as a context.

    While `deferred` is true, the first SIGINT (Ctrl-C) or SIGTERM (of a
    scheduler that takes the machine away) is kept for `end`. At other times,
    and the second time, it has its effect at once. Signals that the
    process ignores or handles in a way of its own are left alone, and so are
    all of them outside the main thread, where Python handles none.
    """

    def __init__(self):
        self.deferred = False
        self.message = ""  # what has become of the training by then
        self._received = None
        self._handlers = {}

    @property
    def pending(self):
        """Whether a signal has come that was deferred."""
        return self._received is not None

    def end(self):
        """Ends the process as the signal that was kept would have.

        Raises:
            KeyboardInterrupt: for SIGINT, with the message.
            SystemExit: for SIGTERM, with the code 143; the message is printed.
        """
        _raise_for(self._received, self.message)

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if handler in (
                    signal.SIG_DFL,
                    signal.default_int_handler,
                    _end_at_once,
                ):
                    self._handlers[number] = handler
                    signal.signal(number, self._receive)
        return self

    def __exit__(self, kind, *exception):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        if self.pending and kind is None:
            self.end()

    def _receive(self, number, frame):
        if self.deferred and not self.pending:
            self._received = number
        elif self._handlers[number] is _end_at_once:
            _end_at_once(number, frame, self.message)
        else:
            _raise_for(number, self.message)


@contextlib.contextmanager
def handle_signals():
    """Has Ctrl-C and SIGTERM end a script at once, with one line.

    Within `resume_fit` they let the step end first. A signal that the process
    was started to ignore stays ignored.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, _end_at_once)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(number, frame, message=""):
    # An exception would be lost where Python ignores them: in a finalizer, or
    # while garbage is collected. Files are whole after a kill too.
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os.write(2, f"{_line(number, message)}\n".encode())
    os._exit(128 + number)


def _raise_for(number, message):
    if number == signal.SIGINT:
        raise KeyboardInterrupt(*filter(None, [message]))
    print(_line(number, message), file=sys.stderr)
    raise SystemExit(128 + number)


def _line(number, message):
    word = "interrupted" if number == signal.SIGINT else "terminated"
    return ": ".join(filter(None, [word, message]))
