"""Keeps the shell's settings for PostgreSQL and proxies from the embedded services.

libpq takes any of its settings from a variable, for example PGSSLMODE or PGSERVICE. botocore and urllib take proxies.
The embedded services are on this machine and have no TLS. The shell's settings hold for servers elsewhere.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

OF_LIBPQ = re.compile("PG[A-Z]+")
OF_PROXIES = re.compile("[a-z]+_proxy", re.IGNORECASE)

# libpq reads the environment of the process, which all threads share. A signal may have its own thread connect again.
_environment = threading.RLock()
os.register_at_fork(
    before=_environment.acquire, after_in_parent=_environment.release, after_in_child=_environment.release
)


def without_servers() -> dict[str, str]:
    """The environment for a program that asks embedded services alone."""
    return {
        name: value
        for name, value in os.environ.items()
        if not (OF_LIBPQ.fullmatch(name) or OF_PROXIES.fullmatch(name))
    }


@contextmanager
def for_libpq(*, is_embedded: bool) -> Iterator[None]:
    """The environment in which libpq connects: for an embedded server without the variables that libpq knows."""
    with _environment:
        names = [name for name in os.environ if OF_LIBPQ.fullmatch(name)] if is_embedded else []
        kept = {name: os.environ.pop(name) for name in names}
        try:
            yield
        finally:
            os.environ.update(kept)
