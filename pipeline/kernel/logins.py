"""Whether the login of a URL is cut: a special character in a password may end it early.

The rest of the password is then taken for a host, a port or a path, and would be shown.
"""

import re

ESCAPED = "special characters of a user or a password are written %XX"
# As libpq reads it: a login ends at the first @ that no / comes before.
OF_DATABASE = re.compile(r"[a-z]+://(?:[^@/]*@)?[^@?]*(?:\?.*)?", re.DOTALL)
AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)
PORTS = re.compile(r"[\d,]*")


def is_cut_database(url: str, host: str, port: str) -> bool:
    """Whether a URL of a database, or what libpq reads in it, may show a part of a password as host or port.

    >>> [is_cut_database(f"postgresql://me:{password}@h/db", "h", "") for password in ("a%40b", "a@b", "1/b")]
    [False, True, True]
    """
    return "@" in host or not PORTS.fullmatch(port) or ("://" in url and not OF_DATABASE.fullmatch(url))


def is_cut(url: str) -> bool:
    """Whether the login of any other URL may be cut.

    >>> [is_cut(f"https://me:{password}@h/path") for password in ("a%40b", "a@b", "1/b", "1?b", "1#b")]
    [False, True, True, True, True]
    >>> is_cut("https://h/a@b"), is_cut("https://me:a@b/c@h")
    (False, True)
    """
    found = AUTHORITY.match(url)
    if found is None:
        return True
    # What looks like host and port may be a user and the digits with which a password begins.
    return found[1].count("@") > 1 or (":" in found[1] and "@" in url[found.end() :])
