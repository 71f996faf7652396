"""An operator lists mails that failed and has them sent again, by commands; they print no personal data."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from contact_notification.domain.failed_mails import describe_failed_mails, read_since
from contact_notification.operations.failed_mails import FailedMails
from servicekit.exceptions import CommandFailed
from tests.support.example_profile import WORKS, example_profile
from tests.support.scrape import find_secrets
from tests.support.services.contact_messages import card_sha256, facts_of, registration_notice, staging_request
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification
from toroku.contact.v1 import contact_pb2

OFFICER = "officer@agency.example"
SECRETS = ("example", "太郎", "花子", "株式会社", "1000000001")


@pytest.fixture
async def contacts(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningContactNotification]:
    """Three mails have failed: two to contacts, and one to an address that was sent along."""
    async with running_contact_notification(
        migrated_database("contact_notification"), tmp_path, example_profile()
    ) as running:
        await running.register(staging_request(1))
        notice = registration_notice(facts_of(running.states[card_sha256(1), WORKS]))
        notice.recipients[0].CopyFrom(contact_pb2.NoticeRecipient(mail_address=OFFICER))
        await running.notify(notice)
        running.mailbox.domain_replies |= {
            "contractor.example": "550 5.1.1 <card1@contractor.example> unknown",
            "agency.example": "550 no <officer@agency.example>",
        }
        await running.send_all()
        running.mailbox.domain_replies.clear()
        yield running


async def test_failed_mails_are_listed_and_sent_again(contacts: RunningContactNotification) -> None:
    status, listed, errors = await contacts.run_command("list-failed-mails")
    assert (status, errors) == (0, "")
    heading, *lines, last = listed.splitlines()
    assert heading.split("\t")[:5] == ["failed at", "result", "answer", "agency", "category"]
    assert [line.split("\t")[1:5] for line in lines] == [
        ["refused", "550 5.1.1", "prefecture", "works"],
        ["refused", "550 5.1.1", "prefecture", "works"],
        ["refused", "550", "prefecture", "works"],
    ]
    assert last == "3 failed mails"
    registration_id = contacts.states[card_sha256(1), WORKS].registrations[0].registration_id
    assert listed.count(registration_id) == 3, "by which the help desk finds the contractor"
    status, sent, errors = await contacts.run_command("send-failed-mails", "--since", "2020-01-01")
    assert (status, sent, errors) == (0, "3 mails are sent again\n", "")
    assert find_secrets(listed + sent, SECRETS) == []
    await send_jobs(contacts)
    assert sorted(to for mail in contacts.mailbox.mails for to in mail.recipients) == [
        *("card1@contractor.example", "desk@contractor.example", OFFICER)
    ]
    assert await contacts.rows("SELECT DISTINCT state, mail_address FROM mails") == [("sent", "")]


async def test_only_mails_that_failed_since_then_are_meant(contacts: RunningContactNotification) -> None:
    """And never those whose address was forgotten after a month."""
    await contacts.execute(
        "UPDATE mails SET failed_at = CASE WHEN contact_id IS NULL THEN now() - interval '31 days' "
        "ELSE timestamptz '2026-11-27 00:00+09' END"
    )
    await contacts.run("forget_addresses")
    assert await contacts.rows("SELECT mail_address FROM mails WHERE contact_id IS NULL") == [("",)]
    failed_mails = FailedMails(database=contacts.database)
    listed = describe_failed_mails(await failed_mails.list_mails(read_since([])))
    assert [line.split("\t")[-1] for line in listed.splitlines()[1:-1]] == [
        *("its address was forgotten", "can be sent again", "can be sent again")
    ]
    assert len(await failed_mails.list_mails(read_since(["--since", "2026-11-27"]))) == 2
    assert await failed_mails.send_again(read_since(["--since", "2026-11-27T00:01"])) == 0
    assert await failed_mails.send_again(read_since([])) == 2
    assert await failed_mails.send_again(read_since([])) == 0


@pytest.mark.parametrize("words", [["--since"], ["--since", "yesterday"], ["all"], ["--since", "2026-11-27", "more"]])
def test_wrong_arguments_are_named(words: list[str]) -> None:
    with pytest.raises(CommandFailed, match="--since 2026-11-27"):
        read_since(words)


async def send_jobs(contacts: RunningContactNotification) -> None:
    """Runs the jobs that wait, as the worker would."""
    for (mail_id,) in await contacts.rows(
        "SELECT args->'arguments'->>'mail_id' FROM procrastinate_jobs WHERE task_name = 'send_mail' ORDER BY id DESC "
        "LIMIT 3"
    ):
        await contacts.run("send_mail", mail_id=mail_id)
