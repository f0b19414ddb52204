"""SIGTERM: a command that gets it says so at once, even while it waits."""

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
    """While the block runs, SIGTERM calls `tell` in a thread of its own, and ends the process with exit code 143.

    A handler in Python would have to wait until PostgreSQL answers the running statement, which may wait for a lock.
    Uncommitted work is rolled back, as after a kill. Workers with a process of their own get no notice.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
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
    # A handler that does nothing: it makes the number of the signal go to the pipe at once.
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
