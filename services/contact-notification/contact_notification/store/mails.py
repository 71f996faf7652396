"""The outbox: mails to send, and the result of each."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.contact import Contact
from contact_notification.domain.mail import Mail, MailKind
from contact_notification.store.staging import read_company
from contact_notification.store.tables import contacts, mails, registrations, staged_registrations


async def insert_mails(
    connection: AsyncConnection,
    registration_id: UUID,
    recipients: Mapping[UUID, MailKind],
    *,
    domain: str,
    now: datetime,
) -> Sequence[UUID]:
    """Puts one mail per contact id into the outbox and returns the ids of the mails that are new.

    Their Message-IDs (RFC 5322) end in `domain`.
    """
    mail_ids = {contact_id: uuid4() for contact_id in recipients}
    rows = await connection.scalars(
        insert(mails)
        .values(
            [
                {
                    "mail_id": mail_ids[contact_id],
                    "message_id": f"<{mail_ids[contact_id]}@{domain}>",
                    "kind": kind,
                    "registration_id": registration_id,
                    "contact_id": contact_id,
                    "state": "written",
                    "written_at": now,
                }
                for contact_id, kind in recipients.items()
            ]
        )
        .on_conflict_do_nothing(index_elements=["registration_id", "contact_id"])
        .returning(mails.c.mail_id)
    )
    return list(rows)


async def find_unsent_mail(connection: AsyncConnection, mail_id: UUID) -> Mail | None:
    """Returns a mail of the outbox; None where it was sent, has failed, or does not exist any more."""
    recipient, card_contact = contacts.alias(), contacts.alias()
    query = (
        select(mails, registrations.c.agency, registrations.c.category, registrations.c.registered_at)
        .add_columns(registrations.c.card_serial, staged_registrations.c.company)
        .add_columns(*(recipient.c[field.name].label(f"recipient_{field.name}") for field in fields(Contact)))
        .add_columns(*(card_contact.c[field.name].label(f"card_contact_{field.name}") for field in fields(Contact)))
        .join(registrations, registrations.c.registration_id == mails.c.registration_id)
        .join(staged_registrations, staged_registrations.c.registration_id == mails.c.registration_id)
        .join(recipient, recipient.c.contact_id == mails.c.contact_id)
        .join(card_contact, card_contact.c.contact_id == staged_registrations.c.card_contact_id)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
    )
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    return Mail(
        mail_id=row["mail_id"],
        message_id=row["message_id"],
        kind=MailKind(row["kind"]),
        written_at=row["written_at"],
        recipient=Contact(*(row[f"recipient_{field.name}"] for field in fields(Contact))),
        card_contact=Contact(*(row[f"card_contact_{field.name}"] for field in fields(Contact))),
        company=read_company(row["company"]),
        agency=row["agency"],
        category=row["category"],
        registered_at=row["registered_at"],
        card_serial=row["card_serial"],
    )


async def record_sent(connection: AsyncConnection, mail_id: UUID, *, now: datetime) -> None:
    """Records that the mail server accepted a mail."""
    await connection.execute(
        update(mails).where(mails.c.mail_id == mail_id, mails.c.state == "written").values(state="sent", sent_at=now)
    )


async def record_failure(connection: AsyncConnection, mail_id: UUID, *, smtp_code: int | None, now: datetime) -> None:
    """Records that no further try can deliver a mail; `smtp_code` is None where it was not even offered."""
    await connection.execute(
        update(mails)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
        .values(state="failed", failed_at=now, smtp_code=smtp_code)
    )
