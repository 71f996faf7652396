"""protobuf ↔ domain for the feeds, and for what they are made from beside cards and bidders."""

import io
import re
from collections.abc import Sequence
from datetime import datetime

from google.protobuf.proto import serialize_length_prefixed
from google.protobuf.timestamp_pb2 import Timestamp

from agency_sync.domain.contact_owner import ContactOwnerState, ContactPurpose, PlannedChange
from agency_sync.domain.feed import Change, FeedPosition, FeedState, Heartbeat, Period, SealedHead
from agency_sync.domain.snapshot import SignedManifest
from instance_profile.characters import shorten_visible
from refusals import Code, Refusal
from servicekit.messages import SHA256_BYTES, find_uuid, read_timestamp, write_timestamp
from servicekit.versions import Version
from toroku.agencysync.v1 import agency_sync_pb2, feed_pb2
from toroku.contact.v1 import contact_pb2, owner_state_pb2

# States of one message.
MOST_CONTACT_OWNERS = 500
# Changes of ListChanges, and as many where the caller says nothing.
MOST_LISTED = 1_000
USUALLY_LISTED = 500
# Bytes of a sealed head.
_MOST_HEAD_BYTES = 4096
_MOST_SHOWN_CHARACTERS = 64
_SUBSCRIBER = re.compile(r"[A-Za-z0-9_-]{1,40}")

_PURPOSES = {
    contact_pb2.CONTACT_PURPOSE_CARD: ContactPurpose.CARD,
    contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE: ContactPurpose.REPRESENTATIVE,
}
_STATES = {
    FeedState.GOOD: feed_pb2.Change.STATE_GOOD,
    FeedState.SUSPENDED: feed_pb2.Change.STATE_SUSPENDED,
    FeedState.REPLACED: feed_pb2.Change.STATE_REPLACED,
    FeedState.ENDED: feed_pb2.Change.STATE_ENDED,
    FeedState.REVOKED: feed_pb2.Change.STATE_REVOKED,
    FeedState.UNDER_REVIEW: feed_pb2.Change.STATE_UNDER_REVIEW,
}


def read_contact_owners(request: agency_sync_pb2.RecordContactOwnersRequest) -> Sequence[ContactOwnerState]:
    """Returns the states of contacts' owners; raises CONTACT_OWNER_INVALID, INPUT_TOO_MANY."""
    if len(request.owners) > MOST_CONTACT_OWNERS:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(MOST_CONTACT_OWNERS)})
    return list(map(_read_contact_owner, request.owners))


def _read_contact_owner(message: owner_state_pb2.ContactOwnerState) -> ContactOwnerState:
    owner_id = find_uuid(message.owner_id)
    if owner_id is None:
        raise _refuse_contact_owner(message, "owner_id")
    purpose = _PURPOSES.get(message.purpose)
    if purpose is None:
        raise _refuse_contact_owner(message, "purpose")
    for part in ("category", "bidder_id"):
        # The database keeps no text with NUL.
        if not getattr(message, part) or "\0" in getattr(message, part):
            raise _refuse_contact_owner(message, part)
    if len(message.certificate_sha256) != (SHA256_BYTES if purpose is ContactPurpose.CARD else 0):
        raise _refuse_contact_owner(message, "certificate_sha256")
    if not message.HasField("version"):
        raise _refuse_contact_owner(message, "version")
    if message.contact_version < 0:
        raise _refuse_contact_owner(message, "contact_version")
    if any(not pin.agency or "\0" in pin.agency or pin.contact_version < 0 for pin in message.pins):
        raise _refuse_contact_owner(message, "pins")
    return ContactOwnerState(
        owner_id=owner_id,
        purpose=purpose,
        category=message.category,
        bidder_id=message.bidder_id,
        certificate_sha256=message.certificate_sha256 or None,
        version=Version(message.version.epoch, message.version.number),
        contact_version=message.contact_version,
        pins={pin.agency: pin.contact_version for pin in message.pins},
        planned=[_read_planned_change(message, change) for change in message.planned],
    )


def _read_planned_change(
    owner: owner_state_pb2.ContactOwnerState, message: owner_state_pb2.PlannedChange
) -> PlannedChange:
    change_id = find_uuid(message.change_id)
    codes = (message.agency, *message.agencies)
    is_whole = len(message.certificate_sha256) == SHA256_BYTES and message.HasField("made_at")
    if change_id is None or not is_whole or not all(code and "\0" not in code for code in codes):
        raise _refuse_contact_owner(owner, "planned")
    return PlannedChange(
        change_id=change_id,
        certificate_sha256=message.certificate_sha256,
        agency=message.agency,
        agencies=frozenset(message.agencies),
        made_at=read_timestamp(message.made_at),
    )


def _refuse_contact_owner(message: owner_state_pb2.ContactOwnerState, part: str) -> Refusal:
    owner_id = shorten_visible(message.owner_id, _MOST_SHOWN_CHARACTERS)
    return Refusal("CONTACT_OWNER_INVALID", Code.INVALID_ARGUMENT, {"owner_id": owner_id, "part": part})


def read_history_head(request: agency_sync_pb2.RecordHistoryHeadRequest, caller: str) -> SealedHead:
    """Returns the head of the calling service's history; raises HISTORY_HEAD_INVALID."""
    head = request.head
    is_whole = head.position >= 1 and head.HasField("sealed_at") and 0 < len(head.head.encode()) <= _MOST_HEAD_BYTES
    if request.service != caller or head.service != caller or not is_whole or "\0" in head.head:
        raise Refusal("HISTORY_HEAD_INVALID", Code.INVALID_ARGUMENT)
    return SealedHead(head.service, head.position, head.head, read_timestamp(head.sealed_at))


def check_subscriber(subscriber: str) -> str:
    """Returns the name of a calling system unchanged; raises FEED_SUBSCRIBER_INVALID."""
    if _SUBSCRIBER.fullmatch(subscriber) is None:
        raise Refusal("FEED_SUBSCRIBER_INVALID", Code.INVALID_ARGUMENT)
    return subscriber


def read_after(
    request: feed_pb2.StreamChangesRequest | feed_pb2.ListChangesRequest,
) -> FeedPosition | None:
    """Returns the position after which changes are asked for; None for the first entry."""
    return read_position(request.after) if request.HasField("after") else None


def read_position(message: feed_pb2.FeedPosition) -> FeedPosition:
    """Returns a position, which the operation checks."""
    return FeedPosition(message.epoch, message.number)


def read_limit(limit: int) -> int:
    """Returns the most changes to be listed; raises FEED_LIMIT_INVALID."""
    if not 0 <= limit <= MOST_LISTED:
        raise Refusal("FEED_LIMIT_INVALID", Code.INVALID_ARGUMENT, {"most": str(MOST_LISTED)})
    return limit or USUALLY_LISTED


def write_change(change: Change) -> feed_pb2.Change:
    """Returns the message of a change."""
    card = change.card
    return feed_pb2.Change(
        position=feed_pb2.FeedPosition(epoch=change.epoch, number=change.number),
        committed_at=write_timestamp(change.committed_at),
        certificate_sha256=change.certificate_sha256,
        bidder_id=card.bidder_id,
        state=_STATES[card.state],
        reason=str(card.verdict),
        certificate_not_before=_write_optional(card.not_before),
        certificate_not_after=_write_optional(card.not_after),
        qualified=map(_write_period, card.qualified),
        replaced_by=card.replaced_by or b"",
        predecessor=card.predecessor or b"",
        card_contact_version=card.card_contact_version,
        representative_contact_version=card.representative_contact_version,
        registration_id=str(card.registration_id),
    )


def write_delimited_change(change: Change) -> bytes:
    """Returns a change as the content of a snapshot has it: the message behind its length, a varint."""
    stream = io.BytesIO()
    serialize_length_prefixed(write_change(change), stream)
    return stream.getvalue()


def write_snapshot_part(part: SignedManifest | bytes) -> feed_pb2.GetSnapshotResponse:
    """Returns the message of the manifest of a snapshot, or of a piece of its content."""
    if isinstance(part, bytes):
        return feed_pb2.GetSnapshotResponse(content=part)
    return feed_pb2.GetSnapshotResponse(
        manifest=feed_pb2.SignedManifest(manifest=part.manifest, signature=part.signature, key_id=part.key_id)
    )


def write_heartbeat(heartbeat: Heartbeat) -> feed_pb2.Heartbeat:
    """Returns the message of a heartbeat."""
    return feed_pb2.Heartbeat(
        head=feed_pb2.FeedPosition(epoch=heartbeat.head.epoch, number=heartbeat.head.number),
        as_of=write_timestamp(heartbeat.as_of),
        history_heads=[
            agency_sync_pb2.HistoryHead(
                service=head.service, position=head.position, head=head.head, sealed_at=write_timestamp(head.sealed_at)
            )
            for head in heartbeat.history
        ],
    )


def _write_period(period: Period) -> feed_pb2.QualifiedTime:
    begins, ends = period
    return feed_pb2.QualifiedTime(qualified_from=_write_optional(begins), qualified_until=_write_optional(ends))


def _write_optional(instant: datetime | None) -> Timestamp | None:
    return None if instant is None else write_timestamp(instant)
