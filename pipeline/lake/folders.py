"""Folders of the lake as a whole: listed, fetched, and replaced by the output of a job."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TypeVar

from pipeline.kernel.errors import BadExtract, ServiceDown
from pipeline.lake.forms import path_inside
from pipeline.lake.objects import Lake, Object

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8  # below the ten connections that boto3's client keeps
COPY_BYTES = 1 << 20
# Spark gives the files of each run a name of their own; without it a rerun replaces them instead of adding to them.
RUN_ID = re.compile(r"-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def objects(lake: Lake, folders: Iterable[str]) -> list[Object]:
    """All objects below some folders, in the order of their keys."""
    found = chain.from_iterable(_in_threads(lake.objects, folders))
    return sorted(found, key=lambda entry: entry.key)


def fetch(lake: Lake, entries: Iterable[Object], folder: Path) -> None:
    """Each object becomes a file below `folder` by its key. Raises BadExtract for a key that leads elsewhere."""
    found = [_inside(lake, entry.key) for entry in entries]
    _in_threads(lambda key: _fetch(lake, key, folder / key), found)


def publish(lake: Lake, target: str, writers: Mapping[str, Callable[[str], None]]) -> None:
    """The folders of `writers` hold what these write, and nothing else.

    `writers` has a function for each file by its path below `target`, which is called with the object's key. A file
    that was there before is removed only once all new ones are there. Raises BadExtract for a path that leads
    elsewhere.
    """
    written = {f"{target}/{RUN_ID.sub('', _inside(lake, path))}": write for path, write in writers.items()}
    _in_threads(lambda item: item[1](item[0]), written.items())
    folders = {key.rpartition("/")[0] for key in written}
    lake.delete(
        entry.key
        for entry in lake.objects(target)
        if entry.key.rpartition("/")[0] in folders and entry.key not in written
    )


def upload(lake: Lake, path: Path) -> Callable[[str], None]:
    """Writes a local file to a key."""

    def write(key: str) -> None:
        with path.open("rb") as file, lake.upload(key) as sink:
            shutil.copyfileobj(file, sink, COPY_BYTES)

    return write


def copy(lake: Lake, source: str) -> Callable[[str], None]:
    """Copies another object of the lake to a key, in parts if it is large. S3 copies, so no bytes come here."""

    def write(key: str) -> None:
        from s3transfer.manager import TransferManager  # as slow to import as the client itself

        where = {"Bucket": lake.bucket, "Key": _absolute(lake, source)}
        with lake.errors(), TransferManager(lake.client) as transfers:
            transfers.copy(where, lake.bucket, _absolute(lake, key)).result()

    return write


def _inside(lake: Lake, path: str) -> str:
    try:
        return path_inside(path)
    except ValueError:
        raise BadExtract(
            f"use {path} on the lake {lake.url}", "its name leads out of its folder", "see who wrote it, and delete it"
        ) from None


def _fetch(lake: Lake, key: str, path: Path) -> None:
    source = lake.open(key)
    if source is None:
        raise ServiceDown(
            f"read {key} on the lake {lake.url}", "it was removed since it was listed", "run the same command again"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(source), path.open("wb") as file:
        shutil.copyfileobj(source, file, COPY_BYTES)


def _absolute(lake: Lake, key: str) -> str:
    return f"{lake.prefix}/{key}" if lake.prefix else key


def _in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results in the order of the items; the first error is raised once the work under way is done."""
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
