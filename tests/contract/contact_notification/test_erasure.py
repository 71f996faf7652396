"""The statements of docs/erasure.md erase every copy, and the page names every column."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from contact_notification.operations.failed_mails import FailedMails
from refusals import Refusal
from tests.support.example_profile import BIDDER, GOODS, OTHER_BIDDER, PREFECTURE, WORKS
from tests.support.full_message import fill_message
from tests.support.services.contact_notification import (
    MORNING,
    RunningContactNotification,
    card_state,
    contact_form,
    facts_of,
    notice_to_others,
    staging_request,
)
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

PAGE = (Path(__file__).parents[3] / "docs" / "erasure.md").read_text("utf-8")


def section(title: str) -> str:
    """Returns one section of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.every_postgresql
@pytest.mark.parametrize(
    "package", ["contact_notification", "agency_sync", "certificate_registry", "qualification_registry"]
)
def test_every_column_is_named_in_the_page(migrated_database: Callable[[str], str], package: str) -> None:
    named = set(re.findall(r"`(?:\w+\.)?(\w+)`", section(package.replace("_", "-"))))
    with psycopg.connect(migrated_database(package)) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND table_name <> 'alembic_version'"
        ).fetchall()
    assert columns
    unnamed = [f"{table}.{column}" for table, column in columns if column not in named and table != "contacts"]
    assert unnamed == []


def dump(contacts: RunningContactNotification) -> str:
    """Returns every row of every table of the database, those of the jobs too, as text."""
    with psycopg.connect(contacts.dsn) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('public', 'jobs') AND table_type = 'BASE TABLE'"
        ).fetchall()
        rows = [
            connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(*table))).fetchall()
            for table in tables
        ]
    return "\n".join(str(row) for table in rows for (row,) in table)


async def test_statements_of_the_page_erase_every_copy(contacts: RunningContactNotification) -> None:
    company = fill_message(bidder_pb2.CompanyProfile(), "山田")
    company.bidder_id = BIDDER
    person = contact_form(
        "山田　太郎", department="山田課", address="山田の番地", mail_address="yamada@contractor.example"
    )
    first = staging_request(
        1, company=company, card_contact=person, representative_contact=person, person_in_charge="山田　花子"
    )
    facts = await contacts.register(first)
    facts.holder_name = "山田　太郎"
    await contacts.register(
        staging_request(1, company=company, card_contact=person, representative=False), at=MORNING + timedelta(days=1)
    )
    await contacts.register(staging_request(2, company=company, card_contact=person, category=GOODS))
    # One that is still pending, with a notice that waits for it, and a mail to an address that was sent along.
    pending = staging_request(
        3, company=company, card_contact=person, representative=False, person_in_charge="山田　次郎"
    )
    await contacts.stage(pending)
    officer = contact_pb2.NoticeRecipient(mail_address="yamada@agency.example")
    waiting = facts_of(card_state(pending), holder_name="山田　太郎")
    await contacts.notify(notice_to_others(waiting, officer), notice_to_others(facts, officer))
    # And mails that failed, which an operator could have sent again.
    repeated = notice_to_others(facts, officer)
    await contacts.notify(repeated)
    await contacts.execute(
        "UPDATE mails SET state = 'failed', failed_at = now(), result = 'refused' WHERE notice_id = "
        "(SELECT notice_id FROM notices ORDER BY received_at DESC, notice_id LIMIT 1)"
    )
    other = staging_request(4, company=bidder_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="残る会社"))
    await contacts.register(other)
    assert "山田" in dump(contacts)

    statements = section("contact-notification").partition("```sql\n")[2].partition("```")[0]
    with psycopg.connect(contacts.dsn, autocommit=True) as connection:
        connection.execute(statements.replace(":'bidder_id'", sql.Literal(BIDDER).as_string(connection)))

    left = dump(contacts)
    for trace in ("山田", "yamada"):
        assert trace not in left, trace
    assert "残る会社" in left
    # A notice that is sent once more is still the known one, and brings nothing back.
    await contacts.notify(repeated)
    assert dump(contacts) == left
    assert (await contacts.staged(first)).company == bidder_pb2.CompanyProfile(bidder_id=BIDDER)
    assert await contacts.representative() is None
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await contacts.from_agency.GetContact(
            contact_notification_pb2.GetContactRequest(
                agency=PREFECTURE,
                category=WORKS,
                bidder_id=BIDDER,
                purpose=contact_pb2.CONTACT_PURPOSE_CARD,
                certificate_sha256=first.certificate_sha256,
            )
        )
    failed_mails = FailedMails(database=contacts.database)
    assert await failed_mails.list_mails(MORNING - timedelta(days=9999)) == []
    assert await failed_mails.send_again(MORNING - timedelta(days=9999)) == 0
    await contacts.send_all()
    assert {mail.recipients for mail in contacts.mailbox.mails} == {
        (contact.mail_address,) for contact in (other.card_contact.contact, other.representative_contact.contact)
    }
