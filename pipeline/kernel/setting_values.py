"""What the text of a setting means, for each kind of setting."""

import datetime as dt
import os
import re
from collections.abc import Callable
from pathlib import Path


def home(text: str) -> Path:
    """The folder of the embedded services: the one that is named, or the user's own."""
    return Path(text or _default_home()).expanduser().absolute()


def _default_home() -> Path:
    """The folder in which the embedded services of this user keep their state.

    The embedded PostgreSQL server does not run as root. So root's state must lie in a folder that another user may
    enter, and that is rarely root's home.
    """
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    if os.geteuid() == 0 and Path.home().exists() and not Path.home().stat().st_mode & 0o001:
        data = Path("/var/lib")
    return data / "oceanrecords"


def lake_url(text: str) -> str:
    """A place on S3, without a slash at its end. Raises ValueError."""
    if not text.startswith("s3://") or not text[5:].strip("/"):
        raise ValueError("it is not of the form s3://bucket/prefix")
    if sign := next((sign for sign in "@?#" if sign in text), ""):
        raise ValueError(f"it has the sign {sign}, which is no part of s3://bucket/prefix")
    return text.rstrip("/")


def http_url(text: str) -> str:
    """An HTTP URL, or nothing. Raises ValueError."""
    if text and not re.fullmatch(r"https?://[^\s/]+\S*", text):
        raise ValueError("it is not of the form https://host/path")
    return text


def flag(text: str) -> bool:
    """Whether something is on. Raises ValueError."""
    if text.lower() not in ("0", "1", "true", "false"):
        raise ValueError("it is neither 0 nor 1")
    return text.lower() in ("1", "true")


def seconds(text: str) -> dt.timedelta:
    """A span of time. Raises ValueError."""
    if float(text) < 0:
        raise ValueError("it is below 0")
    return dt.timedelta(seconds=float(text))


def megabytes_per_second(text: str) -> float:
    """A rate, or 0 for none. Raises ValueError.

    With a lower rate the pauses between blocks come near the time after which PostgreSQL gives up a silent connection.
    """
    if float(text) != 0 and not float(text) >= 0.1:
        raise ValueError("it is neither 0 nor at least 0.1")
    return float(text)


def optional_date(text: str) -> dt.date | None:
    """A date, or None. Raises ValueError."""
    return dt.date.fromisoformat(text) if text else None


def one_of(*choices: str) -> Callable[[str], str]:
    """What takes one of these texts alone, and raises ValueError for any other."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it is none of {', '.join(choices)}")
        return text

    return parse


def slot_name(text: str) -> str:
    """The name of a replication slot, by PostgreSQL's rules. Raises ValueError."""
    if not re.fullmatch(r"[a-z0-9_]{1,63}", text, re.ASCII):
        raise ValueError("it is not made of up to 63 letters a-z, digits and underscores")
    return text


def pairs(text: str) -> dict[str, str]:
    """Names with values, as name=value with blanks between. Raises ValueError."""
    words = [word.partition("=") for word in text.split()]
    if wrong := [name for name, equals, _ in words if not (name and equals)]:
        raise ValueError(f"{wrong[0]} is not of the form name=value")
    return {name: value for name, _, value in words}


def prefix(text: str) -> str:
    """What names of databases begin with. Raises ValueError."""
    if not re.fullmatch(r"([a-z][a-z0-9_]{0,30})?", text, re.ASCII):
        raise ValueError("it is not made of up to 31 letters a-z, digits and underscores, or begins with another sign")
    return text


def time_zone(text: str) -> str:
    """The name of a zone of the IANA's database, or nothing. Raises ValueError for any other text."""
    if text not in ("", "UTC"):
        from zoneinfo import available_timezones  # what it imports costs milliseconds, in each command

        if text not in available_timezones():
            raise ValueError("it is not the name of a time zone such as Europe/Lisbon")
    return text
