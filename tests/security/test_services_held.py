"""What held when the embedded services were attacked, and has to go on holding.

That they listen on 127.0.0.1 alone, and that the start shows no secret, test_services.py has.
"""

import itertools
import json
import os
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import urllib3
from botocore.exceptions import ClientError
from other_account import ACCOUNT, PYTHON, as_root
from support.world import LAST, ROOT, SIMULATED, World, embedded, running_services, secrets_of

from pipeline import services
from pipeline.kernel.errors import OceanError
from pipeline.kernel.listener import DATABASE_SERVERS, MAIN
from pipeline.services.access import LOGINS

# Says which of the paths it is given it may read, list or write.
TRY = """
import os, sys
for path in sys.stdin.read().split("\\0"):
    for mode in ("rb", "r+b"):
        try:
            os.listdir(path) if os.path.isdir(path) else open(path, mode).read(1)
            print(mode[:2].strip("b"), path)
        except OSError:
            pass
"""
ESCAPES = (
    *("../services.json", "../../services.json", "a/../../../services.json", "/../../services.json"),
    *("..", "../", "a/../..", "%2e%2e/services.json", "..%2fservices.json", "..\\services.json"),
)


def opened_by_another(paths: list[Path]) -> set[str]:
    done = subprocess.run(
        [PYTHON, "-c", TRY],
        input="\0".join(map(str, paths)),
        user=ACCOUNT,
        extra_groups=[],
        env={},
        cwd="/",
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return set(done.stdout.splitlines())


@as_root
@pytest.mark.parametrize(("name", "servers"), [("services_home", (MAIN,)), ("log_home", DATABASE_SERVERS)])
def test_another_account_finds_nothing_in_the_home_whatever_names_it_guesses(
    request: pytest.FixtureRequest, name: str, servers: tuple[str, ...]
) -> None:
    """But PostgreSQL's settings and programs, in which no secret is."""
    home: Path = request.getfixturevalue(name)
    paths = [home, *home.rglob("*")]
    assert {home / server / "data/PG_VERSION" for server in servers} <= set(paths)
    settings = [path for path in paths if path.suffix == ".conf" and path.parent.parent == home]
    public = {f"r {path}" for path in settings}
    programs = f"r {home}/postgresql/server-"
    found = {line for line in opened_by_another(paths) if not line.startswith(programs)}
    assert found == public
    assert not [secret for secret in secrets_of(home) if any(secret in path.read_text() for path in settings)]


@as_root
def test_another_account_reads_nothing_of_our_processes(services_home: Path) -> None:
    servers = [psutil.Process(state.pid) for state in services.status(services_home)]
    pids = [each.pid for server in servers for each in (server, *server.children(recursive=True))]
    names = ("environ", "mem", "maps", "fd", "cwd", "root", "io", "stack")
    paths = [Path(f"/proc/{pid}/{name}") for pid in pids for name in names]
    assert opened_by_another(paths) == set()


def test_no_secret_is_in_what_a_load_leaves(services_home: Path, world: World, tmp_path: Path) -> None:
    output = world.where(**SIMULATED, TMPDIR=str(tmp_path)).load(LAST)
    lake = services_home / "s3" / world.lake_url.removeprefix("s3://")
    files = [
        path for folder in (tmp_path, services_home / "log", services_home / "luigid") for path in folder.rglob("*")
    ]
    files += [path for path in lake.rglob("*") if path.is_file()]
    left = output.encode() + b"".join(path.read_bytes() for path in files if path.is_file())
    left += "".join(str(row) for row in world.warehouse("select t::text from etl.task_run as t")).encode()
    assert len(list(lake.rglob("metadata.json"))) > 5
    assert not [secret for secret in secrets_of(services_home) if secret.encode() in left]


def test_nobody_logs_in_to_postgresql_with_a_guess_or_with_another_secret(services_home: Path) -> None:
    found = json.loads((services_home / "services.json").read_text())
    address = {"host": "127.0.0.1", "port": psycopg2.extensions.parse_dsn(found["warehouse_url"])["port"]}
    roles = {role for role, _ in LOGINS.values()} | {"postgres"}
    guesses = ["", "postgres", "password", "ocean", found["s3_secret_key"], found["luigid_password"], "\\' or ''='"]
    attempts = 0
    for role, guess, database in itertools.product(roles, [*guesses, *roles], ("postgres", "warehouse")):
        attempts += 1
        with pytest.raises(psycopg2.OperationalError, match=r"authentication failed|no password supplied"):
            psycopg2.connect(**address, user=role, password=guess, dbname=database, passfile="/dev/null")
    assert attempts >= 180


def test_s3_refuses_whoever_does_not_sign_with_its_key(services_home: Path) -> None:
    found = json.loads((services_home / "services.json").read_text())
    lake = embedded(services_home).lake
    lake.write("held/known", b"known")
    scope = f"{found['s3_access_key']}/20261129/us-east-1/s3/aws4_request"
    forged = "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Basic YTpi"},
        {"Authorization": f"AWS {found['s3_access_key']}:AAAAAAAAAAAAAAAAAAAAAAAAAAA="},
        {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, {forged}", "x-amz-date": "20261129T000000Z"},
        {"Authorization": "AWS4-HMAC-SHA256"},
    ]
    queries = ("", "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", f"?AWSAccessKeyId={found['s3_access_key']}")
    paths = ("/", "/ocean-lake", "/ocean-lake/held/known")
    for method, path, query, header in itertools.product(("GET", "HEAD", "PUT", "DELETE"), paths, queries, headers):
        answer = urllib3.request(method, found["s3_endpoint"] + path + query, headers=header, retries=False)
        assert 400 <= answer.status < 500, (method, path, query, header)
        assert b"known" not in answer.data.replace(b"held/known", b"")
    assert lake.read("held/known") == b"known"


def test_no_key_leads_out_of_the_lake(services_home: Path) -> None:
    client: Any = embedded(services_home).lake.client
    before = (services_home / "services.json").read_text()
    for key in ESCAPES:
        try:
            read = client.get_object(Bucket="ocean-lake", Key=key)["Body"].read()
        except ClientError:
            read = b""
        assert b"s3_secret_key" not in read
        try:
            client.put_object(Bucket="ocean-lake", Key=key, Body=b"escaped")
        except ClientError:
            continue
    assert (services_home / "services.json").read_text() == before
    outside = [path for path in services_home.rglob("*") if path.is_file() and path.stat().st_size == len(b"escaped")]
    lake = services_home / "s3/ocean-lake"
    assert not [path for path in outside if lake not in path.parents and path.read_bytes() == b"escaped"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_services_leave_is_their_owners_alone_whatever_the_umask(umask: int) -> None:
    """Also in a home that an earlier version or somebody's `mkdir` left open."""
    with running_services() as home:
        services.down(home)
        home.chmod(0o755)
        for name in ("lock", "log/s3.log", ".config"):
            (home / name).touch()
            (home / name).chmod(0o777)
        before = os.umask(umask)
        try:
            services.up(home)
            left = os.umask(umask)
        finally:
            os.umask(before)
        assert left == umask
        passage = 0o711 if os.geteuid() == 0 else 0o700
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir(), *(home / "log").iterdir())}
        assert modes.pop(home) == modes.pop(home / "postgresql") == passage
        assert not {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077}
        for state in services.status(home):
            assert "Umask:\t0077" in Path(f"/proc/{state.pid}/status").read_text()


def test_a_home_that_holds_other_things_too_keeps_its_mode() -> None:
    with running_services() as home:
        (home / "theirs").mkdir(mode=0o755)
        home.chmod(0o755)
        (home / "lock").chmod(0o666)
        services.up(home)
        assert stat.S_IMODE(home.stat().st_mode) == 0o755
        assert stat.S_IMODE((home / "theirs").stat().st_mode) == 0o755
        assert stat.S_IMODE((home / "lock").stat().st_mode) == 0o600


def test_what_is_removed_under_the_lake_is_missed_without_a_restart(services_home: Path) -> None:
    """As operations.md advises for `spark/` and `work/`; the server believes in it for a second."""
    lake = embedded(services_home).lake
    lake.write("removed/table/data", b"before")
    assert lake.read("removed/table/data") == b"before"
    subprocess.run(["rm", "-r", services_home / "s3/ocean-lake/removed"], check=True, cwd=ROOT)
    state, deadline = "", time.monotonic() + 60  # by default it were five minutes
    while state != "missed" and time.monotonic() < deadline:
        with suppress(OceanError, ClientError):
            state = "missed" if lake.read("removed/table/data") is None else "read"
    assert state == "missed"
    lake.write("removed/table/data", b"after")
    assert lake.read("removed/table/data") == b"after"
