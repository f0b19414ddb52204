"""The names of a compose network, on this machine: OCEAN_TEST_HOSTS is `luigid:8082=127.0.0.1:40123`.

Python imports this where it is on its path.
"""

import os
import socket
from typing import Any

NAME, ADDRESS = (pair.split(":") for pair in os.environ["OCEAN_TEST_HOSTS"].split("="))

_getaddrinfo = socket.getaddrinfo


def _known(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    if [str(host), str(port)] == NAME:
        host, port = ADDRESS[0], int(ADDRESS[1])
    return _getaddrinfo(host, port, *args, **kwargs)


socket.getaddrinfo = _known
