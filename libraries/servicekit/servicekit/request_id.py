"""The id that a caller gives to a mutation, so that repeating it does it once."""

from uuid import UUID

from refusals import Code, Refusal


def check_request_id(request_id: str) -> str:
    """The request id as it came, where it is a UUID in its usual form of 36 characters; else REQUEST_ID_INVALID."""
    try:
        if str(UUID(request_id)) == request_id:
            return request_id
    except ValueError:
        pass
    raise Refusal("REQUEST_ID_INVALID", Code.INVALID_ARGUMENT)
