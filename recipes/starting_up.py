"""Ctrl-C and SIGTERM while a recipe starts: it imports nothing that is slow."""

import os
import signal


def end_with_one_line():
    """Ends the process at Ctrl-C or SIGTERM with one line, no traceback.

    Loading Keras takes seconds, in which there is nothing to clear away.
    `run_commands` takes over when all is loaded. A signal that the process
    was started to ignore stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number, frame):
    word = b"interrupted\n" if number == signal.SIGINT else b"terminated\n"
    os.write(2, word)
    os._exit(128 + number)
