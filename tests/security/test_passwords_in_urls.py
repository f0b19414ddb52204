"""A password with a sign that means something in a URL, written plainly: no error shows a part of it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.world import ROOT

from pipeline.feeds import risk_api
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ConfigError, OceanError, Undelivered
from pipeline.lake.client import client_of
from pipeline.operations import alerts
from pipeline.tasks.runtime.scheduler import Luigid

# The second half of a password that ends early, and the first.
CUT = ["s3cret@pa55", "12345@pa55", "12345/pa55", "12345@a/pa55", "12345/a@pa55", "12345:pa55/a", "@pa55", "pa55@"]
CUT_OF_HTTP = [*CUT, "12345?pa55", "12345#pa55"]


def database(password: str) -> None:
    postgres.connect(f"postgresql://me:{password}@127.0.0.1:9/db", "warehouse")


def risk(password: str) -> None:
    risk_api.fetch(f"http://me:{password}@127.0.0.1:9/scores", attempts=1)


def alert(password: str) -> None:
    alerts.post(f"http://me:{password}@127.0.0.1:9/hook", b"{}")


def luigid(password: str) -> None:
    Luigid.at(f"http://me:{password}@127.0.0.1:9")


def shown(ask: Callable[[str], None], password: str, expect: type[OceanError]) -> str:
    with pytest.raises(expect) as caught:
        ask(password)
    return str(caught.value)


@pytest.mark.parametrize("password", CUT)
def test_a_database_whose_password_ends_early_is_refused_without_a_part_of_it(password: str) -> None:
    said = shown(database, password, ConfigError)
    assert "correct WAREHOUSE_URL; special characters of a user or a password are written %XX" in said
    assert not any(part in said for part in ("pa55", "s3cret", "12345"))


@pytest.mark.parametrize("password", CUT_OF_HTTP)
@pytest.mark.parametrize(("ask", "expect"), [(risk, ConfigError), (alert, Undelivered), (luigid, ConfigError)])
def test_a_server_whose_password_ends_early_is_refused_without_a_part_of_it(
    ask: Callable[[str], None], expect: type[OceanError], password: str
) -> None:
    said = shown(ask, password, expect)
    assert "are written %XX" in said
    assert not any(part in said for part in ("pa55", "s3cret", "12345"))


@pytest.mark.parametrize("ask", [database, risk, alert, luigid])
def test_a_password_that_is_escaped_is_taken_and_not_shown(ask: Callable[[str], None]) -> None:
    said = shown(ask, "12345%40%2F%3Fpa55", OceanError)
    assert "are written %XX" not in said
    assert not any(part in said for part in ("pa55", "12345"))


def test_a_path_may_have_any_sign_where_no_login_is_cut() -> None:
    with pytest.raises(Undelivered, match="no connection could be made"):
        alerts.post("http://127.0.0.1/webhook/a@b/c", b"{}")


def test_a_key_in_the_url_of_the_lake_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_URL", "s3://AKIA:pa55@bucket/prefix")
    monkeypatch.setenv("OPERATIONAL_URL", "postgresql://me@h/db")
    config.settings.cache_clear()
    with pytest.raises(ConfigError, match="cannot use the setting lake_url, because it has the sign @") as caught:
        config.settings()
    config.settings.cache_clear()
    assert "pa55" not in str(caught.value)


def test_an_endpoint_of_s3_with_a_login_is_refused_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://AKIA:pa55@127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with pytest.raises(ConfigError, match="cannot use the endpoint of S3") as caught:
        client_of(config.S3())
    assert "pa55" not in str(caught.value)


def test_no_role_is_created_with_half_a_password(tmp_path: Path) -> None:
    """Whoever runs deploy/databases.py would be told so by the first login alone."""
    given = {"ADMIN_URL": "postgresql://a:b@127.0.0.1:9/db", "WAREHOUSE_URL": "postgresql://me:12345@pa55@h/db"}
    command = [sys.executable, str(ROOT / "deploy/databases.py")]
    done = subprocess.run(command, env={**given, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("cannot read WAREHOUSE_URL, because its password may end early; correct it; special")
    assert "pa55" not in done.stderr
