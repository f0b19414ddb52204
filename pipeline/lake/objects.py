"""Objects on S3 under LAKE_URL. botocore, of which boto3 is made, is imported only once an object is asked for."""

import base64
import contextlib
import datetime as dt
import email.utils
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pipeline.kernel import config, listener
from pipeline.kernel.errors import ServiceDown, ServiceLost
from pipeline.kernel.streams import Readable
from pipeline.lake.forms import date_of

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.exceptions import _ClientErrorResponseTypeDef as ClientErrorResponse
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

LOCKED = ("extract/", "repair/")  # what is written once and believed from then on
PART_BYTES = 8 << 20  # of a multipart upload; S3 wants 5 MiB or more for all parts but the last
MOST_DELETED = 1000  # objects in one request, by S3's own limit
SECONDS_TO_CONNECT = 1  # to an endpoint that has not answered yet: that there is none must be said at once
SECONDS_TO_WAIT = 60  # for a connection, a part on its way out, or the next bytes; boto3 then tries twice more
MOST_SKEW = dt.timedelta(minutes=10)  # of the clocks; S3 wants no more than 15
# Answers after which the same request may do better, besides 429 and every 5xx.
MAY_PASS = ("SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestLimitExceeded")


@dataclass(frozen=True)
class Object:
    """What a listing says of an object: its key in the lake, its bytes, when it was written, a hash of its content."""

    key: str
    size: int
    modified: dt.datetime
    etag: str = ""


class Lake:
    """The objects below one `s3://bucket/prefix`; keys are relative to it.

    What is written below LOCKED is locked for `lock_days` (S3 Object Lock, governance mode), where that is above 0.

    Raises ServiceDown when the endpoint does not answer or refuses the credentials; ServiceLost when that may pass: it
    is busy, or answered this command before. boto3 by then has made three attempts, but one where it never answered.
    """

    def __init__(self, url: str, s3: config.S3, lock_days: int = 0) -> None:
        parts = urlsplit(url)
        self.url, self.bucket, self.prefix = url, parts.netloc, parts.path.strip("/")
        self.s3, self.lock_days = s3, lock_days

    def exists(self, key: str) -> bool:
        """Whether the object is there."""
        with self.errors():
            try:
                self.client.head_object(Bucket=self.bucket, Key=self._key(key))
            except self.client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                    return False
                raise
        return True

    def read(self, key: str) -> bytes | None:
        """The object's bytes; None where there is none."""
        body = self.open(key)
        return None if body is None else body.read(-1)

    def open(self, key: str) -> Readable | None:
        """A stream of the object's bytes; None where there is none."""
        with self.errors():
            try:
                body = self.client.get_object(Bucket=self.bucket, Key=self._key(key))["Body"]
            except self.client.exceptions.NoSuchKey:
                return None
        return _Download(self, body)

    def write(self, key: str, data: bytes) -> None:
        """Puts an object in one piece, replacing what was there."""
        with self.errors():
            lock = self._retention(key)
            self.client.put_object(
                Bucket=self.bucket, Key=self._key(key), Body=data, **lock, **(_checked(data) if lock else {})
            )

    def write_all(self, objects: Mapping[str, bytes]) -> None:
        """Puts some small objects side by side: most of the time of each is waiting."""
        with ThreadPoolExecutor(len(objects)) as pool:
            list(pool.map(self.write, objects.keys(), objects.values()))

    @contextlib.contextmanager
    def upload(self, key: str) -> Iterator["Upload"]:
        """A sink that becomes the object when the block ends; an error leaves no object and no parts behind."""
        with (
            self.errors(),
            contextlib.closing(Upload(self.client, self.bucket, self._key(key), self._retention(key))) as upload,
        ):
            yield upload
            upload.complete()

    def dates(self, folder: str) -> list[dt.date]:
        """The dates of all `date=YYYY-MM-DD/` folders below a folder, in order."""
        prefix = self._key(folder) + "/date="
        dates: list[dt.date | None] = []
        with self.errors():
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                found = (entry["Prefix"].removeprefix(prefix) for entry in page.get("CommonPrefixes", []))
                dates += [date_of(name.removesuffix("/")) for name in found]
        return sorted(date for date in dates if date)  # none: a folder of somebody else's

    def objects(self, folder: str) -> list[Object]:
        """All objects below a folder, however deep, ordered by key: one listing.

        Not the empty ones by which some tools mark a folder.
        """
        prefix = self._key(folder) + "/"
        found = []
        with self.errors():
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                found += [
                    Object(
                        f"{folder}/{entry['Key'].removeprefix(prefix)}",
                        entry["Size"],
                        entry["LastModified"].astimezone(dt.UTC),
                        entry["ETag"],
                    )
                    for entry in page.get("Contents", [])
                    if not entry["Key"].endswith("/")
                ]
        return sorted(found, key=lambda entry: entry.key)

    def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; what is not there is as good as deleted."""
        wanted = [self._key(key) for key in keys]
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
        """boto3's client, which is patient once the endpoint has answered."""
        return _client(self.s3, SECONDS_TO_WAIT if self.s3 in _reached else SECONDS_TO_CONNECT)

    def _retention(self, key: str) -> dict[str, Any]:
        """What a request says to lock the object that it writes; nothing where it is not to be locked."""
        if not self.lock_days or not key.startswith(LOCKED):
            return {}
        until = dt.datetime.now(dt.UTC) + dt.timedelta(days=self.lock_days)
        return {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}

    def _key(self, key: str) -> str:
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
            self._raise(str(error), may_pass=self.s3 in _reached)
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
        apart = abs(dt.datetime.now(dt.UTC) - email.utils.parsedate_to_datetime(said))
        if apart > MOST_SKEW:
            return f", and its clock is {str(apart).partition('.')[0]} from the one of this machine, which must be set"
    return ""


class _Download:
    """The bytes of an object, as they come."""

    def __init__(self, lake: Lake, body: Readable) -> None:
        self.lake, self.body = lake, body

    def read(self, size: int = -1, /) -> bytes:
        with self.lake.errors():
            return self.body.read(None if size < 0 else size)  # type: ignore[arg-type]


class Upload:
    """Collects bytes and sends them part by part, one part on its way while the next is collected.

    Memory: three parts. Small objects go in one put. Nothing is visible before `complete`.
    """

    def __init__(self, client: "S3Client", bucket: str, key: str, lock: Mapping[str, Any]) -> None:
        self.client, self.lock = client, lock
        self.where: Any = {"Bucket": bucket, "Key": key}
        self.buffer = bytearray()
        self.upload_id = ""
        self.parts: list[dict[str, Any]] = []
        self.sending: Future[None] | None = None
        self.sender = ThreadPoolExecutor(1)

    def write(self, data: bytes) -> int:
        """Takes bytes, and sends a part when there are enough."""
        self.buffer += data
        if len(self.buffer) >= PART_BYTES:
            self._send()
        return len(data)

    def complete(self) -> None:
        """Makes the object visible."""
        if not self.upload_id:
            body = bytes(self.buffer)
            self.client.put_object(**self.where, Body=body, **self.lock, **self._checked(body))
            return
        if self.buffer:
            self._send()
        self._wait()
        self.client.complete_multipart_upload(
            **self.where,
            UploadId=self.upload_id,
            MultipartUpload={"Parts": self.parts},  # type: ignore[typeddict-item]
        )
        self.upload_id = ""

    def close(self) -> None:
        """Takes back the parts of an upload that was not completed."""
        self.sender.shutdown()
        if self.upload_id:
            self.client.abort_multipart_upload(**self.where, UploadId=self.upload_id)

    def _send(self) -> None:
        if not self.upload_id:
            self.upload_id = self.client.create_multipart_upload(**self.where, **self.lock)["UploadId"]
        self._wait()
        part, self.buffer = bytes(self.buffer), bytearray()
        self.sending = self.sender.submit(self._send_part, part)

    def _send_part(self, part: bytes) -> None:
        number = len(self.parts) + 1
        answer = self.client.upload_part(
            **self.where, UploadId=self.upload_id, PartNumber=number, Body=part, **self._checked(part)
        )
        self.parts.append({"ETag": answer["ETag"], "PartNumber": number})

    def _checked(self, body: bytes) -> dict[str, Any]:
        return _checked(body) if self.lock else {}

    def _wait(self) -> None:
        if self.sending is not None:
            self.sending.result()


def lake() -> Lake:
    """The lake of the settings."""
    settings = config.settings()
    return Lake(settings.lake_url, settings.s3, settings.lake_lock_days)


def _checked(body: bytes) -> dict[str, Any]:
    """What S3 wants beside the bytes of an object that is to be locked."""
    return {"ContentMD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}


# The endpoints that answered this command. One that then does not is likely to come back.
_reached: set[config.S3] = set()


@cache
def _session() -> "Session":
    """boto3's session without what boto3 adds, which takes as long to import again; it keeps the models of S3."""
    from botocore.session import get_session

    return get_session()


@cache
def _client(s3: config.S3, seconds_to_connect: float) -> "S3Client":
    from botocore import exceptions
    from botocore.config import Config

    # What boto3 calls the timeout of a connection also bounds how long a part may be on its way out to a slow network.
    # The two checksum settings: servers other than AWS fail ranged reads with the newer defaults.
    options = Config(
        connect_timeout=seconds_to_connect,
        read_timeout=SECONDS_TO_WAIT,
        retries={"mode": "standard", "total_max_attempts": 3},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if s3.endpoint else {},
    )
    where: dict[str, Any] = {}
    if s3.endpoint:
        where = {
            "endpoint_url": s3.endpoint,
            "aws_access_key_id": s3.access_key,
            "aws_secret_access_key": s3.secret_key,
            "region_name": "us-east-1",
        }
    client = cast("S3Client", _session().create_client("s3", config=options, **where))

    def note_answer(response: object, caught_exception: Exception | None, **_: object) -> None:
        # An endpoint that never answered is not tried again: that it is down must be said at once.
        if response is not None:
            _reached.add(s3)
        elif caught_exception and s3 not in _reached:
            raise caught_exception

    def require_ours(request: "AWSPreparedRequest", **_: object) -> None:
        parts = urlsplit(request.url)
        if parts.port and (problem := listener.problem(str(parts.hostname), parts.port)):
            raise exceptions.ConnectionError(error=ConnectionRefusedError(problem))

    client.meta.events.register_first("before-send.s3", require_ours)
    client.meta.events.register_first("needs-retry.s3", note_answer)
    # A forked worker keeps the client, which takes long to make, and opens connections of its own.
    os.register_at_fork(after_in_child=client.close)
    return client
