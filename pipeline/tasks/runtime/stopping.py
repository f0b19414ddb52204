"""SIGTERM: a command that is told to stop says so, whatever it waits for at that moment."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_CODE = 128 + signal.SIGTERM
STOP, END = bytes([signal.SIGTERM]), b"\0"


@contextmanager
def told_to_stop(tell: Callable[[], None]) -> Iterator[None]:
    """While the block runs, SIGTERM has `tell` called in a thread of its own, and ends the process with exit code 143.

    A handler of Python's would have to wait until PostgreSQL has answered the statement that runs, for a lock perhaps.
    What is not committed then is rolled back, as after a kill. Workers that have a process of their own are not told.
    """
    if threading.current_thread() is not threading.main_thread():  # nobody else may see to signals
        yield
        return

    def watch() -> None:
        while (number := os.read(told, 1)) != END:
            if number == STOP:
                try:
                    tell()
                    sys.stdout.flush()
                    sys.stderr.flush()
                finally:
                    os._exit(EXIT_CODE)

    told, tells = os.pipe()
    os.set_blocking(tells, False)
    thread = threading.Thread(target=watch, daemon=True)
    # A handler that does nothing: what counts is that the number of the signal goes to the pipe at once.
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    wakeup = signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, handler)
        os.write(tells, END)
        thread.join()
        os.close(told)
        os.close(tells)


def _in_worker() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_in_worker)
