"""Small JSON files on the lake with a hash of their own: a digit that changes on the way is found out.

A single one of a watermark would otherwise let the next extract begin in the wrong place.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.errors import BadExtract
from pipeline.lake import Lake

SEAL = "seal"


def seal(fields: Mapping[str, Any]) -> bytes:
    """Fields as JSON, with a hash of them."""
    return json.dumps({**fields, SEAL: digest(json.dumps(fields).encode())}).encode()


def read(lake: Lake, key: str) -> dict[str, Any] | None:
    """The fields of a file that was sealed, or was written by an earlier version, which had no seals; None: no file.

    Raises BadExtract for any other file.
    """
    text = lake.read(key)
    if text is None:
        return None
    try:
        fields: dict[str, Any] = json.loads(text)
        found = fields.pop(SEAL, None)
    except (ValueError, TypeError, AttributeError):
        raise foreign(lake, key) from None
    if found not in (None, digest(json.dumps(fields).encode())):
        raise foreign(lake, key)
    return fields


def digest(text: bytes) -> str:
    """The hash of a file."""
    return hashlib.sha256(text).hexdigest()


def foreign(lake: Lake, key: str, because: str = "it is not what an extract writes there") -> BadExtract:
    """The error of whoever reads what no extract has written."""
    return BadExtract(f"read {lake.url}/{key}", because, "delete that folder and rerun its date")
