"""The outbox: mails to send, and the result of each."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, case, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.contact import Contact
from contact_notification.domain.mail import FailedMail, FailedTry, Mail
from contact_notification.domain.notice import Addressee, NoticeKind
from contact_notification.store.staging import read_company
from contact_notification.store.tables import contacts, mails, notices, staged_registrations

# What became of tries in which the mail was offered to the mail server.
OFFERED = (FailedTry.REFUSED, FailedTry.GIVEN_UP, FailedTry.PUT_OFF, FailedTry.SERVER_UNUSABLE)

_NOTICE_COLUMNS = ("kind", "agency", "category", "registered_at", "card_serial", "holder_name")
_HAS_ADDRESS = or_(mails.c.contact_id.is_not(None), mails.c.mail_address != "")


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
                        "waits_since": func.now(),
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
        .add_columns(*(notices.c[name] for name in _NOTICE_COLUMNS))
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
        holder_name=row["holder_name"],
    )


async def record_sent(connection: AsyncConnection, mail_id: UUID) -> None:
    """Records that the mail server accepted a mail, and forgets an address that was sent along."""
    await connection.execute(
        update(mails)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
        .values(state="sent", sent_at=func.now(), mail_address="")
    )


async def record_undeliverable(connection: AsyncConnection, mail_id: UUID, result: FailedTry, answer: str) -> None:
    """Records that no further try can deliver a mail; `answer` is empty where it was not even offered.

    What was sent along and is no address is forgotten at once: nobody could ever send to it.
    """
    forgets = {"mail_address": ""} if result is FailedTry.NOT_AN_ADDRESS else {}
    await connection.execute(
        update(mails)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
        .values(state="failed", failed_at=func.now(), tried_at=func.now(), result=result, answer=answer or None)
        .values(**forgets)
    )


async def record_not_taken(
    connection: AsyncConnection, mail_id: UUID, result: FailedTry, answer: str, *, give_up_after: timedelta
) -> bool:
    """Records a try that is repeated; returns whether the mail was given up instead, as it has waited for so long."""
    is_given_up = mails.c.waits_since <= func.now() - give_up_after
    state = await connection.scalar(
        update(mails)
        .where(mails.c.mail_id == mail_id, mails.c.state == "written")
        .values(
            state=case((is_given_up, "failed"), else_="written"),
            failed_at=case((is_given_up, func.now())),
            tried_at=func.now(),
            result=case((is_given_up, FailedTry.GIVEN_UP), else_=result),
            answer=answer,
        )
        .returning(mails.c.state)
    )
    return bool(state == "failed")


async def count_not_taken(connection: AsyncConnection) -> Mapping[str, int]:
    """Returns how many mails were refused or not taken since the last one was sent, by the result of their last try.

    Those that wait are tried every hour at least, so what was last tried longer ago than a day has failed long since.
    """
    last_sent = select(func.max(mails.c.sent_at)).where(mails.c.state == "sent").scalar_subquery()
    rows = await connection.execute(
        select(mails.c.result, func.count())
        .where(
            mails.c.state != "sent",
            mails.c.tried_at > func.now() - timedelta(days=1),
            mails.c.tried_at > func.coalesce(last_sent, text("'-infinity'::timestamptz")),
            mails.c.result.in_(OFFERED),
        )
        .group_by(mails.c.result)
    )
    return {result: count for result, count in rows}


async def list_failed_mails(connection: AsyncConnection, since: datetime) -> Sequence[FailedMail]:
    """Returns the mails that failed at this instant or later, oldest first, without those that were erased."""
    rows = await connection.execute(
        select(
            *(mails.c[name] for name in ("mail_id", "failed_at", "result", "answer")),
            *(notices.c[name] for name in ("agency", "category", "registration_id")),
            _HAS_ADDRESS.label("has_address"),
        )
        .join(notices, notices.c.notice_id == mails.c.notice_id)
        .where(_has_failed(since))
        .order_by(mails.c.failed_at, mails.c.mail_id)
    )
    return [
        FailedMail(
            mail_id=row["mail_id"],
            failed_at=row["failed_at"],
            result=FailedTry(row["result"]),
            answer=row["answer"] or "",
            agency=row["agency"],
            category=row["category"],
            registration_id=row["registration_id"],
            has_address=row["has_address"],
        )
        for row in rows.mappings()
    ]


async def reopen_failed_mails(connection: AsyncConnection, since: datetime) -> Sequence[UUID]:
    """Makes the mails that failed at this instant or later wait again, from now on, and returns their ids.

    Those whose address was forgotten, or whose person was erased, stay as they are.
    """
    rows = await connection.execute(
        update(mails)
        .where(_has_failed(since), _HAS_ADDRESS)
        .values(state="written", waits_since=func.now(), failed_at=None, tried_at=None, result=None, answer=None)
        .returning(mails.c.mail_id)
    )
    return list(rows.scalars())


async def forget_addresses(connection: AsyncConnection, kept: timedelta) -> None:
    """Empties addresses that were sent along with mails that failed so long ago."""
    await connection.execute(
        update(mails)
        .where(mails.c.state == "failed", mails.c.failed_at < func.now() - kept, mails.c.mail_address != "")
        .values(mail_address="")
    )


def _has_failed(since: datetime) -> ColumnElement[bool]:
    return and_(mails.c.state == "failed", mails.c.failed_at >= since, mails.c.result != "erased")
