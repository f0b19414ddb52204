"""What somebody without a key asks fills no disk by Superset's log."""

import subprocess

from support.superset_site import Site
from support.world import ROOT


def test_what_the_server_cannot_read_fills_no_log(site: Site) -> None:
    before = (site.home / "log/superset.log").stat().st_size
    assert {site.raw(f"GET /login/\n{chr(1) * 4000}: 1") for _ in range(300)} == {400}
    assert (site.home / "log/superset.log").stat().st_size - before < 2 * 100 * 2200  # of 300 * 16 kB


LOG = """
import logging, sys
import log_bound
logging.basicConfig(format="%(message)s")
log_bound.install(logging.getLogger())
for number in range(5000):
    try:
        raise ValueError("y" * 10_000)
    except ValueError:
        logging.exception("%s %s", number, "x" * 10_000)
"""


def test_the_log_takes_so_many_records_of_such_a_length() -> None:
    environment = {"PYTHONPATH": str(ROOT / "superset")}
    python = ROOT / ".venv-superset/bin/python"
    done = subprocess.run([python, "-c", LOG], env=environment, stderr=subprocess.PIPE, check=True)
    assert 100 * 4000 < len(done.stderr) < 110 * 4200
    assert b"y" * 10 + b"\n" in done.stderr
