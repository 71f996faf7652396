"""Messages of the service `toroku.history.v1.History` and what a history consists of, in both directions.

Also the message by which a registry tells agency-sync of its newest head.

What is read here came from a server or its database, and is judged afterwards; a message that can't be what it stands
for at all is a ValueError.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from history.entries import StoredEntry
from history.heads import Head, SealedBatch
from history.receipt import write_head
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.history.v1 import history_pb2

# Of a response with records, unless a single one is larger; gRPC's clients take 4 MiB unless told otherwise.
_MOST_BYTES = 512 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_responses(items: Iterable[SealedBatch | StoredEntry]) -> Iterator[history_pb2.ReadHistoryResponse]:
    """Yields responses with all items as records, none of them large."""
    response, size = history_pb2.ReadHistoryResponse(), 0
    for item in items:
        record = _write_record(item)
        record_size = record.ByteSize()
        if size and size + record_size > _MOST_BYTES:
            yield response
            response, size = history_pb2.ReadHistoryResponse(), 0
        response.records.append(record)
        size += record_size
    if size:
        yield response


def write_witness_request(service: str, head: Head) -> agency_sync_pb2.RecordHistoryHeadRequest:
    """Returns the message with the newest head of a service's history, for its witnesses."""
    return agency_sync_pb2.RecordHistoryHeadRequest(
        service=service,
        head=agency_sync_pb2.HistoryHead(
            service=service, position=head.number, head=write_head(head), sealed_at=_write_instant(head.sealed_at)
        ),
    )


def read_record(record: history_pb2.Record) -> SealedBatch | StoredEntry:
    """Returns what a record has; raises ValueError."""
    if record.HasField("batch"):
        return SealedBatch(_read_head(record.batch.head), record.batch.leaves)
    if record.HasField("entry"):
        return read_entry(record.entry)
    raise ValueError("a record of the history is neither a batch nor an entry")


def write_entry(entry: StoredEntry) -> history_pb2.Entry:
    """Returns an entry as a message."""
    details = None
    if entry.salt is not None and entry.details is not None:
        details = history_pb2.Details(salt=entry.salt, text=entry.details)
    return history_pb2.Entry(
        number=entry.number,
        position=entry.position or 0,
        happened_at=_write_instant(entry.happened_at),
        who=entry.who,
        what=entry.what,
        request_id=None if entry.request_id is None else str(entry.request_id),
        trace_id=entry.trace_id,
        certificate_sha256=entry.certificate_sha256,
        category=entry.category,
        agencies=entry.agencies,
        bidder_id=entry.bidder_id,
        details_digest=entry.details_digest,
        digest=entry.digest,
        details=details,
        erased_by=entry.erased_by or 0,
    )


def read_entry(message: history_pb2.Entry) -> StoredEntry:
    """Returns an entry; raises ValueError."""
    has_details = message.HasField("details")
    return StoredEntry(
        position=message.position or None,
        number=message.number,
        happened_at=_read_instant(message.happened_at),
        who=message.who,
        what=message.what,
        request_id=UUID(message.request_id) if message.HasField("request_id") else None,
        trace_id=message.trace_id if message.HasField("trace_id") else None,
        certificate_sha256=message.certificate_sha256 if message.HasField("certificate_sha256") else None,
        category=message.category if message.HasField("category") else None,
        agencies=tuple(message.agencies),
        bidder_id=message.bidder_id if message.HasField("bidder_id") else None,
        details_digest=message.details_digest,
        digest=message.digest,
        salt=message.details.salt if has_details else None,
        details=message.details.text if has_details else None,
        erased_by=message.erased_by or None,
    )


def _write_record(item: SealedBatch | StoredEntry) -> history_pb2.Record:
    if isinstance(item, StoredEntry):
        return history_pb2.Record(entry=write_entry(item))
    return history_pb2.Record(batch=history_pb2.Batch(head=_write_head(item.head), leaves=item.leaves))


def _write_head(head: Head) -> history_pb2.Head:
    return history_pb2.Head(
        chain=head.chain,
        number=head.number,
        first_position=head.first_position,
        last_position=head.last_position,
        sealed_at=_write_instant(head.sealed_at),
        root=head.root,
        previous=head.previous,
        key_id=head.key_id,
        signature=head.signature,
    )


def _read_head(message: history_pb2.Head) -> Head:
    return Head(
        chain=message.chain,
        number=message.number,
        first_position=message.first_position,
        last_position=message.last_position,
        sealed_at=_read_instant(message.sealed_at),
        root=message.root,
        previous=message.previous,
        key_id=message.key_id,
        signature=message.signature,
    )


# Both here, because those of `Timestamp` take five times as long, and a verification reads millions.
def _write_instant(instant: datetime) -> Timestamp:
    since = instant - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def _read_instant(message: Timestamp) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError:
        raise ValueError("an instant is out of range") from None
