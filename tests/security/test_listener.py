"""No password goes to who took the port of a stopped service, and no program of another account is one of ours."""

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import psutil
import psycopg2
import pytest
from botocore.exceptions import ClientError
from other_account import as_root, listening, start
from support.world import LAST, ROOT, SIMULATED, World, closed_port, embedded, running_services, secrets_of

from pipeline import services
from pipeline.feeds import risk_api
from pipeline.kernel import listener, postgres
from pipeline.kernel.config import S3
from pipeline.kernel.errors import ServiceDown
from pipeline.lake.objects import Lake
from pipeline.services.access import LOGINS, Access
from pipeline.services.postgresql import PostgreSQL

KINDS = {"postgresql": "clear text", "s3": "http", "luigid": "http", "risk": "http"}
LOAD = ("-m", "luigi", "--module", "pipeline", "DailyWarehouseLoad", "--date", str(LAST))
FOREIGN = "a program of another account (user id 1) listens there; run `make up`, which finds a free port"


def known(home: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((home / "services.json").read_text())
    return found


def ports(home: Path) -> dict[str, int]:
    return {state.name: int(state.address.rpartition(":")[2]) for state in services.status(home)}


def said(home: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a Python command in a home."""
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **embedded(home, **SIMULATED).environment, "LAKE_URL": ""},
    )
    return done.returncode, done.stdout


def refusal(url: str, port: int) -> str:
    """What the server at a port says to a login; nothing when it lets in."""
    try:
        psycopg2.connect(url, port=port).close()
        return ""
    except psycopg2.OperationalError as error:
        return str(error)


@pytest.fixture(scope="module")
def started_home() -> Iterator[Path]:
    with running_services() as home:
        yield home


@pytest.fixture
def home(started_home: Path) -> Path:
    """Services that a test may stop."""
    services.up(started_home)
    return started_home


@as_root
def test_who_took_the_ports_of_stopped_services_is_told_nothing_and_named(home: Path) -> None:
    at = ports(home)
    services.down(home)
    for kind in ("clear text", "open"):
        servers = {**KINDS, "postgresql": kind}
        with listening(*((servers[name], port) for name, port in at.items())) as heard:
            code, output = said(home, *LOAD, "--local-scheduler")
            assert code != 0
            assert f"database at 127.0.0.1:{at['postgresql']}, because {FOREIGN}" in output
            code, output = said(home, *LOAD)
            assert code != 0
            assert "a program of another account (user id 1) listens there" in output
            code, output = said(home, "-m", "pipeline", "status")
            assert code == 2
            assert f"127.0.0.1:{at['postgresql']}, because {FOREIGN}" in output
            code, output = said(home, "-m", "pipeline.services", "status")
            assert (code, output.count("stopped")) == (3, 4)
        assert heard.data == b""


@as_root
@pytest.mark.parametrize("name", ["s3", "luigid", "risk"])
def test_who_took_the_port_of_one_service_is_told_nothing(home: Path, name: str) -> None:
    service = next(each for each in services._services(home) if each.name == name)
    service.down()
    with listening((KINDS[name], service.port)) as heard:
        code, output = said(home, *LOAD)
        assert code != 0
        assert "a program of another account (user id 1) listens there" in output
    assert heard.data == b""


@as_root
def test_who_took_the_port_of_the_risk_scores_is_not_asked_for_them(
    home: Path, enter: Callable[[World], World]
) -> None:
    service = next(each for each in services._services(home) if each.name == "risk")
    url, fetch = known(home)["risk_api_url"], partial(risk_api.fetch, sleep=lambda _: None)
    enter(embedded(home))
    service.down()
    with pytest.raises(ServiceDown, match="because no connection could be made: nothing listens there"):
        fetch(url)
    with (
        listening((KINDS["risk"], service.port)) as heard,
        pytest.raises(ServiceDown, match=r"cannot trust the risk scores of .*, because a program of another account"),
    ):
        fetch(url)
    assert heard.data == b""


@as_root
def test_a_port_that_was_taken_is_given_up_and_what_opened_the_service_with_it(home: Path) -> None:
    old, at, owner = known(home), ports(home), secrets_of(home)
    services.down(home)
    with listening(*((KINDS[name], port) for name, port in at.items())) as heard:
        services.up(home)
        new, now = known(home), ports(home)
        assert not set(now.values()) & set(at.values())
        # The superuser's password went nowhere but to the server itself.
        assert secrets_of(home) & owner == {(home / "postgresql.password").read_text()}
        for name in LOGINS:
            assert refusal(new[name], now["postgresql"]) == ""
            assert "password authentication failed" in refusal(old[name], now["postgresql"])
        endpoint = new["s3_endpoint"]
        found = embedded(home).lake.client.head_bucket(Bucket="ocean-lake")
        assert found["ResponseMetadata"]["HTTPStatusCode"] == 200
        with pytest.raises(ClientError, match="403"):
            Lake("s3://ocean-lake", S3(endpoint, old["s3_access_key"], old["s3_secret_key"])).client.head_bucket(
                Bucket="ocean-lake"
            )
    assert heard.data == b""


@as_root
def test_who_listens_at_another_address_disturbs_nobody(home: Path) -> None:
    with ExitStack() as others:
        before = {state.name: state.pid for state in services.status(home)}
        for host in ("127.0.0.2", *["::1"] * socket.has_ipv6):
            others.enter_context(listening(*(("http", port) for port in ports(home).values()), host=host))
        assert {state.state for state in services.up(home)} == {"running"}
        assert {state.name: state.pid for state in services.status(home)} == before
        at = ports(home)
        services.down(home)
        assert {state.state for state in services.up(home)} == {"started"}
        assert ports(home) == at
        assert said(home, "-m", "pipeline", "status")[1].startswith("date")


@as_root
def test_a_server_of_the_users_own_is_asked_whoever_runs_it(
    services_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCEAN_HOME", str(services_home))
    port = closed_port()
    url = f"postgresql://theirs:their-password@127.0.0.1:{port}/theirs"
    with listening(("clear text", port)) as heard:
        postgres.check(url, "warehouse")
        with pytest.raises(ServiceDown, match="cannot reach the warehouse"):
            postgres.connect(url, "warehouse")
    assert b"their-password" in heard.data


@pytest.mark.parametrize("kind", ["clear text", "open"])
def test_a_server_that_wants_the_password_or_none_is_not_ours_even_under_our_account(tmp_path: Path, kind: str) -> None:
    port = closed_port()
    access = Access(tmp_path / "services.json", {"postgresql": port})
    with listening((kind, port), account=False) as heard:
        for name in LOGINS:
            with pytest.raises(ServiceDown, match="cannot reach the warehouse"):
                postgres.connect(access.url(name), "warehouse")
    assert b"etl_load" in heard.data
    assert not [password for password in access.passwords.values() if password.encode() in heard.data]


@contextmanager
def bound(host: str, port: int = 0) -> Iterator[int]:
    with closing(socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)) as it:
        yield it.getsockname()[1]


@pytest.mark.parametrize("way", ["kernel", "proc"])
def test_the_user_of_a_listener_is_told_in_each_way(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def not_there(*_: object) -> Iterator[listener.Listener]:
        raise OSError(errno.ENOENT, "")

    if way == "proc":
        monkeypatch.setattr(listener, "_of_kernel", not_there)
    own, other = frozenset({os.getuid()}), frozenset({os.getuid() + 1})
    for host in ("127.0.0.1", "0.0.0.0", *["::"] * socket.has_ipv6):
        with bound(host) as port:
            assert listener.foreign(port, own) is None
            assert listener.foreign(port, other) == (
                f"a program of another account (user id {os.getuid()}) listens there"
            )
        assert listener.foreign(port, own) == listener.NOTHING
    for host in ("127.0.0.2", *["::1"] * socket.has_ipv6):
        with bound(host) as port:
            assert listener.foreign(port, own) == listener.NOTHING
            assert listener.foreign(port, own, "localhost") is None
            with bound("127.0.0.1", port):
                assert listener.foreign(port, own) is None


def test_where_the_kernel_tells_nobody_our_own_processes_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK")
    monkeypatch.setattr(psutil, "process_iter", lambda attrs: [psutil.Process()])
    monkeypatch.setattr(psutil.Process, "info", {"uids": psutil.Process().uids()}, raising=False)
    with bound("127.0.0.1") as port:
        assert listener.foreign(port, frozenset({os.getuid()})) is None
    assert listener.foreign(port, frozenset({os.getuid()})) == listener.NOTHING


# Each has the arguments of one of our services.
PRETENDERS: dict[str, Callable[[Path], list[str]]] = {
    "postgresql": lambda home: [f"postgres: {PostgreSQL(home, Access(home, {})).cluster}: ", "serve"],
    "s3": lambda home: ["rclone", "serve", "s3", f"{home}/s3"],
    "luigid": lambda home: ["python", "serve", "--state-path", f"{home}/luigid/state.pickle"],
    "risk": lambda home: ["python", "-m", "pipeline.generators.risk", f"{home}/services.json"],
}


@as_root
def test_a_program_of_another_account_with_our_arguments_is_none_of_our_services(home: Path) -> None:
    programs = Path(tempfile.mkdtemp())
    module = programs / "pipeline/generators/risk.py"
    module.parent.mkdir(parents=True)
    for program in (programs / "serve", module):
        program.write_text("import sys; print('ready', flush=True); sys.stdin.read()")
    for path in [programs, *programs.rglob("*")]:
        path.chmod(0o755)
    pretenders = [start(arguments(home), cwd=programs) for arguments in PRETENDERS.values()]
    try:
        assert [each.stdout.readline() for each in pretenders if each.stdout] == [b"ready\n"] * 4
        theirs = {each.pid for each in pretenders}
        assert not theirs & {state.pid for state in services.status(home)}
        assert {state.state for state in services.down(home)} == {"stopped"}
        assert {state.state for state in services.up(home)} == {"started"}
        assert not theirs & {state.pid for state in services.status(home)}
        assert [each.poll() for each in pretenders] == [None] * 4
    finally:
        for each in pretenders:
            each.communicate()
        shutil.rmtree(programs)
