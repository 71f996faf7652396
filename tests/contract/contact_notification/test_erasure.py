"""The command erase-bidder erases every copy, by an act in the history; docs/erasure.md names every column."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import yaml

from contact_notification.operations.failed_mails import FailedMails
from history.entries import ERASED, StoredEntry
from history.erasure_order import read_erasure_order
from history.reading import find_entries
from refusals import Refusal
from servicekit.exceptions import CommandFailed
from tests.support.database_dump import dump_database
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.full_message import fill_message
from tests.support.services.contact_change import Change, renewed_state
from tests.support.services.contact_messages import (
    MORNING,
    add_propagated,
    card_state,
    contact_form,
    facts_of,
    notice_to_others,
    staging_request,
)
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

REASON = "request of 2026-12-01, file 12"
COMMAND = ("erase-bidder", "--bidder", BIDDER, "--reason", REASON)
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


@pytest.fixture
async def contacts(contacts: RunningContactNotification, tmp_path: Path) -> RunningContactNotification:
    """The service with its profile in a file, as a command reads it."""
    profile = example_profile().model_dump(mode="json")
    (tmp_path / "profile.yaml").write_text(yaml.safe_dump(profile, allow_unicode=True), "utf-8")
    return contacts


@pytest.mark.requirement("LIF-05")
async def test_command_erases_every_copy_by_an_act_in_the_history(contacts: RunningContactNotification) -> None:
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
    # A change, which the prefecture alone follows, and a card that takes over what is changed.
    change = Change(contacts=contacts, company=company, propagate=False)
    state = contacts.states[first.certificate_sha256, WORKS]
    add_propagated(state, CITY)
    state.version.number += 1
    await contacts.record(state)
    await change.type_over(
        card={"person_name": "山田　三郎"}, representative={"mail_address": "yamada3@contractor.example"}
    )
    await change.commit(holder_name="山田　太郎")
    await contacts.record(renewed_state(5, 1, at=2880))
    other = staging_request(4, company=bidder_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="残る会社"))
    await contacts.register(other)
    assert "山田" in dump_database(contacts.dsn)
    assert await contacts.verify_history() == []

    status, printed, _ = await contacts.run_command(*COMMAND)
    assert status == 0
    assert printed.splitlines() == [
        "erased of bidder 1000000001, by entry 7 of the history:",
        "mails, which are never sent any more: 8",
        "notices that waited for contacts: 1",
        "names of card holders and companies in notices: 10",
        "contacts as they were registered: 8",
        "agencies with earlier contacts: 3",
        "versions of contacts: 9",
        "contacts in use: 5",
        "changes with company: 1",
        "registrations with company and person in charge: 4",
        "entries of the history with details: 5",
    ]

    left = dump_database(contacts.dsn)
    for trace in ("山田", "yamada"):
        assert trace not in left, trace
    assert "残る会社" in left
    # A notice that is sent once more is still the known one, and brings nothing back.
    await contacts.notify(repeated)
    assert dump_database(contacts.dsn) == left
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
    act = 7
    erased = [entry for entry in await history_of(contacts, BIDDER) if entry.number != act]
    assert [(entry.details, entry.erased_by) for entry in erased] == [(None, act)] * 5
    findings = await contacts.verify_history()
    assert [(finding.fault, finding.act) for finding in findings] == [(None, act)] * 5
    assert (await history_of(contacts, OTHER_BIDDER))[0].details is not None
    failed_mails = FailedMails(database=contacts.database)
    assert await failed_mails.list_mails(MORNING - timedelta(days=9999)) == []
    assert await failed_mails.send_again(MORNING - timedelta(days=9999)) == 0
    await contacts.send_all()
    assert {mail.recipients for mail in contacts.mailbox.mails} == {
        (contact.mail_address,) for contact in (other.card_contact.contact, other.representative_contact.contact)
    }


async def test_act_says_who_erased_and_why_and_is_written_once(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    assert (await contacts.run_command(*COMMAND))[0] == 0
    status, printed, _ = await contacts.run_command(*COMMAND)
    assert (status, printed) == (0, "nothing is left to erase of bidder 1000000001\n")
    registered, act = await history_of(contacts, BIDDER)
    assert (act.who, act.what, registered.erased_by) == ("operator", ERASED, act.number)
    after = json.loads(act.details or "")["after"]
    assert (after["reason"], after["rows"]["contacts as they were registered"]) == (REASON, "2")


async def test_bidder_who_only_staged_is_erased_by_an_act_too(contacts: RunningContactNotification) -> None:
    await contacts.stage(staging_request(1))
    status, printed, _ = await contacts.run_command(*COMMAND)
    assert (status, printed.splitlines()[0]) == (0, "erased of bidder 1000000001, by entry 1 of the history:")
    ((act,), findings) = await history_of(contacts, BIDDER), await contacts.verify_history()
    assert (act.what, findings) == (ERASED, [])


@pytest.mark.parametrize(
    "words",
    [[], ["--bidder", BIDDER], ["--bidder", BIDDER, "--reason", " "], [*COMMAND[1:], "more"], ["--why", "a"] * 2],
)
def test_wrong_arguments_are_named(words: list[str]) -> None:
    with pytest.raises(CommandFailed, match=r"give --bidder .* and --reason"):
        read_erasure_order(words, "--bidder", "the bidder's id")


async def history_of(contacts: RunningContactNotification, bidder_id: str) -> list[StoredEntry]:
    """Returns the entries of a bidder, oldest first."""
    async with contacts.database.read() as connection:
        return [*reversed(await find_entries(connection, "bidder_id", bidder_id))]
