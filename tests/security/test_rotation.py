"""`rotate` makes every secret of the embedded services a new one, at whatever point it was killed before."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import urllib3
from botocore.exceptions import ClientError
from support.dashboard_session import Session
from support.databases import admin_url
from support.superset_site import Client, Site, asked
from support.world import BEFORE, ROOT, SIMULATED, embedded, running_services, secrets_of

from pipeline import services
from pipeline.kernel.config import LUIGID_USER, S3
from pipeline.kernel.errors import ServiceFailed
from pipeline.lake.objects import Lake
from pipeline.services import service, superset
from pipeline.services.access import LOGINS, Access
from pipeline.services.superset import Settings, Superset

# A command that is killed when it comes to the function, or to the file that is to be renamed, of this name.
KILLED = """
import os, sys
from pathlib import Path
from pipeline import services
from pipeline.services import access, postgresql, roles
where, home = sys.argv[1], Path(sys.argv[2])
functions = {"save": access.Access, "_settle_owner": postgresql.PostgreSQL, "create": roles}
def die(*_):
    os._exit(9)
if where in functions:
    setattr(functions[where], where, die)
else:
    rename = Path.replace
    Path.replace = lambda self, to: die() if self.name == where else rename(self, to)
services.rotate(home)
"""


def known(home: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((home / "services.json").read_text())
    return found


def may_log_in(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
        return True
    except psycopg2.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False


def opens_lake(found: dict[str, str]) -> bool:
    lake = Lake("s3://ocean-lake", S3(found["s3_endpoint"], found["s3_access_key"], found["s3_secret_key"]))
    try:
        return bool(lake.client.head_bucket(Bucket="ocean-lake"))
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        return False


def answers(url: str, login: str) -> bool:
    status = urllib3.request("GET", url, headers=urllib3.make_headers(basic_auth=login)).status
    assert status in (200, 204, 401)
    return status != 401


def opened(found: dict[str, str], admin: str) -> dict[str, bool]:
    """What lets in who has these secrets."""
    risk = urlsplit(found["risk_api_url"])
    return {
        **{name: may_log_in(found[name]) for name in LOGINS},
        "superuser": may_log_in(admin),
        "lake": opens_lake(found),
        "luigid": answers(
            f"{found['luigid_url']}/static/visualiser/index.html", f"{LUIGID_USER}:{found['luigid_password']}"
        ),
        "risk": answers(f"http://127.0.0.1:{risk.port}/health", f"{risk.username}:{risk.password}"),
    }


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with running_services() as path:
        yield path


def test_after_a_rotation_no_old_secret_opens_anything_and_loads_go_on(home: Path) -> None:
    embedded(home, **SIMULATED).load(BEFORE)
    checksum = embedded(home).checksum()
    old, secrets, admin = known(home), secrets_of(home), admin_url(home)
    stayed = psycopg2.connect(old["bi_analyst_url"])
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.services", "rotate"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OCEAN_HOME": str(home)},
    )
    assert (done.returncode, done.stderr, done.stdout.count("started")) == (0, "", 4)
    assert not secrets & secrets_of(home)
    assert set(opened(old, admin).values()) == {False}
    assert set(opened(known(home), admin_url(home)).values()) == {True}
    with pytest.raises(psycopg2.OperationalError), stayed.cursor() as cursor:
        cursor.execute("select")
    assert not [secret for secret in secrets | secrets_of(home) if secret in done.stdout]
    logs = "".join(path.read_text(errors="replace") for path in (home / "log").iterdir())
    assert not [secret for secret in secrets | secrets_of(home) if secret in logs]
    world = embedded(home, **SIMULATED)
    assert world.checksum() == checksum
    world.load(BEFORE)


def test_after_a_rotation_the_dashboards_let_in_with_new_secrets_alone_and_show_the_same(site: Site) -> None:
    old, admin, before = known(site.home), admin_url(site.home), Settings.read(site.home / "superset.json")
    token, session = site.client("viewer"), Session.of(site.url, "viewer", before.viewer_password)
    shown = shows(site)
    done = site.command("rotate")
    assert (done.returncode, done.stdout.count("started")) == (0, 5), done.stderr
    assert set(opened(old, admin).values()) == {False}
    assert set(opened(known(site.home), admin_url(site.home)).values()) == {True}
    after = Settings.read(site.home / "superset.json")
    for user, password, new in (
        ("admin", before.admin_password, after.admin_password),
        ("viewer", before.viewer_password, after.viewer_password),
    ):
        assert [logs_in(site, user, password), logs_in(site, user, new)] == [False, True]
    # Both are signed with the secret key: a token with a wrong signature is 422.
    assert [token.get("/api/v1/me/")[0], session.ask("GET", "/api/v1/me/")[0]] == [422, 401]
    assert shows(site) == shown


def logs_in(site: Site, user: str, password: str) -> bool:
    login = {"username": user, "password": password, "provider": "db"}
    status, _ = Client(site.url).post("/api/v1/security/login", login)
    assert status in (200, 401)
    return status == 200


def shows(site: Site) -> list[dict[str, Any]]:
    """The rows that a chart of the company dashboard shows a viewer."""
    viewer, company = site.client("viewer"), "/api/v1/dashboard/ocean-records"
    charts = {chart["slice_name"]: chart["form_data"] for chart in viewer.get(f"{company}/charts")[1]["result"]}
    asks = asked(charts["Top products by sales (shop's currency)"], viewer.get(company)[1]["result"]["id"])
    status, answer = viewer.post("/api/v1/chart/data", asks)
    assert status == 200, answer
    rows: list[dict[str, Any]] = answer["result"][0]["data"]
    assert rows
    return rows


@pytest.mark.parametrize("where", ["save", "_settle_owner", "postgresql.password.next", "create"])
def test_a_rotation_killed_at_any_stage_is_brought_to_an_end(home: Path, where: str) -> None:
    before = secrets_of(home)
    done = subprocess.run([sys.executable, "-c", KILLED, where, str(home)], check=False, cwd=ROOT)
    assert done.returncode == 9
    services.up(home)
    assert {state.state for state in services.up(home)} == {"running"}
    assert set(opened(known(home), admin_url(home)).values()) == {True}
    # All are new, or, where it was killed before anything was told to a service, the superuser's alone.
    assert len(before & secrets_of(home)) == (len(before) - 1 if where == "save" else 0)
    assert not list(home.glob("*.next"))


@pytest.fixture
def deployed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Superset:
    """A Superset with deployed dashboards that nobody starts; its Python is one that can be told to fail."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nenv >"{tmp_path}/environment"; test ! -e "{tmp_path}/broken"\n')
    python.chmod(0o700)
    monkeypatch.setattr(superset, "PYTHON", python)
    monkeypatch.setattr(service.Service, "start", lambda self: None)
    found = Superset(tmp_path, Access(tmp_path / "services.json", {"superset": 1, "postgresql": 1}))
    monkeypatch.setenv("SUPERSET_ANONYMOUS", "1")
    found.deploy()
    monkeypatch.delenv("SUPERSET_ANONYMOUS")
    return found


def test_a_rotation_deploys_the_dashboards_with_new_secrets_and_the_settings_of_before(deployed: Superset) -> None:
    before = Settings.read(deployed.secrets_file)
    deployed.renew()
    assert Settings.read(deployed.secrets_file) == before
    assert not deployed.runs()
    deployed.start()
    after = Settings.read(deployed.secrets_file)
    names = ("secret_key", "admin_password", "viewer_password")
    assert not {getattr(before, name) for name in names} & {getattr(after, name) for name in names}
    assert replace(after, **{name: getattr(before, name) for name in names}) == before
    told = dict(line.split("=", 1) for line in (deployed.home / "environment").read_text().splitlines())
    assert [told[f"SUPERSET_{name.upper()}"] for name in names] == [getattr(after, name) for name in names]
    assert told["SUPERSET_ANONYMOUS"] == "1"
    assert not deployed.next_secrets.exists()


def test_a_rotation_whose_deployment_fails_is_tried_again_at_the_next_start(deployed: Superset) -> None:
    broken = deployed.home / "broken"
    broken.touch()
    deployed.renew()
    wanted = Settings.read(deployed.next_secrets)
    with pytest.raises(ServiceFailed, match="cannot deploy the dashboards"):
        deployed.start()
    assert not deployed.lets_in()
    broken.unlink()
    deployed.start()
    assert Settings.read(deployed.secrets_file) == wanted
    assert not deployed.next_secrets.exists()
