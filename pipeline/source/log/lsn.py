"""Positions in PostgreSQL's log (LSN): numbers here, texts such as 0/16B3748 in SQL, sixteen digits in names."""

LAST = (1 << 64) - 1


def number(text: str) -> int:
    """The number of a position.

    >>> number("1/16B3748")
    4318771016
    """
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def text(number: int) -> str:
    """How PostgreSQL writes a position.

    >>> text(4318771016)
    '1/16B3748'
    """
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def name_of(number: int) -> str:
    """How a folder is named after a position. The order of names is that of positions.

    >>> name_of(4318771016)
    '00000001016B3748'
    """
    return f"{number:016X}"
