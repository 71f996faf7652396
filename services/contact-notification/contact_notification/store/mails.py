"""The outbox: mails to send, and the result of each."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import and_, bindparam, func, or_, select, text, update

from contact_notification.domain.contact import Contact
from contact_notification.domain.mail import FailedMail, FailedTry, Mail
from contact_notification.domain.notice import Addressee, NoticeKind
from contact_notification.store.staging import read_company
from contact_notification.store.tables import contacts, mails, notices, staged_registrations
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# What became of tries in which the mail was offered to the mail server.
OFFERED = (FailedTry.REFUSED, FailedTry.GIVEN_UP, FailedTry.PUT_OFF, FailedTry.SERVER_UNUSABLE)

_NOTICE_COLUMNS = ("kind", "agency", "category", "registered_at", "card_serial", "holder_name")
_HAS_ADDRESS = or_(mails.c.contact_id.is_not(None), mails.c.mail_address != "")
_HAS_FAILED = and_(mails.c.state == "failed", mails.c.failed_at >= bindparam("since"), mails.c.result != "erased")

_INSERT = Statement(
    text(
        """
        INSERT INTO mails (mail_id, message_id, notice_id, contact_id, mail_address, state, written_at, waits_since)
        SELECT mail_id, message_id, notice_id, contact_id, mail_address, 'written', :now, now()
        FROM unnest(
            CAST(:mail_ids AS uuid[]), CAST(:message_ids AS text[]), CAST(:notice_ids AS uuid[]),
            CAST(:contact_ids AS uuid[]), CAST(:mail_addresses AS text[])
        ) AS new (mail_id, message_id, notice_id, contact_id, mail_address)
        """
    )
)

_recipient, _card_contact = contacts.alias("recipient"), contacts.alias("card_contact")

_FIND_UNSENT = Statement(
    select(mails.c.mail_id, mails.c.message_id, mails.c.written_at, staged_registrations.c.company)
    .add_columns(*(notices.c[name] for name in _NOTICE_COLUMNS))
    .add_columns(func.coalesce(_recipient.c.mail_address, mails.c.mail_address).label("mail_address"))
    .add_columns(func.coalesce(_recipient.c.person_name, "").label("recipient_name"))
    .add_columns(*(_card_contact.c[field.name].label(f"card_contact_{field.name}") for field in fields(Contact)))
    .join(notices, notices.c.notice_id == mails.c.notice_id)
    .join(
        staged_registrations,
        (staged_registrations.c.certificate_sha256 == notices.c.certificate_sha256)
        & (staged_registrations.c.request_id == notices.c.request_id),
    )
    .join(_card_contact, _card_contact.c.contact_id == staged_registrations.c.card_contact_id)
    .outerjoin(_recipient, _recipient.c.contact_id == mails.c.contact_id)
    .where(mails.c.mail_id == bindparam("mail_id"), mails.c.state == "written")
)

_RECORD_SENT = Statement(
    text(
        "UPDATE mails SET state = 'sent', sent_at = now(), mail_address = '' "
        "WHERE mail_id = :mail_id AND state = 'written'"
    )
)

_RECORD_UNDELIVERABLE = Statement(
    text(
        """
        UPDATE mails
        SET state = 'failed', failed_at = now(), tried_at = now(), result = :result, answer = :answer,
            mail_address = CASE WHEN :forgets THEN '' ELSE mail_address END
        WHERE mail_id = :mail_id AND state = 'written'
        """
    )
)

_RECORD_NOT_TAKEN = Statement(
    text(
        """
        UPDATE mails
        SET state = CASE WHEN is_given_up THEN 'failed' ELSE 'written' END,
            failed_at = CASE WHEN is_given_up THEN now() END,
            tried_at = now(),
            result = CASE WHEN is_given_up THEN 'given_up' ELSE :result END,
            answer = :answer
        FROM (
            SELECT waits_since <= now() - CAST(:give_up_after AS interval) AS is_given_up
            FROM mails WHERE mail_id = :mail_id AND state = 'written' FOR UPDATE
        ) AS judged
        WHERE mail_id = :mail_id
        RETURNING is_given_up
        """
    )
)

# Those that wait are tried every hour at least, so what was last tried longer ago than a day has failed long since.
_COUNT_NOT_TAKEN = Statement(
    select(mails.c.result, func.count().label("number"))
    .where(
        mails.c.state != "sent",
        mails.c.tried_at > func.now() - timedelta(days=1),
        mails.c.tried_at
        > func.coalesce(
            select(func.max(mails.c.sent_at)).where(mails.c.state == "sent").scalar_subquery(),
            text("'-infinity'::timestamptz"),
        ),
        or_(*(mails.c.result == result for result in OFFERED)),
    )
    .group_by(mails.c.result)
)

_LIST_FAILED = Statement(
    select(
        *(mails.c[name] for name in ("mail_id", "failed_at", "result", "answer")),
        *(notices.c[name] for name in ("agency", "category", "registration_id")),
        _HAS_ADDRESS.label("has_address"),
    )
    .join(notices, notices.c.notice_id == mails.c.notice_id)
    .where(_HAS_FAILED)
    .order_by(mails.c.failed_at, mails.c.mail_id)
)

_REOPEN_FAILED = Statement(
    update(mails)
    .where(_HAS_FAILED, _HAS_ADDRESS)
    .values(state="written", waits_since=func.now(), failed_at=None, tried_at=None, result=None, answer=None)
    .returning(mails.c.mail_id)
)

_FORGET_ADDRESSES = Statement(
    text(
        "UPDATE mails SET mail_address = '' "
        "WHERE state = 'failed' AND failed_at < now() - CAST(:kept AS interval) AND mail_address <> ''"
    )
)


async def insert_mails(
    connection: Connection,
    addressees: Sequence[tuple[UUID, Addressee]],
    *,
    domain: str,
    now: datetime,
) -> Sequence[UUID]:
    """Puts mails into the outbox, given as (notice id, addressee), and returns their ids.

    Their Message-IDs (RFC 5322) end in `domain`. An address is copied only where there is no contact.
    """
    mail_ids = [uuid4() for _ in addressees]
    if mail_ids:
        await connection.change(
            _INSERT,
            mail_ids=mail_ids,
            message_ids=[f"<{mail_id}@{domain}>" for mail_id in mail_ids],
            notice_ids=[notice_id for notice_id, _ in addressees],
            contact_ids=[addressee.contact_id for _, addressee in addressees],
            mail_addresses=["" if addressee.contact_id else addressee.mail_address for _, addressee in addressees],
            now=now,
        )
    return mail_ids


async def find_unsent_mail(connection: Connection, mail_id: UUID) -> Mail | None:
    """Returns a mail of the outbox; None where it was sent, has failed, or does not exist any more."""
    row = await connection.fetch_row(_FIND_UNSENT, mail_id=mail_id)
    if row is None:
        return None
    return Mail(
        mail_id=row.mail_id,
        message_id=row.message_id,
        kind=NoticeKind(row.kind),
        written_at=row.written_at,
        mail_address=row.mail_address,
        recipient_name=row.recipient_name,
        card_contact=Contact(*(getattr(row, f"card_contact_{field.name}") for field in fields(Contact))),
        company=read_company(row.company),
        agency=row.agency,
        category=row.category,
        registered_at=row.registered_at,
        card_serial=row.card_serial,
        holder_name=row.holder_name,
    )


async def record_sent(connection: Connection, mail_id: UUID) -> None:
    """Records that the mail server accepted a mail, and forgets an address that was sent along."""
    await connection.change(_RECORD_SENT, mail_id=mail_id)


async def record_undeliverable(connection: Connection, mail_id: UUID, result: FailedTry, answer: str) -> None:
    """Records that no further try can deliver a mail; `answer` is empty where it was not even offered.

    What was sent along and is no address is forgotten at once: nobody could ever send to it.
    """
    await connection.change(
        _RECORD_UNDELIVERABLE,
        mail_id=mail_id,
        result=result,
        answer=answer or None,
        forgets=result is FailedTry.NOT_AN_ADDRESS,
    )


async def record_not_taken(
    connection: Connection, mail_id: UUID, result: FailedTry, answer: str, *, give_up_after: timedelta
) -> bool:
    """Records a try that is repeated; returns whether the mail was given up instead, as it has waited for so long."""
    is_given_up = await connection.fetch_value(
        _RECORD_NOT_TAKEN, mail_id=mail_id, result=result, answer=answer, give_up_after=give_up_after
    )
    return bool(is_given_up)


async def count_not_taken(connection: Connection) -> Mapping[str, int]:
    """Returns how many mails were refused or not taken since the last one was sent, by the result of their last try."""
    return dict(await connection.fetch_rows(_COUNT_NOT_TAKEN))


async def list_failed_mails(connection: Connection, since: datetime) -> Sequence[FailedMail]:
    """Returns the mails that failed at this instant or later, oldest first, without those that were erased."""
    return [
        FailedMail(
            mail_id=row.mail_id,
            failed_at=row.failed_at,
            result=FailedTry(row.result),
            answer=row.answer or "",
            agency=row.agency,
            category=row.category,
            registration_id=row.registration_id,
            has_address=row.has_address,
        )
        for row in await connection.fetch_rows(_LIST_FAILED, since=since)
    ]


async def reopen_failed_mails(connection: Connection, since: datetime) -> Sequence[UUID]:
    """Makes the mails that failed at this instant or later wait again, from now on, and returns their ids.

    Those whose address was forgotten, or whose person was erased, stay as they are.
    """
    return await connection.fetch_values(_REOPEN_FAILED, since=since)


async def forget_addresses(connection: Connection, kept: timedelta) -> None:
    """Empties addresses that were sent along with mails that failed so long ago."""
    await connection.change(_FORGET_ADDRESSES, kept=kept)
