"""HTTP's Basic authentication (RFC 7617)."""

from base64 import b64encode


def header(user: str, password: str) -> str:
    """The value of the header Authorization.

    >>> header("ocean", "secret")
    'Basic b2NlYW46c2VjcmV0'
    """
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
