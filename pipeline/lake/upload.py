"""An object that is written part by part."""

import base64
import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 << 20  # of a multipart upload; S3 wants 5 MiB or more for all parts but the last


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
        return checksum(body) if self.lock else {}

    def _wait(self) -> None:
        if self.sending is not None:
            self.sending.result()


def checksum(body: bytes) -> dict[str, Any]:
    """What S3 wants beside the bytes of an object that is to be locked."""
    return {"ContentMD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
