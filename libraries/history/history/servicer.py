"""The gRPC service `toroku.history.v1.History`, which each registry adds to its server with one line."""

from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from uuid import UUID

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from typing_extensions import override

from history.convert import write_entry, write_responses
from history.reading import IndexedColumn, find_entries, read_history
from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.database import Database
from servicekit.messages import SHA256_BYTES, find_uuid
from toroku.history.v1 import history_pb2, history_pb2_grpc

MOST_ENTRIES = 100


def offer_history(database: Database) -> Mapping[ServiceDescriptor, Callable[[grpc.aio.Server], None]]:
    """Returns the service with what adds it to a server, as `servicekit.server.serve` takes its services."""
    add = partial(history_pb2_grpc.add_HistoryServicer_to_server, HistoryServicer(database))
    return {history_pb2.DESCRIPTOR.services_by_name["History"]: add}


class HistoryServicer(history_pb2_grpc.HistoryServicer):
    """The history in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @override
    async def ListEntries(
        self, request: history_pb2.ListEntriesRequest, context: Context
    ) -> history_pb2.ListEntriesResponse:
        column, sought = _read_subject(request)
        before = request.before_number if request.before_number > 0 else None
        most = min(request.most, MOST_ENTRIES) if request.most > 0 else MOST_ENTRIES
        async with self._database.read() as connection:
            entries = await find_entries(connection, column, sought, before=before, most=most)
        return history_pb2.ListEntriesResponse(entries=map(write_entry, entries))

    @override
    async def ReadHistory(
        self, request: history_pb2.ReadHistoryRequest, context: Context
    ) -> AsyncIterator[history_pb2.ReadHistoryResponse]:
        first, last = request.first_position, request.last_position
        if min(first, last) < 0 or 0 < last < first:
            raise Refusal("HISTORY_RANGE_INVALID", Code.INVALID_ARGUMENT)
        portions = read_history(self._database, first_position=first or None, last_position=last or None)
        async for portion in portions:
            for response in write_responses(portion):
                yield response


def _read_subject(request: history_pb2.ListEntriesRequest) -> tuple[IndexedColumn, str | bytes | UUID]:
    column = request.WhichOneof("subject")
    sought: str | bytes | UUID | None = None
    match column:
        case "certificate_sha256":
            sought = request.certificate_sha256 if len(request.certificate_sha256) == SHA256_BYTES else None
        case "request_id":
            sought = find_uuid(request.request_id)
        case "bidder_id" | "who":
            text = request.bidder_id if column == "bidder_id" else request.who
            # PostgreSQL has no texts with NUL.
            sought = None if "\0" in text else text
    if column is None or not sought:
        raise Refusal("HISTORY_SUBJECT_INVALID", Code.INVALID_ARGUMENT)
    return column, sought
