"""What sessions of PostgreSQL are set to, by us and on the server."""

from typing import Any

# A network that goes silent without notice is given up after a minute: half of it idle, then three probes,
# by either side. Otherwise a load would wait for its server, or a server keep a lost load's locks, for some two hours.
IDLE, INTERVAL, PROBES = 30, 10, 3
MILLISECONDS_SILENT = 60_000
OUR_SIDE: dict[str, Any] = {
    "keepalives_idle": IDLE,
    "keepalives_interval": INTERVAL,
    "keepalives_count": PROBES,
    "tcp_user_timeout": MILLISECONDS_SILENT,
}
SERVERS_SIDE = {
    "tcp_keepalives_idle": str(IDLE),
    "tcp_keepalives_interval": str(INTERVAL),
    "tcp_keepalives_count": str(PROBES),
    "tcp_user_timeout": str(MILLISECONDS_SILENT),
}
# What each session is set to, whatever the URL, the shell, the role or the database say. First what decides how values
# are written and read: the same row must be the same text everywhere.
SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    # A server notices within seconds that its client was killed, and lets go of its locks.
    "client_connection_check_interval": "2s",
    **SERVERS_SIDE,
}
# What the sessions of loads are set to besides; other roles keep the limits that they begin with.
LOADING = {
    # Loads need all rows. So PostgreSQL refuses to read a table if a policy would hide some.
    "row_security": "off",
    # A session waits, holding its locks, while the load works with the other database or with the lake.
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
LOADED = ("operational", "warehouse")
