"""Settings of gunicorn for Superset, on a machine and in a container. The command line gives the address."""

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

wsgi_app = "superset.app:create_app()"
workers = 2  # each takes 300 MB; both use the same cached answers
worker_class = "gthread"
threads = 64  # most of them wait for another thread's computation
timeout = 120
graceful_timeout = 2  # gunicorn would wait for browsers' open connections
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Limits gunicorn's own log, before there are workers."""
    import log_bound

    log_bound.install(server.log.error_log)
