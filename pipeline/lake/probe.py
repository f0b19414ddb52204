"""Whether the lake would take an object, and what time it is there, without writing one."""

import base64
import datetime as dt
import email.utils
import hashlib

from pipeline.lake.objects import Lake

KEY = "extract/.probe"
OTHER_HASH = ("BadDigest", "InvalidDigest")


def refusal(lake: Lake) -> str | None:
    """Why the lake takes no object of ours; None if it would. Raises ServiceDown where it does not answer.

    The hash that is sent is that of other bytes. S3 looks at the right to write first, then at the bytes, and keeps
    nothing.
    """
    other = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    with lake.errors():
        try:
            lake.client.put_object(Bucket=lake.bucket, Key=lake.key(KEY), Body=b"probe", ContentMD5=other)
        except lake.client.exceptions.ClientError as error:
            status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
            if code in OTHER_HASH:
                return None
            if status in (401, 403):
                return f"it answered {status} {code}"
            raise
    lake.delete([KEY])  # a server that compares no hash has kept it
    return None


def now(lake: Lake) -> dt.datetime | None:
    """The time on the clock of S3, to the second; None where it does not say. Raises ServiceDown."""
    with lake.errors():
        answer = lake.client.head_bucket(Bucket=lake.bucket)
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return email.utils.parsedate_to_datetime(said) if said else None
