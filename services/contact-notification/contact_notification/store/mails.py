"""The outbox: mails to send, and the result of each."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.contact import Contact
from contact_notification.domain.mail import Mail
from contact_notification.domain.notice import Addressee, NoticeKind
from contact_notification.store.staging import read_company
from contact_notification.store.tables import contacts, mails, notices, staged_registrations


async def insert_mails(
    connection: AsyncConnection,
    addressees: Sequence[tuple[UUID, Addressee]],
    *,
    domain: str,
    now: datetime,
) -> Sequence[UUID]:
    """Puts mails into the outbox, given as (notice id, addressee), and returns their ids.

    Their Message-IDs (RFC 5322) end in `domain`. An address is copied only where there is no contact.
    """
    new = {uuid4(): each for each in addressees}
    if new:
        await connection.execute(
            insert(mails).values(
                [
                    {
                        "mail_id": mail_id,
                        "message_id": f"<{mail_id}@{domain}>",
                        "notice_id": notice_id,
                        "contact_id": addressee.contact_id,
                        "mail_address": addressee.mail_address if addressee.contact_id is None else "",
                        "state": "written",
                        "written_at": now,
                    }
                    for mail_id, (notice_id, addressee) in new.items()
                ]
            )
        )
    return list(new)


async def find_unsent_mail(connection: AsyncConnection, mail_id: UUID) -> Mail | None:
    """Returns a mail of the outbox; None where it was sent, has failed, or does not exist any more."""
    recipient, card_contact = contacts.alias(), contacts.alias()
    query = (
        select(mails.c.mail_id, mails.c.message_id, mails.c.written_at, staged_registrations.c.company)
        .add_columns(*(notices.c[name] for name in ("kind", "agency", "category", "registered_at", "card_serial")))
        .add_columns(func.coalesce(recipient.c.mail_address, mails.c.mail_address).label("mail_address"))
        .add_columns(func.coalesce(recipient.c.person_name, "").label("recipient_name"))
        .add_columns(*(card_contact.c[field.name].label(f"card_contact_{field.name}") for field in fields(Contact)))
        .join(notices, notices.c.notice_id == mails.c.notice_id)
        .join(
            staged_registrations,
            (staged_registrations.c.certificate_sha256 == notices.c.certificate_sha256)
            & (staged_registrations.c.request_id == notices.c.request_id),
        )
        .join(card_contact, card_contact.c.contact_id == staged_registrations.c.card_contact_id)
        .outerjoin(recipient, recipient.c.contact_id == mails.c.contact_id)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    return Mail(
        mail_id=row["mail_id"],
        message_id=row["message_id"],
        kind=NoticeKind(row["kind"]),
        written_at=row["written_at"],
        mail_address=row["mail_address"],
        recipient_name=row["recipient_name"],
        card_contact=Contact(*(row[f"card_contact_{field.name}"] for field in fields(Contact))),
        company=read_company(row["company"]),
        agency=row["agency"],
        category=row["category"],
        registered_at=row["registered_at"],
        card_serial=row["card_serial"],
    )


async def record_sent(connection: AsyncConnection, mail_id: UUID, *, now: datetime) -> None:
    """Records that the mail server accepted a mail, and forgets an address that was sent along."""
    await connection.execute(
        update(mails)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
        .values(state="sent", sent_at=now, mail_address="")
    )


async def record_failure(connection: AsyncConnection, mail_id: UUID, *, smtp_code: int | None, now: datetime) -> None:
    """Records that no further try can deliver a mail, and forgets an address that was sent along.

    `smtp_code` is None where the mail was not even offered.
    """
    await connection.execute(
        update(mails)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
        .values(state="failed", failed_at=now, smtp_code=smtp_code, mail_address="")
    )
