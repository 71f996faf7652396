"""Values of messages that all services read and write alike: hashes, instants, request ids."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from refusals import Code, Refusal

SHA256_BYTES = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_sha256(value: bytes, reason: str) -> bytes:
    """Returns a SHA-256 digest unchanged; raises Refusal with `reason` unless it has 32 bytes."""
    if len(value) != SHA256_BYTES:
        raise Refusal(reason, Code.INVALID_ARGUMENT)
    return value


def check_request_id(request_id: str) -> UUID:
    """Returns a caller's request id; raises REQUEST_ID_INVALID unless it is a UUID in the usual 36 characters."""
    parsed = find_uuid(request_id)
    if parsed is None:
        raise Refusal("REQUEST_ID_INVALID", Code.INVALID_ARGUMENT)
    return parsed


def find_uuid(text: str) -> UUID | None:
    """Returns the UUID in the usual 36 characters; None for another text."""
    try:
        parsed = UUID(text)
    except ValueError:
        return None
    return parsed if str(parsed) == text else None


def write_timestamp(instant: datetime) -> Timestamp:
    """Returns an aware datetime as a message, to the microsecond.

    It is computed here, because `Timestamp.FromDatetime` takes five times as long and every ResolveUser needs one.
    """
    since = instant - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def read_timestamp(message: Timestamp) -> datetime:
    """Returns the instant of a message as an aware datetime in UTC; ValueError where it is out of datetime's range."""
    return message.ToDatetime(UTC)
