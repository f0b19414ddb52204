"""How gunicorn serves Superset, on a machine and in a container; the address comes with the command."""

import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

wsgi_app = "superset.app:create_app()"
workers = 2  # each takes 300 MB; what they keep until the next load, they keep together
worker_class = "gthread"
threads = 64  # most of them wait for what another one computes
timeout = 120
graceful_timeout = 2  # browsers keep connections open, for which it would wait
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Bounds gunicorn's own log, before there are workers."""
    import log_bound

    log_bound.install(server.log.error_log)
