"""boto3's client for S3. botocore, a part of boto3, is imported only when a client is needed."""

import datetime as dt
import email.utils
import os
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from pipeline.kernel import config, listener
from pipeline.kernel.errors import ConfigError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

SECONDS_TO_CONNECT = 1  # to an endpoint that has not answered yet: a missing one must be reported at once
SECONDS_TO_WAIT = 60  # for a connection, a part on its way out, or the next bytes; boto3 then tries twice more

# The endpoints that answered this command. One that then does not is likely to come back.
_reached: set[config.S3] = set()


@cache
def _session() -> "Session":
    """boto3's session without what boto3 adds, which takes as long to import again; it keeps the models of S3."""
    from botocore.session import get_session

    session = get_session()
    # Listings have a time for each object, and botocore's own parser takes most of a listing's time for them.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_instant)
    return session


def _instant(text: str) -> dt.datetime:
    """A time of S3: ISO 8601 in a listing, as HTTP writes it in a header."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return email.utils.parsedate_to_datetime(text)


def client_of(s3: config.S3) -> "S3Client":
    """The client of an endpoint, which is patient once that has answered."""
    return _client(s3, SECONDS_TO_WAIT if was_reached(s3) else SECONDS_TO_CONNECT)


def was_reached(s3: config.S3) -> bool:
    """Whether the endpoint answered this command."""
    return s3 in _reached


@cache
def _client(s3: config.S3, seconds_to_connect: float) -> "S3Client":
    from botocore import exceptions
    from botocore.config import Config

    # What boto3 calls the timeout of a connection also bounds how long a part may be on its way out to a slow network.
    # The two checksum settings: servers other than AWS fail ranged reads with the newer defaults.
    # No proxy, which botocore would take from the environment, stands before the embedded S3.
    options = Config(
        connect_timeout=seconds_to_connect,
        read_timeout=SECONDS_TO_WAIT,
        retries={"mode": "standard", "total_max_attempts": 3},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if s3.endpoint else {},
        proxies={} if s3.endpoint else None,
    )
    where: dict[str, Any] = {}
    if s3.endpoint:
        where = {
            "endpoint_url": s3.endpoint,
            "aws_access_key_id": s3.access_key,
            "aws_secret_access_key": s3.secret_key,
            "region_name": "us-east-1",
        }
    client = cast("S3Client", _session().create_client("s3", config=options, **where))
    if "@" in client.meta.endpoint_url:  # which errors show
        raise ConfigError(
            "use the endpoint of S3",
            "there is a user or a password in its URL",
            "take them out of AWS_ENDPOINT_URL; AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, say them",
        )

    def note_answer(response: object, caught_exception: Exception | None, **_: object) -> None:
        # An endpoint that never answered is not tried again: that it is down must be said at once.
        if response is not None:
            _reached.add(s3)
        elif caught_exception and s3 not in _reached:
            raise caught_exception

    def require_ours(request: "AWSPreparedRequest", **_: object) -> None:
        parts = urlsplit(request.url)
        if parts.port and (problem := listener.problem(str(parts.hostname), parts.port)):
            raise exceptions.ConnectionError(error=ConnectionRefusedError(problem))

    client.meta.events.register_first("before-send.s3", require_ours)
    client.meta.events.register_first("needs-retry.s3", note_answer)
    # A forked worker keeps the client, which takes long to make, and opens connections of its own.
    os.register_at_fork(after_in_child=client.close)
    return client
