"""A network that cuts connections, goes silent, or is slow, and an S3 that has too much to do or no room.

What is short is gone over within the command; what lasts fails it, and the next run fixes it. The bytes after which a
connection is cut are seeded, and within a COPY, an upload or a download.
"""

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import psutil
import pytest
from support.world import LAST, World

from faults.disturbed import FAULTS, TASK_FAILED, Case, Tally, pid_of
from faults.proxy import Fault, Proxy, Way, running_proxy
from pipeline.kernel import postgres, retries
from pipeline.kernel.config import S3
from pipeline.kernel.errors import ServiceLost
from pipeline.lake import client, upload
from pipeline.lake.objects import Lake
from pipeline.source import layout

CUTS, BURSTS = max(1, FAULTS // 5), max(1, FAULTS // 5)
BUSY = ("orders", "order_lines")
# What the client says before the bytes of a table pass, and which way these then go; {} is the table.
PATHS: dict[str, tuple[str, str, Way]] = {
    "copy_out": ("operational", r'^Q.*copy \(select .* from "ops"\."{}"', "down"),
    "copy_in": ("warehouse", r'copy "stage"\."{}" ', "up"),
    "upload": ("s3", r"^PUT \S*/ops\.{}/\S*/data\.csv", "up"),
    "download": ("s3", r"^GET \S*/ops\.{}/\S*/data\.csv", "down"),
}
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
INTERNAL = b"<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"


def answer(status: str, body: bytes) -> bytes:
    """What an S3 says that does not do what it is asked to."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


BUSY_ANSWERS = [answer("503 Slow Down", SLOW_DOWN), answer("500 Internal Server Error", INTERNAL)]


@pytest.fixture(scope="module")
def services(services_home: Path) -> dict[str, str]:
    """What services.json says."""
    found: dict[str, str] = json.loads((services_home / "services.json").read_text())
    return found


@contextlib.contextmanager
def proxied(world: World, services: dict[str, str], what: str) -> Iterator[tuple[World, Proxy]]:
    """The world, by way of a proxy to one of its servers."""
    parts = urlsplit(services["s3_endpoint"] if what == "s3" else world.warehouse_url)
    with running_proxy((str(parts.hostname), int(parts.port or 0))) as proxy:
        yield world.where(**_environment(world, services, what, proxy)), proxy


def _environment(world: World, services: dict[str, str], what: str, proxy: Proxy) -> dict[str, str]:
    if what == "s3":
        return {
            "AWS_ENDPOINT_URL": proxy.through(services["s3_endpoint"]),
            "AWS_ACCESS_KEY_ID": services["s3_access_key"],
            "AWS_SECRET_ACCESS_KEY": services["s3_secret_key"],
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    name = f"{what}_url"
    return {name.upper(): proxy.through(getattr(world, name))}


@contextlib.contextmanager
def proxied_lake(world: World, services: dict[str, str]) -> Iterator[tuple[Lake, Proxy]]:
    """The world's lake in this process, by way of a proxy."""
    with proxied(world, services, "s3") as (_, proxy):
        endpoint = proxy.through(services["s3_endpoint"])
        yield Lake(world.lake_url, S3(endpoint, services["s3_access_key"], services["s3_secret_key"])), proxy


@pytest.mark.parametrize("path", PATHS)
def test_a_connection_that_is_cut_among_the_rows_costs_no_row(
    first_load: Case, services: dict[str, str], path: str, tally: Tally
) -> None:
    random = Random(f"cut {path}")
    what, when, way = PATHS[path]
    for number in range(CUTS):
        world = first_load.start()
        table = random.choice(BUSY)
        # Of every second load it is cut again and again, until all tries are used up.
        times = 1 + number % 2 * 99
        bytes_ = bytes_of(first_load, table)
        fault = Fault(re.compile(when.format(table).encode(), re.S), "cut", random.randrange(bytes_), way, times=times)
        with proxied(world.where(OCEAN_RETRIES="1"), services, what) as (disturbed, proxy):
            proxy.faults.append(fault)
            disturbed.luigi(*first_load.words, expect=0 if times == 1 else TASK_FAILED)
        assert fault.hits == 1 if times == 1 else fault.hits > 1
        tally.count("faults", fault.hits)
        tally.count("reruns", times > 1)
        world.luigi(*first_load.words)
        tally.compare(world, first_load.checksum)


def bytes_of(case: Case, table: str) -> int:
    """The bytes of a table's extract: its rows are no fewer on any path."""
    found = layout.metadata(case.world.lake, f"ops.{table}", LAST)
    assert found
    return found.bytes


def test_parts_of_an_upload_that_is_cut_are_taken_back_and_the_object_is_not_there(
    world: World, services: dict[str, str], monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    part = 5 << 20
    monkeypatch.setattr(upload, "PART_BYTES", part)
    with proxied_lake(world, services) as (found, proxy):
        found.check()
        fault = Fault(re.compile(rb"^PUT \S*big\?\S*partNumber=2"), "cut", 1 << 20, times=99)
        proxy.faults.append(fault)
        with pytest.raises(ServiceLost):
            send(found, bytes(part * 4))
        assert fault.hits == 3  # boto3's attempts
        assert not found.exists("big")
        assert "Uploads" not in found.client.list_multipart_uploads(Bucket=found.bucket, Prefix=found.prefix)
    tally.count("faults", fault.hits)


def send(found: Lake, data: bytes) -> None:
    """Uploads an object in parts."""
    with found.upload("big") as sink:
        for start in range(0, len(data), upload.PART_BYTES):
            sink.write(data[start : start + upload.PART_BYTES])


def test_a_part_that_takes_long_on_a_slow_network_arrives(world: World, services: dict[str, str], tally: Tally) -> None:
    data = Random("slow").randbytes(upload.PART_BYTES + 1)
    with proxied_lake(world, services) as (found, proxy):
        found.check()
        # Longer than an S3 may take that is not there, at each attempt.
        seconds = client.SECONDS_TO_CONNECT * 1.5
        fault = Fault(re.compile(rb"^PUT \S*big\?\S*partNumber=1"), "stall", 1 << 20, seconds=seconds, times=99)
        proxy.faults.append(fault)
        send(found, data)
        assert fault.hits == 1
    assert world.lake.read("big") == data
    tally.count("faults")


@pytest.mark.parametrize("way", ["up", "down"])
def test_an_s3_that_goes_silent_is_given_up_and_asked_again(
    first_load: Case, services: dict[str, str], monkeypatch: pytest.MonkeyPatch, way: Way, tally: Tally
) -> None:
    monkeypatch.setattr(client, "SECONDS_TO_WAIT", 0.5)
    monkeypatch.setattr(retries, "FIRST_WAIT", 0)
    monkeypatch.setattr(retries, "JITTER", 0)
    world = first_load.world
    key = f"{layout.folder('ops.orders', LAST)}/data.csv.zst"
    data = world.lake.read(key)
    assert data
    with proxied_lake(world, services) as (found, proxy):
        found.check()
        when = re.compile(rb"^(GET|PUT) \S*data\.csv\.zst")
        fault = Fault(when, "silent", len(data) // 2, way)
        proxy.faults.append(fault)
        if way == "down":
            told: list[str] = []
            assert retries.patiently(lambda: found.read(key), 1, told.append) == data
            assert "Read timeout" in told[0]
        else:
            found.write("copy/data.csv.zst", data)
            assert found.read("copy/data.csv.zst") == data
        assert fault.hits == 1
    tally.count("faults")


@pytest.mark.parametrize("replicates", [False, True])
def test_either_end_of_a_connection_to_postgresql_gives_up_a_silent_network_within_a_minute(
    world: World, logged: World, replicates: bool
) -> None:
    url = logged.operational_url if replicates else world.warehouse_url
    connected = (
        postgres.replication(url, "operational", purpose="tests", seconds=1)
        if replicates
        else postgres.session(url, "warehouse")
    )
    with connected as cursor:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        server = [int(postgres.value(cursor, f"show {name}")) for name in names]
        assert postgres.value(cursor, "show tcp_user_timeout") == "60000"
        with socket.socket(fileno=cursor.connection.fileno()) as client:
            found = [
                client.getsockopt(socket.IPPROTO_TCP, option) for option in (socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            client.detach()
    idle, interval, probes = server
    assert idle + interval * probes <= 60
    assert found == [interval, probes]


def test_an_s3_with_too_much_to_do_for_a_moment_fails_no_load(
    first_load: Case, services: dict[str, str], tally: Tally
) -> None:
    random = Random("busy")
    for _ in range(BURSTS):
        world = first_load.start()
        with proxied(world, services, "s3") as (disturbed, proxy):
            # Of each kind of request a few in a row, beginning with any; as many as boto3 makes of one.
            for kind in (b"GET", b"PUT", b"HEAD"):
                skipped = Fault(re.compile(rb"^" + kind), "stall", times=random.randrange(20))
                burst = Fault(re.compile(rb"^" + kind), "answer", answer=random.choice(BUSY_ANSWERS), times=2)
                proxy.faults += [skipped, burst]
            disturbed.luigi(*first_load.words)
            hits = sum(fault.hits for fault in proxy.faults if fault.kind == "answer")
        assert hits > 1
        tally.count("faults", hits)
        tally.compare(world, first_load.checksum)


def test_an_s3_that_never_has_time_again_fails_the_load_by_name_and_the_next_run_fixes_it(
    first_load: Case, services: dict[str, str], tally: Tally
) -> None:
    world = first_load.start()
    with proxied(world.where(OCEAN_RETRIES="0"), services, "s3") as (disturbed, proxy):
        # For one table only: boto3 waits before it asks again, and would for each.
        for_ever = Fault(re.compile(rb"^PUT \S*/ops\.orders/"), "answer", answer=BUSY_ANSWERS[0], times=1 << 30)
        proxy.faults.append(for_ever)
        output = disturbed.luigi(*first_load.words, expect=TASK_FAILED)
    assert for_ever.hits
    assert re.search(r"cannot use the lake s3://\S+ on S3 at http://127\S+, because it answered 503 SlowDown; ", output)
    tally.count("faults", for_ever.hits)
    tally.count("reruns")
    world.luigi(*first_load.words)
    tally.compare(world, first_load.checksum)


def test_an_s3_without_room_fails_the_load_by_name_and_the_next_run_fixes_it(
    first_load: Case, services_home: Path, tally: Tally
) -> None:
    world = first_load.start()
    server = psutil.Process(pid_of(services_home, "s3"))
    # No file of it may grow beyond this, as on a disk that is full.
    bytes_ = Random("full").randrange(bytes_of(first_load, "orders"))
    server.rlimit(psutil.RLIMIT_FSIZE, (bytes_, -1))
    try:
        output = world.where(OCEAN_RETRIES="1").luigi(*first_load.words, expect=TASK_FAILED)
    finally:
        server.rlimit(psutil.RLIMIT_FSIZE, (-1, -1))
    assert re.search(
        r"cannot use the lake s3://\S+ on S3 at http://127\S+, because it answered 500 InternalError; ", output
    )
    tally.count("faults")
    tally.count("reruns")
    world.luigi(*first_load.words)
    tally.compare(world, first_load.checksum)
