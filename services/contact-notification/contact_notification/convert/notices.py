"""Notices of acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from contact_notification.convert.texts import find_instant, is_text
from contact_notification.domain.notice import (
    FACTS_OF,
    ActEntry,
    BidderContacts,
    BidderFacts,
    BidderOwner,
    CardApprovalFacts,
    CardFacts,
    CardOwner,
    Facts,
    MailAddress,
    Notice,
    NoticeKind,
    OfficerFacts,
    Recipient,
    RegistrationFacts,
    RenewalFacts,
    check_secret,
    refuse_notice,
)
from history.receipt_text import is_proof
from servicekit.messages import SHA256_BYTES, find_uuid
from toroku.contact.v1 import contact_notification_pb2, contact_pb2

Value = TypeVar("Value")

# The most that one call may hold.
MOST_RECIPIENTS = 1_000
MOST_NOTICES = 10
# Of one that is mailed: a line of text.
MOST_SECRET_BYTES = 1_024

# By their names, which both sides have alike. This service writes those of changes itself.
_NOTICE_KINDS = {
    contact_pb2.NoticeKind.Value(f"NOTICE_KIND_{kind.name}"): kind
    for kind in NoticeKind
    if kind is not NoticeKind.CHANGE
}

# The field of a notice for the facts of a type.
_FACTS_FIELDS = {
    RegistrationFacts: "registration",
    OfficerFacts: "officer",
    CardFacts: "card",
    BidderFacts: "bidder",
    CardApprovalFacts: "card_approval",
    RenewalFacts: "renewal",
}


def read_notices(request: contact_notification_pb2.SendNoticesRequest) -> Sequence[Notice]:
    """Returns notices, each of which has an id of its own; raises NOTICE_INVALID."""
    notices = [_read_notice(message) for message in request.notices]
    if not 1 <= len({notice.notice_id for notice in notices}) == len(notices) <= MOST_NOTICES:
        raise refuse_notice("notices")
    return notices


def _read_notice(message: contact_pb2.Notice) -> Notice:
    kind = _NOTICE_KINDS.get(message.kind)
    if kind is None:
        raise refuse_notice("kind")
    if not 1 <= len(message.recipients) <= MOST_RECIPIENTS:
        raise refuse_notice("recipients")
    facts_type = FACTS_OF[kind]
    part = _FACTS_FIELDS[facts_type]
    if message.WhichOneof("facts") != part:
        raise refuse_notice(part)
    notice_id = find_uuid(message.notice_id)
    if notice_id is None:
        raise refuse_notice("notice_id")
    if len(message.sealed_secret) > MOST_SECRET_BYTES:
        raise refuse_notice("sealed_secret")
    notice = Notice(
        notice_id=notice_id,
        kind=kind,
        facts=_read_facts(part, getattr(message, part)),
        recipients=tuple(_read_recipient(recipient) for recipient in message.recipients),
        entry=_read_entry(message.entry) if message.HasField("entry") else None,
        sealed_secret=message.sealed_secret or None,
    )
    check_secret(notice)
    return notice


def _read_facts(part: str, message: Message) -> Facts:
    """Returns the facts of a field of a notice; raises NOTICE_INVALID with the wrong field's path."""
    reader = _FactsReader(part, message)
    match message:
        case contact_pb2.RegistrationFacts():
            return RegistrationFacts(
                registration_id=reader.read_uuid("registration_id"),
                request_id=reader.read_uuid("request_id"),
                certificate_sha256=reader.read_hash("certificate_sha256"),
                card_serial=reader.read_serial("serial_decimal"),
                agency=reader.read_text("agency"),
                category=reader.read_text("category"),
                bidder_id=reader.read_text("bidder_id"),
                registered_at=reader.read_instant("registered_at"),
                holder_name=reader.read_text("holder_name", is_required=False),
            )
        case contact_pb2.CardFacts():
            return CardFacts(
                certificate_sha256=reader.read_hash("certificate_sha256"),
                card_serial=reader.read_serial("serial_decimal"),
                agency=reader.read_text("agency"),
                category=reader.read_text("category"),
                bidder_id=reader.read_text("bidder_id"),
                happened_at=reader.read_instant("happened_at"),
                holder_name=reader.read_text("holder_name", is_required=False),
            )
        case contact_pb2.BidderFacts():
            return BidderFacts(
                agency=reader.read_text("agency"),
                category=reader.read_text("category"),
                bidder_id=reader.read_text("bidder_id"),
                happened_at=reader.read_instant("happened_at"),
            )
        case contact_pb2.OfficerFacts():
            return OfficerFacts(
                agency=reader.read_text("agency"),
                person_id=reader.read_text("person_id"),
                valid_until=reader.read_instant("valid_until"),
            )
        case contact_pb2.RenewalFacts():
            return RenewalFacts(
                registration_id=reader.read_uuid("registration_id"),
                renewal_request_id=reader.read_uuid("request_id"),
                certificate_sha256=reader.read_hash("certificate_sha256"),
                old_certificate_sha256=reader.read_hash("old_certificate_sha256"),
                card_serial=reader.read_serial("serial_decimal"),
                old_card_serial=reader.read_serial("old_serial_decimal"),
                agency=reader.read_text("agency"),
                category=reader.read_text("category"),
                bidder_id=reader.read_text("bidder_id"),
                happened_at=reader.read_instant("happened_at"),
                holder_name=reader.read_text("holder_name", is_required=False),
                propagate=message.propagate,
            )
        case contact_pb2.CardApprovalFacts():
            return CardApprovalFacts(
                approval_number=reader.read_text("number"),
                is_approved=message.is_approved,
                agency=reader.read_text("agency"),
                category=reader.read_text("category"),
                bidder_id=reader.read_text("bidder_id"),
                happened_at=reader.read_instant("happened_at"),
            )
    raise refuse_notice(part)


@dataclass(frozen=True, slots=True)
class _FactsReader:
    """Reads the fields of a notice's facts; each method raises NOTICE_INVALID with the path of a wrong one."""

    part: str
    message: Any

    def read_text(self, field: str, *, is_required: bool = True) -> str:
        text: str = getattr(self.message, field)
        return self._require(field, text if is_text(text) or not (text or is_required) else None)

    def read_serial(self, field: str) -> str:
        serial: str = getattr(self.message, field)
        return self._require(field, serial if serial.isascii() and serial.isdigit() else None)

    def read_hash(self, field: str) -> bytes:
        value: bytes = getattr(self.message, field)
        return self._require(field, value if len(value) == SHA256_BYTES else None)

    def read_uuid(self, field: str) -> UUID:
        return self._require(field, find_uuid(getattr(self.message, field)))

    def read_instant(self, field: str) -> datetime:
        return self._require(field, find_instant(self.message, field))

    def _require(self, field: str, value: Value | None) -> Value:
        if value is None:
            raise refuse_notice(f"{self.part}.{field}")
        return value


def _read_entry(message: contact_pb2.ActEntry) -> ActEntry:
    reader = _FactsReader("entry", message)
    registry, digest = reader.read_text("registry"), reader.read_hash("digest")
    if message.position == 0:
        return ActEntry(registry, digest, None, None, None)
    if message.position < 0 or message.head_number <= 0:
        raise refuse_notice("entry.position")
    if message.proof and not is_proof(message.proof):
        raise refuse_notice("entry.proof")
    head_sha256, proof = reader.read_hash("head_sha256"), message.proof or None
    return ActEntry(registry, digest, message.position, message.head_number, head_sha256, proof)


def _read_recipient(message: contact_pb2.NoticeRecipient) -> Recipient:
    if message.WhichOneof("recipient") == "mail_address" and is_text(message.mail_address) and "\0" not in message.name:
        return MailAddress(message.mail_address, message.name)
    bidder = message.bidder
    if message.WhichOneof("recipient") == "bidder" and is_text(bidder.bidder_id) and is_text(bidder.category):
        return BidderContacts(bidder.bidder_id, bidder.category)
    owner = message.owner
    request_id = find_uuid(owner.request_id)
    if is_text(owner.category) and (request_id is not None or not owner.request_id):
        match owner.purpose:
            case contact_pb2.CONTACT_PURPOSE_CARD if len(owner.certificate_sha256) == SHA256_BYTES:
                return CardOwner(owner.certificate_sha256, owner.category, request_id)
            case contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE if is_text(owner.bidder_id):
                return BidderOwner(owner.bidder_id, owner.category, request_id)
    raise refuse_notice("recipients")
