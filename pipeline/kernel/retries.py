"""Does work again that failed for a reason that may pass by itself."""

import mmap
from collections.abc import Callable
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from pipeline.kernel.errors import Transient

T = TypeVar("T")

# Seconds before the first try, each further wait being twice as long, and up to so much more.
FIRST_WAIT, LONGEST_WAIT, JITTER = 0.5, 10, 0.5

# 1 once some work of this command has used up its tries: what all of it needs is gone, and waiting again for each task
# would only put off the end. Forked workers share it.
_given_up = mmap.mmap(-1, 1)


def patiently(work: Callable[[], T], retries: int, tell: Callable[[str], None]) -> T:
    """Returns the result of `work`. Runs it again up to `retries` times if it fails; `tell` hears of each time.

    The work must leave nothing half done when it fails. Raises at once a failure that is not Transient, and the last
    one after all tries.
    """

    def say(state: RetryCallState) -> None:
        assert state.outcome
        assert state.next_action
        wait = f"once more in {state.next_action.sleep:.1f} s ({state.attempt_number} of {retries})"
        tell(f"{state.outcome.exception()}; {wait}")

    try:
        result = Retrying(
            retry=retry_if_exception_type(Transient),
            stop=stop_after_attempt(1 if _given_up[0] else retries + 1),
            wait=wait_exponential(FIRST_WAIT, LONGEST_WAIT) + wait_random(0, JITTER),
            before_sleep=say,
            reraise=True,
        )(work)
    except Transient:
        _given_up[0] = 1
        raise
    _given_up[0] = 0
    return result
