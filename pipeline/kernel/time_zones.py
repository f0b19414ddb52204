"""The names of time zones."""

from zoneinfo import available_timezones


def time_zone(text: str) -> str:
    """The name of a zone of the IANA's database, or nothing. Raises ValueError for any other text."""
    if text not in ("", "UTC") and text not in available_timezones():
        raise ValueError("it is not the name of a time zone such as Europe/Lisbon")
    return text
