"""Receives a roster file: its header, then its pieces, and never more than the mapping allows (QUA-12)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from instance_profile.characters import shorten_visible
from instance_profile.model import Profile, RosterMapping
from qualification_registry.domain.roster_import import RosterHeader, require_mapping
from qualification_registry.domain.roster_term import Term
from refusals import Code, Refusal

_MOST_PIECE_BYTES = 1024 * 1024
# Seconds until the next part has to arrive: an upload occupies one of a few slots.
_LONGEST_WAIT = 60
_MOST_NAME_CHARACTERS = 200

Parts = AsyncIterator[RosterHeader | bytes]


@dataclass(frozen=True, slots=True)
class IncomingRoster:
    """A file whose header was received, and its pieces as they arrive. `file_name` is for the record."""

    mapping: RosterMapping
    file_name: str
    term: Term
    pieces: AsyncIterator[bytes]


async def open_upload(parts: Parts, profile: Profile) -> IncomingRoster:
    """Receives the header of a file.

    Raises ROSTER_STREAM_WRONG and ROSTER_MAPPING_UNKNOWN, and while the pieces are read ROSTER_STREAM_WRONG,
    ROSTER_TOO_LARGE (before reading on), INPUT_TOO_LARGE (one piece), ROSTER_NOT_RECEIVED.
    """
    header = await _receive(parts)
    if not isinstance(header, RosterHeader):
        raise Refusal("ROSTER_STREAM_WRONG", Code.INVALID_ARGUMENT)
    mapping = require_mapping(profile, header.mapping)
    file_name = shorten_visible(header.file_name, _MOST_NAME_CHARACTERS)
    return IncomingRoster(mapping, file_name, header.term, _read_pieces(parts, mapping.most_bytes))


async def _read_pieces(parts: Parts, most_bytes: int) -> AsyncIterator[bytes]:
    received = 0
    while (piece := await _receive(parts)) is not None:
        if not isinstance(piece, bytes):
            raise Refusal("ROSTER_STREAM_WRONG", Code.INVALID_ARGUMENT)
        if len(piece) > _MOST_PIECE_BYTES:
            raise Refusal("INPUT_TOO_LARGE", Code.INVALID_ARGUMENT, {"most": str(_MOST_PIECE_BYTES)})
        received += len(piece)
        if received > most_bytes:
            raise Refusal("ROSTER_TOO_LARGE", Code.INVALID_ARGUMENT, {"most_mib": f"{most_bytes / 1024**2:.10g}"})
        yield piece


async def _receive(parts: Parts) -> RosterHeader | bytes | None:
    """Returns the next part; None at the end."""
    try:
        async with asyncio.timeout(_LONGEST_WAIT):
            return await anext(parts, None)
    except TimeoutError:
        raise Refusal("ROSTER_NOT_RECEIVED", Code.DEADLINE_EXCEEDED, {"seconds": str(_LONGEST_WAIT)}) from None
