"""Objects on S3 under LAKE_URL. botocore is imported only once an object is asked for."""

import contextlib
import datetime as dt
import email.utils
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.kernel import clock, config
from pipeline.kernel.errors import ServiceDown, ServiceLost
from pipeline.kernel.streams import Closable
from pipeline.lake.client import client_of, was_reached
from pipeline.lake.forms import date_of
from pipeline.lake.upload import Upload, checksum

if TYPE_CHECKING:
    from botocore.exceptions import _ClientErrorResponseTypeDef as ClientErrorResponse
    from mypy_boto3_s3 import S3Client

LOCKED = ("extract/", "repair/", "log/")  # objects that are written once and never looked at again
UNTIL = re.compile(r"[0-9]{8}T[0-9]{6}Z")
MOST_DELETED = 1000  # objects in one request, by S3's own limit
MOST_SKEW = dt.timedelta(minutes=10)  # of the clocks; S3 wants no more than 15
# Answers after which the same request may do better, besides 429 and every 5xx.
MAY_PASS = ("SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestLimitExceeded")


@dataclass(frozen=True)
class Object:
    """An object in a listing: its key in the lake, its bytes, the time of its writing, a hash of its content."""

    key: str
    size: int
    modified: dt.datetime
    etag: str = ""


class Lake:
    """The objects below one `s3://bucket/prefix`; keys are relative to it.

    Objects below LOCKED are locked for `lock_days` (S3 Object Lock, governance mode) if that is above 0.

    Raises ServiceDown if the endpoint does not answer or refuses the credentials. Raises ServiceLost if that may pass:
    the endpoint is busy, or answered this command before. boto3 has made three attempts by then, or one if the
    endpoint never answered.
    """

    def __init__(self, url: str, s3: config.S3, lock_days: int = 0) -> None:
        parts = urlsplit(url)
        self.url, self.bucket, self.prefix = url, parts.netloc, parts.path.strip("/")
        self.s3, self.lock_days = s3, lock_days

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lake) and (self.url, self.s3) == (other.url, other.s3)

    def __hash__(self) -> int:
        return hash(self.url)

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        with self.errors():
            try:
                self.client.head_object(Bucket=self.bucket, Key=self.key(key))
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                    return False
                raise
        return True

    def read(self, key: str) -> bytes | None:
        """The object's bytes; None if there is no object."""
        body = self.open(key)
        if body is None:
            return None
        with contextlib.closing(body):
            return body.read(-1)

    def open(self, key: str) -> Closable | None:
        """A stream of the object's bytes, for the caller to close; None if there is no object."""
        with self.errors():
            try:
                body = self.client.get_object(Bucket=self.bucket, Key=self.key(key))["Body"]
            except self.client.exceptions.NoSuchKey:
                return None
        return _Download(self, body)

    def write(self, key: str, data: bytes) -> None:
        """Puts an object in one piece, in place of an existing one."""
        with self.errors():
            lock = self._retention(key)
            self.client.put_object(
                Bucket=self.bucket, Key=self.key(key), Body=data, **lock, **(checksum(data) if lock else {})
            )

    def write_all(self, objects: Mapping[str, bytes]) -> None:
        """Puts some small objects side by side: most of the time of each is waiting."""
        with ThreadPoolExecutor(len(objects)) as pool:
            list(pool.map(self.write, objects.keys(), objects.values()))

    @contextlib.contextmanager
    def upload(self, key: str) -> Iterator[Upload]:
        """A sink that becomes the object when the block ends; an error leaves no object and no parts behind."""
        with (
            self.errors(),
            contextlib.closing(Upload(self.client, self.bucket, self.key(key), self._retention(key))) as upload,
        ):
            yield upload
            upload.complete()

    def dates(self, folder: str) -> list[dt.date]:
        """The dates of all `date=YYYY-MM-DD/` folders below a folder, in order."""
        dates = map(date_of, self._folders(f"{folder}/date="))
        return sorted(date for date in dates if date)  # None: a folder of another program

    def untils(self, folder: str, date: dt.date) -> list[str]:
        """The instants of all `until=YYYYMMDDTHHMMSSZ/` folders of a date below a folder, in order."""
        return sorted(filter(UNTIL.fullmatch, self._folders(f"{folder}/date={date}/until=")))

    def _folders(self, start: str) -> list[str]:
        """How the names of the folders go on that begin so."""
        prefix = self.key(start)
        names: list[str] = []
        with self.errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                found = (entry["Prefix"].removeprefix(prefix) for entry in page.get("CommonPrefixes", []))
                names += [name.removesuffix("/") for name in found]
        return names

    def objects(self, folder: str, after: str = "") -> list[Object]:
        """All objects below a folder, however deep, ordered by key: one listing; only those whose keys are `after`.

        Not the empty ones by which some tools mark a folder.
        """
        prefix = self.key(folder) + "/"
        found = []
        with self.errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, StartAfter=self.key(after) if after else ""
            )
            for page in pages:
                found += [
                    Object(
                        f"{folder}/{entry['Key'].removeprefix(prefix)}",
                        entry["Size"],
                        entry["LastModified"].astimezone(dt.UTC),
                        entry["ETag"],
                    )
                    for entry in page.get("Contents", [])
                    if entry["Size"] or not entry["Key"].endswith("/")
                ]
        return sorted(found, key=lambda entry: entry.key)

    def names(self, folder: str) -> Iterator[str]:
        """What lies directly below a folder, ordered by name; a folder's name ends in a slash."""
        prefix = self.key(folder) + "/"
        with self.errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                files = [entry["Key"] for entry in page.get("Contents", []) if entry["Key"] != prefix]
                folders = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
                yield from sorted(name.removeprefix(prefix) for name in files + folders)

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; what is not there is as good as deleted."""
        wanted = [self.key(key) for key in keys]
        with self.errors():
            for start in range(0, len(wanted), MOST_DELETED):
                answer = self.client.delete_objects(
                    Bucket=self.bucket,
                    Delete={"Objects": [{"Key": key} for key in wanted[start : start + MOST_DELETED]], "Quiet": True},
                )
                for refused in answer.get("Errors", []):
                    code = refused.get("Code", "")
                    self._raise(f"it did not delete {refused.get('Key')}: {code}", may_pass=code in MAY_PASS)

    def check(self) -> None:
        """Returns when the bucket can be reached; raises ServiceDown within two seconds otherwise."""
        with self.errors():
            self.client.head_bucket(Bucket=self.bucket)

    @property
    def client(self) -> "S3Client":
        """boto3's client."""
        return client_of(self.s3)

    def _retention(self, key: str) -> dict[str, Any]:
        """The parameters by which a request locks the object that it writes; empty if it must not be locked."""
        if not self.lock_days or not key.startswith(LOCKED):
            return {}
        until = clock.now() + dt.timedelta(days=self.lock_days)
        return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}

    def key(self, key: str) -> str:
        """A key of the lake as the bucket has it."""
        return f"{self.prefix}/{key}" if self.prefix else key

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what boto3 raises in the block into ServiceDown."""
        from botocore import exceptions

        try:
            yield
        except exceptions.ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            self._raise(
                f"it answered {status} {code}{_skew(error.response)}",
                may_pass=status >= 500 or status == 429 or code in MAY_PASS,
            )
        except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
            self._raise(str(error), may_pass=was_reached(self.s3))
        except exceptions.BotoCoreError as error:
            self._raise(str(error))

    def _raise(self, because: str, *, may_pass: bool = False) -> None:
        kind = ServiceLost if may_pass else ServiceDown
        raise kind(
            f"use the lake {self.url} on S3 at {self.s3.endpoint or os.environ.get('AWS_ENDPOINT_URL', 'AWS')}",
            because,
            "start the embedded S3 with `make up`, or correct LAKE_URL, AWS_ENDPOINT_URL and the credentials",
        ) from None


def _skew(response: "ClientErrorResponse") -> str:
    """How far the clocks of S3 and of this machine are apart, where S3 for that reason takes no signature of ours."""
    said = response["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    with contextlib.suppress(ValueError, TypeError):  # no date, or one without a zone
        apart = abs(clock.now() - email.utils.parsedate_to_datetime(said))
        if apart > MOST_SKEW:
            return f", and its clock is {str(apart).partition('.')[0]} from the one of this machine, which must be set"
    return ""


class _Download:
    """The bytes of an object, as they come."""

    def __init__(self, lake: Lake, body: Closable) -> None:
        self.lake, self.body = lake, body

    def read(self, size: int = -1, /) -> bytes:
        with self.lake.errors():
            return self.body.read(None if size < 0 else size)  # type: ignore[arg-type]

    def close(self) -> None:
        self.body.close()


def lake() -> Lake:
    """The lake of the settings."""
    settings = config.settings()
    return Lake(settings.lake_url, settings.s3, settings.lake_lock_days)
