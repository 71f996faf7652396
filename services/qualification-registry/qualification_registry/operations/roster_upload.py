"""A roster file on its way in: its header first, then its pieces, and never more than the mapping takes."""

import asyncio
from collections.abc import AsyncIterator, Callable

from instance_profile.model import RosterMapping
from refusals import Code, Refusal
from toroku.qualification.v1 import service_pb2

_MOST_PIECE_BYTES = 1024 * 1024
# How long the next piece may take, in seconds: whoever sends holds one of few places.
_LONGEST_WAIT = 60
_MOST_NAME_CHARACTERS = 200

Requests = AsyncIterator[service_pb2.PreviewRosterRequest]


async def receive(
    requests: Requests, mapping_of: Callable[[str], RosterMapping]
) -> tuple[RosterMapping, str, AsyncIterator[bytes]]:
    """The mapping, the file's name for the record, and the pieces as they come.

    Raises ROSTER_STREAM_WRONG, what `mapping_of` raises, and while the pieces are read ROSTER_TOO_LARGE (as soon as it
    is too much, before reading on), INPUT_TOO_LARGE (one piece), ROSTER_NOT_RECEIVED.
    """
    first = await _next(requests)
    if first is None or first.WhichOneof("part") != "header":
        raise Refusal("ROSTER_STREAM_WRONG", Code.INVALID_ARGUMENT)
    mapping = mapping_of(first.header.mapping)
    file_name = "".join(filter(str.isprintable, first.header.file_name))[:_MOST_NAME_CHARACTERS]
    return mapping, file_name, _pieces(requests, mapping.most_bytes)


async def _pieces(requests: Requests, most_bytes: int) -> AsyncIterator[bytes]:
    received = 0
    while (request := await _next(requests)) is not None:
        if request.WhichOneof("part") != "content":
            raise Refusal("ROSTER_STREAM_WRONG", Code.INVALID_ARGUMENT)
        if len(request.content) > _MOST_PIECE_BYTES:
            raise Refusal("INPUT_TOO_LARGE", Code.INVALID_ARGUMENT, {"most": str(_MOST_PIECE_BYTES)})
        received += len(request.content)
        if received > most_bytes:
            raise Refusal("ROSTER_TOO_LARGE", Code.INVALID_ARGUMENT, {"most_mib": f"{most_bytes / 1024**2:.10g}"})
        yield request.content


async def _next(requests: Requests) -> service_pb2.PreviewRosterRequest | None:
    try:
        async with asyncio.timeout(_LONGEST_WAIT):
            return await anext(requests, None)
    except TimeoutError:
        raise Refusal("ROSTER_NOT_RECEIVED", Code.DEADLINE_EXCEEDED, {"seconds": str(_LONGEST_WAIT)}) from None
