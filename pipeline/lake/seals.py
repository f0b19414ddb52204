"""Small JSON files on the lake with a hash of their own: a digit that changes on the way is found out.

A single one of a watermark would otherwise let the next extract begin in the wrong place.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from pipeline.kernel.errors import BadExtract
from pipeline.lake import forms
from pipeline.lake.forms import Form
from pipeline.lake.objects import Lake

SEAL = "seal"
LONGEST = 64 << 20  # bytes of a file that is read as a whole
DELETE = "delete that folder and rerun its date"


def seal(fields: Mapping[str, Any]) -> bytes:
    """Fields as JSON, with a hash of them."""
    return json.dumps({**fields, SEAL: digest(json.dumps(fields).encode())}).encode()


def read(lake: Lake, key: str, form: Form) -> dict[str, Any] | None:
    """The fields of a sealed file, or of a file of an earlier version, which had no seals; None: no file.

    Raises BadExtract for any other file, and if its fields do not have the form.
    """
    text = read_small(lake, key)
    return None if text is None else parse(lake, key, text, lambda found: form(_unsealed(found)))


def read_small(lake: Lake, key: str, longest: int = LONGEST) -> bytes | None:
    """The bytes of a file of no more than `longest`; None: no file. Raises BadExtract for a longer one."""
    body = lake.open(key)
    if body is None:
        return None
    text = bytearray()
    with closing(body):
        while data := body.read(1 << 20):
            text += data
            if len(text) > longest:
                raise foreign(lake, key, f"it is longer than {longest:,} bytes")
    return bytes(text)


def parse(lake: Lake, key: str, text: bytes, form: Form, do: str = DELETE) -> Any:
    """The contents of a file's text, in a form. Raises BadExtract for any other text."""
    try:
        return forms.parse(text, form)
    except ValueError:
        raise foreign(lake, key, do=do) from None


def _unsealed(fields: Any) -> Any:
    if not isinstance(fields, dict):
        raise ValueError("it is no object")
    found = fields.pop(SEAL, None)
    if found not in (None, digest(json.dumps(fields).encode())):
        raise ValueError("its seal is not its own")
    return fields


def digest(text: bytes) -> str:
    """The hash of a file."""
    return hashlib.sha256(text).hexdigest()


def foreign(
    lake: Lake, key: str, because: str = "it is not what an extract writes there", do: str = DELETE
) -> BadExtract:
    """The error for a file that no extract has written."""
    return BadExtract(f"read {lake.url}/{key}", because, do)
