"""The outbox: mails to send, and the result of each."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import and_, bindparam, func, or_, select, text, update

from contact_notification.domain.mail import FailedMail, FailedTry, Mail
from contact_notification.domain.notice import Addressee, NoticeKind
from contact_notification.store.contacts import label_contact, read_contact
from contact_notification.store.notices import read_entry, read_facts
from contact_notification.store.staging import read_company
from contact_notification.store.tables import contacts, mails, notices, staged_registrations
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# What became of tries in which the mail was offered to the mail server.
OFFERED = (FailedTry.REFUSED, FailedTry.GIVEN_UP, FailedTry.PUT_OFF, FailedTry.SERVER_UNUSABLE)

# What the text does not need.
_NOT_SHOWN = {"state", "recipients", "received_at"}
_HAS_ADDRESS = or_(mails.c.contact_id.is_not(None), mails.c.mail_address != "")
_HAS_FAILED = and_(mails.c.state == "failed", mails.c.failed_at >= bindparam("since"), mails.c.result != "erased")

_INSERT = Statement(
    text(
        """
        INSERT INTO mails (
            mail_id, message_id, notice_id, contact_id, mail_address, recipient_name, sealed_secret, state, written_at,
            waits_since
        )
        SELECT mail_id, message_id, notice_id, contact_id, mail_address, recipient_name, sealed_secret, 'written', :now,
            now()
        FROM unnest(
            CAST(:mail_ids AS uuid[]), CAST(:message_ids AS text[]), CAST(:notice_ids AS uuid[]),
            CAST(:contact_ids AS uuid[]), CAST(:mail_addresses AS text[]), CAST(:recipient_names AS text[]),
            CAST(:sealed_secrets AS bytea[])
        ) AS new (mail_id, message_id, notice_id, contact_id, mail_address, recipient_name, sealed_secret)
        """
    )
)

_recipient, _card_contact = contacts.alias("recipient"), contacts.alias("card_contact")

_FIND_UNSENT = Statement(
    select(mails.c.mail_id, mails.c.message_id, mails.c.written_at, mails.c.sealed_secret)
    .add_columns(*(column for column in notices.c if column.name not in _NOT_SHOWN), staged_registrations.c.company)
    .add_columns(func.coalesce(_recipient.c.mail_address, mails.c.mail_address).label("mail_address"))
    .add_columns(func.coalesce(_recipient.c.person_name, mails.c.recipient_name).label("recipient_name"))
    .add_columns(_card_contact.c.contact_id.label("shown_contact_id"), *label_contact(_card_contact, "card_contact"))
    .join(notices, notices.c.notice_id == mails.c.notice_id)
    .outerjoin(
        staged_registrations,
        (staged_registrations.c.certificate_sha256 == notices.c.certificate_sha256)
        & (staged_registrations.c.request_id == notices.c.request_id),
    )
    .outerjoin(
        _card_contact,
        _card_contact.c.contact_id == func.coalesce(staged_registrations.c.card_contact_id, notices.c.card_contact_id),
    )
    .outerjoin(_recipient, _recipient.c.contact_id == mails.c.contact_id)
    .where(mails.c.mail_id == bindparam("mail_id"), mails.c.state == "written")
)

_RECORD_SENT = Statement(
    text(
        "UPDATE mails SET state = 'sent', sent_at = now(), mail_address = '', recipient_name = '', "
        "sealed_secret = NULL "
        "WHERE mail_id = :mail_id AND state = 'written'"
    )
)

# A mail that has failed never tells its secret, so nobody has to know its address either.
_RECORD_UNDELIVERABLE = Statement(
    text(
        """
        UPDATE mails
        SET state = 'failed', failed_at = now(), tried_at = now(), result = :result, answer = :answer,
            mail_address = CASE WHEN :forgets OR sealed_secret IS NOT NULL THEN '' ELSE mail_address END,
            recipient_name = CASE WHEN :forgets OR sealed_secret IS NOT NULL THEN '' ELSE recipient_name END,
            sealed_secret = NULL
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
            answer = :answer,
            mail_address = CASE WHEN is_given_up AND sealed_secret IS NOT NULL THEN '' ELSE mail_address END,
            recipient_name = CASE WHEN is_given_up AND sealed_secret IS NOT NULL THEN '' ELSE recipient_name END,
            sealed_secret = CASE WHEN is_given_up THEN NULL ELSE sealed_secret END
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
        *(notices.c[name] for name in ("kind", "agency", "category", "registration_id")),
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
        "UPDATE mails SET mail_address = '', recipient_name = '' "
        "WHERE state = 'failed' AND failed_at < now() - CAST(:kept AS interval) AND mail_address <> ''"
    )
)


class NewMail(NamedTuple):
    """A mail to be written: of which notice, to whom, and what it has to tell besides, sealed."""

    notice_id: UUID
    addressee: Addressee
    sealed_secret: bytes | None


async def insert_mails(
    connection: Connection, new_mails: Sequence[NewMail], *, domain: str, now: datetime
) -> Sequence[UUID]:
    """Puts mails into the outbox, and returns their ids.

    Their Message-IDs (RFC 5322) end in `domain`. An address is copied only where there is no contact.
    """
    mail_ids = [uuid4() for _ in new_mails]
    addressees = [mail.addressee for mail in new_mails]
    if mail_ids:
        await connection.change(
            _INSERT,
            mail_ids=mail_ids,
            message_ids=[f"<{mail_id}@{domain}>" for mail_id in mail_ids],
            notice_ids=[mail.notice_id for mail in new_mails],
            contact_ids=[addressee.contact_id for addressee in addressees],
            mail_addresses=["" if addressee.contact_id else addressee.mail_address for addressee in addressees],
            recipient_names=["" if addressee.contact_id else addressee.name for addressee in addressees],
            sealed_secrets=[mail.sealed_secret for mail in new_mails],
            now=now,
        )
    return mail_ids


async def find_unsent_mail(connection: Connection, mail_id: UUID) -> Mail | None:
    """Returns a mail of the outbox; None where it was sent, has failed, or does not exist any more."""
    row = await connection.fetch_row(_FIND_UNSENT, mail_id=mail_id)
    if row is None:
        return None
    company_name = row.company_name if row.company is None else read_company(row.company).full_name
    return Mail(
        mail_id=row.mail_id,
        notice_id=row.notice_id,
        message_id=row.message_id,
        kind=NoticeKind(row.kind),
        written_at=row.written_at,
        mail_address=row.mail_address,
        recipient_name=row.recipient_name,
        facts=read_facts(row),
        entry=read_entry(row),
        card_contact=read_contact(row, "card_contact") if row.shown_contact_id is not None else None,
        company_name=company_name or "",
        history_number=row.history_number,
        sealed_secret=row.sealed_secret,
    )


async def record_sent(connection: Connection, mail_id: UUID) -> None:
    """Records that the mail server accepted a mail, and forgets its secret and an address that was sent along."""
    await connection.change(_RECORD_SENT, mail_id=mail_id)


async def record_undeliverable(connection: Connection, mail_id: UUID, result: FailedTry, answer: str) -> None:
    """Records that no further try can deliver a mail; `answer` is empty where it was not even offered.

    What was sent along and is no address is forgotten at once: nobody could ever send to it. A secret is forgotten with
    its address.
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
    """Records a try that is repeated; returns whether the mail was given up instead, as it has waited for so long.

    Then its secret is forgotten with its address.
    """
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
            kind=NoticeKind(row.kind),
            agency=row.agency,
            category=row.category,
            registration_id=row.registration_id,
            has_address=row.has_address,
        )
        for row in await connection.fetch_rows(_LIST_FAILED, since=since)
    ]


async def reopen_failed_mails(connection: Connection, since: datetime) -> Sequence[UUID]:
    """Makes the mails that failed at this instant or later wait again, from now on, and returns their ids.

    Those whose address was forgotten, for example with a secret, or whose person was erased, stay as they are.
    """
    return await connection.fetch_values(_REOPEN_FAILED, since=since)


async def forget_addresses(connection: Connection, kept: timedelta) -> None:
    """Empties addresses that were sent along with mails that failed so long ago."""
    await connection.change(_FORGET_ADDRESSES, kept=kept)
