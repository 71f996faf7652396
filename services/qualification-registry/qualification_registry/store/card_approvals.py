"""Cards that an officer is asked about, and what was decided."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, select, text, update

from history.sealed_entry import SEAL_COLUMNS, SEAL_TABLES, read_sealed_entry, write_waiting
from qualification_registry.domain.card_approval import (
    Answer,
    ApprovalState,
    CardApproval,
    CardAtAgency,
    Questions,
)
from qualification_registry.domain.certificate_names import CertificateNames
from qualification_registry.store.tables import card_approvals
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement

_COLUMNS = (
    card_approvals.c.number,
    card_approvals.c.agency,
    card_approvals.c.category,
    card_approvals.c.bidder_id,
    card_approvals.c.certificate_sha256,
    card_approvals.c.company,
    card_approvals.c.holder,
    card_approvals.c.has_names,
    card_approvals.c.company_name,
    card_approvals.c.holder_name,
    card_approvals.c.state,
    card_approvals.c.asked_at,
    card_approvals.c.reason,
    card_approvals.c.decided_by,
    card_approvals.c.decided_at,
)
_OF_CARD = (
    card_approvals.c.certificate_sha256 == bindparam("certificate_sha256"),
    card_approvals.c.agency == bindparam("agency"),
    card_approvals.c.category == bindparam("category"),
    card_approvals.c.bidder_id == bindparam("bidder_id"),
)

_LIST_OF_CARD = Statement(select(*_COLUMNS).where(*_OF_CARD).order_by(card_approvals.c.number.desc()))

# A number of a card is counted while no other transaction asks for the same card.
_LOCK_CARD = Statement(text("SELECT pg_advisory_xact_lock(hashtextextended('card approval ' || :card, 0))"))
_COUNT_ASKED = Statement(
    text(
        "SELECT count(*) FROM card_approvals "
        "WHERE certificate_sha256 = :certificate_sha256 AND asked_at > CAST(:since AS timestamptz)"
    )
)
_ADD = Statement(
    text(
        """
        INSERT INTO card_approvals (
            agency, category, bidder_id, certificate_sha256, company, holder, company_name, holder_name, mail_address,
            asked_at
        ) VALUES (
            :agency, :category, :bidder_id, :certificate_sha256, :company, :holder, :company_name, :holder_name,
            :mail_address, :now
        )
        RETURNING number
        """
    )
)
# What is in question may be more than before, as may be the names of the roster.
_ASK_AGAIN = Statement(
    update(card_approvals)
    .where(card_approvals.c.number == bindparam("asked"))
    .values(company=bindparam("in_company"), holder=bindparam("in_holder"), mail_address=bindparam("address"))
)
_LIST = Statement(
    select(*_COLUMNS)
    .where(
        card_approvals.c.agency == bindparam("agency"),
        card_approvals.c.state == any_(bindparam("states", type_=ARRAY(Text))),
        card_approvals.c.number > bindparam("after"),
    )
    .order_by(card_approvals.c.number)
    .limit(bindparam("most"))
)
_LOCK = Statement(select(*_COLUMNS).where(card_approvals.c.number == bindparam("number")).with_for_update())
_DECIDE = Statement(
    update(card_approvals)
    .where(card_approvals.c.number == bindparam("decided"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("because"),
        decided_by=bindparam("by"),
        decided_at=bindparam("now"),
        notice_id=bindparam("notice"),
        history_number=bindparam("entry"),
    )
    .returning(*_COLUMNS)
)
_COUNT_APPROVED = Statement(
    text(
        """
        SELECT count(DISTINCT (agency, certificate_sha256)) FROM card_approvals
        WHERE state = 'approved' AND category = :category AND bidder_id = :bidder_id
        """
    )
)
_FIND_ANSWER = Statement(
    text(
        f"""
        SELECT {", ".join(map(str, _COLUMNS))}, card_approvals.notice_id, card_approvals.mail_address,
            {SEAL_COLUMNS}, {write_waiting("decided_at", "CAST(:now AS timestamptz)")} AS waits
        FROM card_approvals JOIN history_entry AS entry ON entry.number = card_approvals.history_number {SEAL_TABLES}
        WHERE card_approvals.number = :number AND card_approvals.mail_address IS NOT NULL
        """  # noqa: S608  # constants
    )
)
_FORGET_ADDRESS = Statement(
    update(card_approvals).where(card_approvals.c.number == bindparam("answered")).values(mail_address=None)
)
# Where the answer was never taken, the address is kept as long as the names.
_FORGET_NAMES = Statement(
    text(
        """
        WITH too_old AS (
            SELECT number FROM card_approvals
            WHERE state = 'approved' AND has_names AND decided_at <= :decided_until
            ORDER BY decided_at LIMIT :most
            FOR UPDATE SKIP LOCKED
        )
        UPDATE card_approvals SET has_names = false, company_name = NULL, holder_name = NULL, mail_address = NULL
        FROM too_old WHERE card_approvals.number = too_old.number
        """
    )
)
_DELETE_REFUSED = write_deletion(
    card_approvals,
    card_approvals.c.state == ApprovalState.REFUSED.value,
    card_approvals.c.decided_at <= bindparam("decided_until"),
    oldest=card_approvals.c.decided_at,
)
_DELETE_UNANSWERED = write_deletion(
    card_approvals,
    card_approvals.c.state == ApprovalState.OPEN.value,
    card_approvals.c.asked_at <= bindparam("asked_until"),
    oldest=card_approvals.c.asked_at,
)


async def list_of_card(connection: Connection, card: CardAtAgency) -> list[CardApproval]:
    """Returns all that an officer was asked about a card at an agency, the newest first."""
    return list(map(_read, await connection.fetch_rows(_LIST_OF_CARD, **_name(card))))


async def lock_card(connection: Connection, certificate_sha256: bytes) -> None:
    """Has other questions about this card wait until the transaction ends."""
    await connection.fetch_value(_LOCK_CARD, card=certificate_sha256.hex())


async def count_asked(connection: Connection, certificate_sha256: bytes, *, since: datetime) -> int:
    """Returns how many questions about a card were asked since then, at any agency."""
    count: int = await connection.fetch_value(_COUNT_ASKED, certificate_sha256=certificate_sha256, since=since)
    return count


async def add(
    connection: Connection,
    card: CardAtAgency,
    questions: Questions,
    names: CertificateNames,
    *,
    mail_address: str,
    now: datetime,
) -> int:
    """Adds a question and returns its number."""
    number: int = await connection.fetch_value(
        _ADD,
        **_name(card),
        company=questions.company,
        holder=questions.holder,
        company_name=names.company,
        holder_name=names.holder,
        mail_address=mail_address,
        now=now,
    )
    return number


async def ask_again(connection: Connection, number: int, questions: Questions, *, mail_address: str) -> None:
    """Replaces the mail address of an open question, and what is in question."""
    await connection.change(
        _ASK_AGAIN,
        asked=number,
        in_company=questions.company,
        in_holder=questions.holder,
        address=mail_address,
    )


async def list_page(
    connection: Connection, agency: str, states: Collection[ApprovalState], *, after: int, most: int
) -> list[CardApproval]:
    """Returns at most `most` questions of an agency with higher numbers than `after`, by number."""
    rows = await connection.fetch_rows(
        _LIST, agency=agency, states=[state.value for state in states], after=after, most=most
    )
    return list(map(_read, rows))


async def lock(connection: Connection, number: int) -> CardApproval | None:
    """Returns a question, locked for this transaction; None where there is none of this number."""
    row = await connection.fetch_row(_LOCK, number=number)
    return _read(row) if row is not None else None


async def decide(
    connection: Connection,
    number: int,
    state: ApprovalState,
    *,
    reason: str,
    decided_by: str,
    notice_id: UUID,
    history_number: int,
    now: datetime,
) -> CardApproval:
    """Writes what an officer decided about a question that the caller has locked; `history_number` is of its entry."""
    row = await connection.fetch_row(
        _DECIDE,
        decided=number,
        new_state=state.value,
        because=reason,
        by=decided_by,
        notice=notice_id,
        entry=history_number,
        now=now,
    )
    return _read(row)


async def count_approved(connection: Connection, category: str, bidder_id: str) -> int:
    """Returns how many cards of a bidder are approved in a category, each agency for itself."""
    count: int = await connection.fetch_value(_COUNT_APPROVED, category=category, bidder_id=bidder_id)
    return count


async def find_answer(connection: Connection, number: int, now: datetime) -> Answer | None:
    """Returns what who asked is told by mail, and where; None where that was done."""
    row = await connection.fetch_row(_FIND_ANSWER, number=number, now=now)
    if row is None:
        return None
    return Answer(
        notice_id=row.notice_id,
        mail_address=row.mail_address,
        approval=_read(row),
        entry=read_sealed_entry(row),
        waits=row.waits,
    )


async def forget_address(connection: Connection, number: int) -> None:
    """Erases the mail address of a question, whose answer was sent."""
    await connection.change(_FORGET_ADDRESS, answered=number)


async def forget_names(connection: Connection, *, decided_until: datetime, most: int) -> int:
    """Erases names and address of at most `most` approvals that were decided until then; returns of how many."""
    return await connection.change(_FORGET_NAMES, decided_until=decided_until, most=most)


async def delete_refused(connection: Connection, *, decided_until: datetime, most: int) -> int:
    """Deletes at most `most` questions that were refused until then; returns how many."""
    return await connection.change(_DELETE_REFUSED, decided_until=decided_until, most=most)


async def delete_unanswered(connection: Connection, *, asked_until: datetime, most: int) -> int:
    """Deletes at most `most` questions that no officer has decided, asked until then; returns how many."""
    return await connection.change(_DELETE_UNANSWERED, asked_until=asked_until, most=most)


def _name(card: CardAtAgency) -> dict[str, Any]:
    return {
        "agency": card.agency,
        "category": card.category,
        "bidder_id": card.bidder_id,
        "certificate_sha256": card.certificate_sha256,
    }


def _read(row: Any) -> CardApproval:
    return CardApproval(
        number=row.number,
        card=CardAtAgency(row.agency, row.category, row.bidder_id, row.certificate_sha256),
        questions=Questions(row.company, row.holder),
        names=CertificateNames(row.company_name, row.holder_name) if row.has_names else None,
        state=ApprovalState(row.state),
        asked_at=row.asked_at,
        reason=row.reason,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
