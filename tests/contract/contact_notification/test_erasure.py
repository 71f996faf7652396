"""docs/erasure.md is true: its statements erase every copy, and every column is named there."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from refusals import Refusal
from tests.support.example_profile import BIDDER, GOODS, OTHER_BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.services.contact_notification import MORNING, ContactHouse, contact_house, form, staging
from toroku.contact.v1 import resources_pb2, service_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

PAGE = (Path(__file__).parents[3] / "docs" / "erasure.md").read_text("utf-8")


def section(title: str) -> str:
    """One section of the page."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[ContactHouse]:
    async with contact_house(migrated_database("contact_notification"), tmp_path, example_profile()) as opened:
        yield opened


@pytest.mark.parametrize("package", ["contact_notification", "agency_sync"])
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


def dump(house: ContactHouse) -> str:
    """All that stands in all tables of the database, those of the jobs too, as text."""
    with psycopg.connect(house.dsn) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_schema IN ('public', 'jobs') AND table_type = 'BASE TABLE'"
        ).fetchall()
        rows = [
            connection.execute(sql.SQL("SELECT t::text FROM {} AS t").format(sql.Identifier(*table))).fetchall()
            for table in tables
        ]
    return "\n".join(str(row) for table in rows for (row,) in table)


async def test_the_statements_of_the_page_erase_every_copy(house: ContactHouse) -> None:
    company = qualification_pb2.CompanyProfile(
        bidder_id=BIDDER,
        name="個人事業 山田太郎",
        postal_code="330-0001",
        address="山田の住所",
        representative_name="山田太郎",
        representative_title="山田の肩書",
        telephone="048-111-1111",
        fax="048-222-2222",
        department="山田の課",
        corporate_number="山田の法人番号",
        grades=[qualification_pb2.Grade(kind="山田の業種", grade="A")],
    )
    person = form("山田　太郎", department="山田課", address="山田の番地", mail_address="yamada@contractor.example")
    first = staging(1, company=company, card_contact=person, representative_contact=person)
    await house.register(first)
    await house.register(
        staging(1, company=company, card_contact=person, representative=False), at=MORNING + timedelta(days=1)
    )
    await house.register(staging(2, company=company, card_contact=person, category=GOODS))
    # One that is still pending.
    await house.stage(staging(3, company=company, card_contact=person, representative=False))
    other = staging(4, company=qualification_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="残る会社"))
    await house.register(other)
    assert "山田" in dump(house)

    statements = section("contact-notification").partition("```sql\n")[2].partition("```")[0]
    with psycopg.connect(house.dsn, autocommit=True) as connection:
        connection.execute(statements.replace(":'bidder_id'", sql.Literal(BIDDER).as_string(connection)))

    left = dump(house)
    for trace in ("山田", "yamada", "330-0001", "048-111-1111", "048-222-2222"):
        assert trace not in left, trace
    assert "残る会社" in left
    assert (await house.staged(first)).company == qualification_pb2.CompanyProfile(bidder_id=BIDDER)
    assert await house.representative() is None
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await house.agency.GetContact(
            service_pb2.GetContactRequest(
                agency=PREFECTURE,
                category=WORKS,
                bidder_id=BIDDER,
                purpose=resources_pb2.CONTACT_PURPOSE_CARD,
                certificate_sha256=first.certificate_sha256,
            )
        )
    await house.send_all()
    assert {mail.recipients for mail in house.mailbox.mails} == {
        (contact.mail_address,) for contact in (other.card_contact.contact, other.representative_contact.contact)
    }
