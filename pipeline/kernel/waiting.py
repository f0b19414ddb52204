"""A call that may wait for long: it can be interrupted, and logs the reason of the wait."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

SECONDS_SILENT, SECONDS_BETWEEN, SECONDS_TO_CANCEL = 1, 30, 2


def attended(work: Callable[[], None], tell: Callable[[], None], cancel: Callable[[], None]) -> None:
    """Does `work` and returns; calls `tell` when it has taken a second, and every half minute from then on.

    Raises what `work` raises. On an interruption (KeyboardInterrupt, or what another signal's handler raises) it calls
    `cancel`, which has to bring `work` to an end, and hands it on. A library in C, as psycopg2 is, would keep Python
    from seeing the signal until the server has answered: hence `work` has a thread of its own.
    """
    done: Future[None] = Future()
    thread = threading.Thread(target=_settle, args=(done, work), daemon=True)
    thread.start()
    seconds = SECONDS_SILENT
    try:
        while not _is_done(done, seconds):
            tell()
            seconds = SECONDS_BETWEEN
    except BaseException:
        with suppress(Exception):  # a server that is gone ends the work as well
            cancel()
        thread.join(SECONDS_TO_CANCEL)
        raise
    done.result()


def _settle(done: "Future[None]", work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        done.set_exception(error)
    else:
        done.set_result(None)


def _is_done(done: "Future[None]", seconds: float) -> bool:
    try:
        done.exception(seconds)
    except TimeoutError:
        return done.done()
    return True
