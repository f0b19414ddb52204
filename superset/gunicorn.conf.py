"""Settings of gunicorn for Superset, on a machine and in a container. The command line gives the address."""

import gc
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))
gc.disable()  # until there are workers: nothing of what is imported is garbage, and to look for it takes time

wsgi_app = "superset.app:create_app()"
preload_app = True  # Superset is imported once, which takes seconds, and the workers share its memory
workers = 2  # both use the same cached answers
worker_class = "gthread"
threads = 64  # most of them wait for another thread's computation
timeout = 120
graceful_timeout = 2  # gunicorn would wait for browsers' open connections
control_socket_disable = True


def on_starting(server: Any) -> None:
    """Limits gunicorn's own log, before there are workers."""
    import log_bound

    log_bound.install(server.log.error_log)


def pre_fork(server: Any, _worker: Any) -> None:
    """Leaves a worker no connection to the database, which it would share, and nothing old to look for garbage in."""
    from superset import db

    with server.app.wsgi().app_context():
        db.session.remove()
        db.engine.dispose()
    gc.freeze()


def post_fork(_server: Any, _worker: Any) -> None:
    """Has a worker collect its garbage."""
    gc.enable()
