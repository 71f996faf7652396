"""Notices of what was done to a contractor's card, with their recipients."""

from collections.abc import Sequence

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.notice import (
    CardAct,
    Notice,
    NoticeKind,
    RegisteredCard,
    RenewedCard,
    ToldCardAct,
    ToldReversal,
)
from certificate_registry.domain.registration import Registration
from certificate_registry.pki.certificate import format_serial_decimal
from servicekit.messages import write_timestamp
from toroku.contact.v1 import contact_pb2


def write_notice(notice: Notice) -> contact_pb2.Notice:
    """Returns a notice with its recipients."""
    entry = notice.entry
    message = contact_pb2.Notice(
        notice_id=str(notice.notice_id),
        kind=contact_pb2.NoticeKind.Value(f"NOTICE_KIND_{notice.kind.name}"),
        entry=contact_pb2.ActEntry(
            registry="certificate-registry",
            digest=entry.digest,
            position=entry.position or 0,
            head_number=entry.head_number or 0,
            head_sha256=entry.head_sha256 or b"",
            proof=entry.proof or b"",
        ),
    )
    match notice.about:
        case RegisteredCard():
            message.recipients.extend(_list_owners(notice.kind, notice.about))
            message.registration.MergeFrom(_write_registration_facts(notice.about))
        case RenewedCard():
            message.recipients.extend(_list_renewal_owners(notice.kind, notice.about))
            message.renewal.MergeFrom(_write_renewal_facts(notice.about))
        case ToldReversal():
            act = notice.about.reversed.act
            message.recipients.extend(_list_told(act, act.certificate_sha256, notice.about.certificate_sha256))
            message.renewal.MergeFrom(_write_reversal_facts(notice.about))
        case ToldCardAct():
            act = notice.about.act
            message.recipients.extend(_list_told(act, act.certificate_sha256))
            message.card.MergeFrom(
                contact_pb2.CardFacts(
                    certificate_sha256=act.certificate_sha256,
                    serial_decimal=format_serial_decimal(notice.about.serial),
                    agency=act.agency,
                    category=act.category,
                    bidder_id=act.bidder_id,
                    happened_at=write_timestamp(act.happened_at),
                    holder_name=notice.about.holder_name,
                )
            )
    return message


def _list_told(act: CardAct, *certificates: bytes) -> Sequence[contact_pb2.NoticeRecipient]:
    """Returns all contacts of a bidder, and those of these cards, which may not be live any more."""
    contacts = contact_pb2.BidderContacts(bidder_id=act.bidder_id, category=act.category)
    owners = [
        contact_pb2.ContactOwner(
            purpose=contact_pb2.CONTACT_PURPOSE_CARD, category=act.category, certificate_sha256=certificate_sha256
        )
        for certificate_sha256 in certificates
    ]
    return [
        contact_pb2.NoticeRecipient(bidder=contacts),
        *(contact_pb2.NoticeRecipient(owner=owner) for owner in owners),
    ]


def _write_reversal_facts(told: ToldReversal) -> contact_pb2.RenewalFacts:
    act = told.reversed.act
    return contact_pb2.RenewalFacts(
        registration_id=str(told.reversed.registration_id),
        request_id=str(told.request_id),
        certificate_sha256=told.certificate_sha256,
        old_certificate_sha256=act.certificate_sha256,
        serial_decimal=format_serial_decimal(told.serial),
        old_serial_decimal=format_serial_decimal(told.old_serial),
        agency=act.agency,
        category=act.category,
        bidder_id=act.bidder_id,
        happened_at=write_timestamp(act.happened_at),
        holder_name=told.holder_name,
        propagate=told.propagates,
    )


def _list_owners(kind: NoticeKind, card: RegisteredCard) -> Sequence[contact_pb2.NoticeRecipient]:
    """Returns who is told of a registration.

    The registration itself is told to the card's contact as the request brought it; the notice of it to the newest
    representative contact, and to the newest contacts of the bidder's other cards.
    """
    if kind is NoticeKind.REGISTRATION:
        return [_write_card_owner(_get_key(card.registration), str(card.request_id))]
    return [_write_representative_owner(card.registration), *map(_write_card_owner, card.other_cards)]


def _list_renewal_owners(kind: NoticeKind, card: RenewedCard) -> Sequence[contact_pb2.NoticeRecipient]:
    """Returns who is told of a renewal: the same, in their newest versions, and the contact of the old card."""
    registration, others = card.new.registration, card.new.other_cards
    if kind is NoticeKind.RENEWAL:
        return [_write_card_owner(_get_key(registration))]
    old = CardKey(card.old_certificate_sha256, registration.category)
    cards = others if old in others else [old, *others]
    return [_write_representative_owner(registration), *map(_write_card_owner, cards)]


def _get_key(registration: Registration) -> CardKey:
    return CardKey(registration.certificate_sha256, registration.category)


def _write_card_owner(key: CardKey, request_id: str = "") -> contact_pb2.NoticeRecipient:
    return contact_pb2.NoticeRecipient(
        owner=contact_pb2.ContactOwner(
            purpose=contact_pb2.CONTACT_PURPOSE_CARD,
            category=key.category,
            certificate_sha256=key.certificate_sha256,
            request_id=request_id,
        )
    )


def _write_representative_owner(registration: Registration) -> contact_pb2.NoticeRecipient:
    return contact_pb2.NoticeRecipient(
        owner=contact_pb2.ContactOwner(
            purpose=contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE,
            category=registration.category,
            bidder_id=registration.bidder_id,
        )
    )


def _write_renewal_facts(card: RenewedCard) -> contact_pb2.RenewalFacts:
    registration = card.new.registration
    return contact_pb2.RenewalFacts(
        registration_id=str(registration.registration_id),
        request_id=str(card.new.request_id),
        certificate_sha256=registration.certificate_sha256,
        old_certificate_sha256=card.old_certificate_sha256,
        serial_decimal=format_serial_decimal(card.new.serial),
        old_serial_decimal=format_serial_decimal(card.old_serial),
        agency=registration.agency,
        category=registration.category,
        bidder_id=registration.bidder_id,
        happened_at=write_timestamp(registration.registered_at),
        holder_name=card.new.holder_name,
        propagate=card.propagate,
    )


def _write_registration_facts(card: RegisteredCard) -> contact_pb2.RegistrationFacts:
    registration = card.registration
    return contact_pb2.RegistrationFacts(
        registration_id=str(registration.registration_id),
        request_id=str(card.request_id),
        certificate_sha256=registration.certificate_sha256,
        serial_decimal=format_serial_decimal(card.serial),
        agency=registration.agency,
        category=registration.category,
        bidder_id=registration.bidder_id,
        registered_at=write_timestamp(registration.registered_at),
        holder_name=card.holder_name,
    )
