"""Roles of officers, their withdrawal, what other services are told, and the mails before a certificate expires."""

from datetime import timedelta

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE
from tests.support.officers import SigningOfficer, call
from tests.support.services.officers import LIFETIME, OPERATOR, RunningOfficers, officers_of
from tests.support.statements import counted_statements
from toroku.certificate.v1 import officers_pb2
from toroku.contact.v1 import contact_pb2

NAME = f"{PREFECTURE}/yamada"


async def refuse_role(officers: RunningOfficers, by: SigningOfficer, name: str, role: str) -> str:
    """Returns why a role is not even proposed."""
    with pytest.raises(Refusal) as caught:
        await officers.propose_role(by, name, role)
    return caught.value.reason


async def withdraw_role(officers: RunningOfficers, by: SigningOfficer, name: str, role: str) -> officers_pb2.Officer:
    """Withdraws a role; returns the officer. Raises Refusal."""
    agency, _, person_id = name.partition("/")
    request = officers_pb2.WithdrawRoleRequest(agency=agency, person_id=person_id, role=role, reason="異動")
    officer: officers_pb2.Officer = (await officers.act(by, "WithdrawRole", request)).officer
    return officer


@pytest.mark.requirement("LIF-08")
async def test_role_is_one_of_a_list_and_granted_once(officers: RunningOfficers) -> None:
    first = officers.first[0]
    await officers.enrol(NAME, "roster")
    assert await refuse_role(officers, first, NAME, "king") == "ROLE_UNKNOWN"
    assert await refuse_role(officers, first, NAME, "history") == "ROLE_FOR_OPERATOR_ONLY"
    assert await refuse_role(officers, first, NAME, "roster") == "OFFICER_HAS_ROLE"
    assert await refuse_role(officers, first, f"{CITY}/yamada", "roster") == "OFFICER_UNKNOWN"
    with pytest.raises(Refusal, match="OFFICER_WITHOUT_ROLE"):
        await withdraw_role(officers, first, NAME, "password")
    assert list((await withdraw_role(officers, first, NAME, "roster")).roles) == []
    for roles in ((), ("password", "king"), ("password", "history")):
        with pytest.raises(Refusal, match="ROLE_"):
            await officers.propose_role(first, NAME, *roles)
    await officers.approve(officers.first[1], await officers.propose_role(first, NAME, "roster", "password"))
    assert await officers.rows("SELECT roles FROM officer WHERE person_id = 'yamada'") == [(["password", "roster"],)]


@pytest.mark.requirement("LIF-08")
async def test_role_is_granted_by_another_person_only(officers: RunningOfficers) -> None:
    first, second = officers.first
    await officers.enrol(NAME)
    proposal = await officers.propose_role(first, NAME, "administrator")
    with pytest.raises(Refusal, match="PROPOSAL_OWN"):
        await officers.approve(first, proposal)
    await withdraw_unasked_role(officers)
    with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
        await officers.approve(second, proposal)


async def withdraw_unasked_role(officers: RunningOfficers) -> None:
    """Changes the officer while a proposal about it waits."""
    await officers.approve(officers.first[1], await officers.propose_role(officers.first[0], NAME, "roster"))


@pytest.mark.requirement("LIF-08")
async def test_last_administrator_stays(officers: RunningOfficers) -> None:
    operators = await officers.enrol(f"{OPERATOR}/boss", "administrator")
    own = await officers.enrol(NAME, "administrator")
    for by, name in ((operators, f"{OPERATOR}/boss"), (officers.first[0], f"{OPERATOR}/boss"), (own, NAME)):
        agency, _, person_id = name.partition("/")
        with pytest.raises(Refusal, match="LAST_ADMINISTRATOR"):
            await withdraw_role(officers, by, name, "administrator")
        with pytest.raises(Refusal, match="LAST_ADMINISTRATOR"):
            await officers.withdraw(by, agency, person_id)
    await officers.enrol(f"{PREFECTURE}/sato", "administrator")
    await officers.withdraw(own, PREFECTURE, "yamada")
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_WITHDRAWN"):
        await officers.withdraw(own, PREFECTURE, "sato")
    await officers.withdraw(operators, PREFECTURE, "sato")
    assert await officers.rows("SELECT person_id FROM officer WHERE 'administrator' = ANY (roles)") == [("boss",)]


@pytest.mark.requirement("LIF-08")
async def test_administrator_whose_certificate_expired_does_not_count(officers: RunningOfficers) -> None:
    await officers.enrol(f"{OPERATOR}/old", "administrator")
    officers.pass_time(LIFETIME - timedelta(days=30))
    boss = await officers.connect(f"{OPERATOR}/boss", officers.authority.person("boss", 2 * LIFETIME))
    await officers.accept(boss, (await officers.invite(officers.first[0], boss.name)).code)
    await officers.confirm(officers.first[1], boss)
    await officers.approve(
        officers.first[1], await officers.propose_role(officers.first[0], boss.name, "administrator")
    )
    officers.pass_time(timedelta(days=31))
    with pytest.raises(Refusal, match="LAST_ADMINISTRATOR"):
        await officers.withdraw(boss, OPERATOR, "boss")


@pytest.mark.requirement("LIF-08")
async def test_withdrawal_counts_at_the_next_call_and_is_told_at_once(officers: RunningOfficers) -> None:
    first = officers.first[0]
    person = await officers.enrol(NAME, "administrator", "roster")
    await officers.run_jobs()
    officers.directories["agency-sync"].failing = True
    response = await officers.withdraw(first, PREFECTURE, "yamada")
    assert (response.withdrawn, list(response.not_yet_effective_at)) == (1, ["agency-sync"])
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_WITHDRAWN"):
        await call(officers_of(person.channel).ListOfficers, officers_pb2.ListOfficersRequest(agency=PREFECTURE))
    known = {name: list(peer.officers["yamada"].roles) for name, peer in officers.directories.items()}
    assert known == {
        "qualification-registry": [],
        "contact-notification": [],
        "agency-sync": ["administrator", "roster"],
    }
    queues = "SELECT DISTINCT queue_name FROM jobs.procrastinate_jobs WHERE task_name = 'stop_officers' ORDER BY 1"
    assert len(await officers.rows(queues)) == 3
    officers.directories["agency-sync"].failing = False
    await officers.run_jobs()
    assert not officers.directories["agency-sync"].officers["yamada"].certificates
    with pytest.raises(Refusal, match="OFFICER_WITHDRAWN"):
        await officers.propose_role(first, NAME, "roster")


@pytest.mark.requirement("LIF-08", "met")
async def test_two_thousand_are_withdrawn_together_after_a_preview(officers: RunningOfficers) -> None:
    first = officers.first[0]
    await officers.enrol(f"{PREFECTURE}/boss", "administrator")
    await seed(officers, 2_000)
    person_ids = [f"p{number}" for number in range(1, 2_001)]
    preview = await preview_withdrawal(first, *person_ids, "boss", "nobody")
    assert [person.refused_because for person in preview.persons] == [""] * 2_001 + ["OFFICER_UNKNOWN"]
    assert preview.persons[0].officer.name == "氏名 1"
    with pytest.raises(Refusal, match=r"OFFICERS_NOT_WITHDRAWABLE.*number=1"):
        await officers.withdraw(first, PREFECTURE, *person_ids, "nobody")
    with counted_statements() as statements:
        response = await officers.withdraw(first, PREFECTURE, *person_ids)
    assert (response.withdrawn, list(response.not_yet_effective_at)) == (2_000, [])
    assert len(statements) < 30
    assert all(len(peer.officers) == 2_001 for peer in officers.directories.values())
    assert await officers.rows("SELECT count(*) FROM officer WHERE roles <> '{}'") == [(1,)]
    assert await officers.rows("SELECT count(*) FROM history_entry WHERE what = 'officers withdrawn'") == [(2,)]
    again = await preview_withdrawal(first, "p1", "boss")
    assert [person.refused_because for person in again.persons] == ["OFFICER_WITHDRAWN", ""]


async def test_preview_says_that_nobody_would_be_left_and_nothing_of_other_agencies(officers: RunningOfficers) -> None:
    own = await officers.enrol(NAME, "administrator")
    await officers.enrol(f"{CITY}/sato", "administrator")
    preview = await preview_withdrawal(own, "yamada", "sato")
    assert preview.refused_because == "LAST_ADMINISTRATOR"
    assert [person.refused_because for person in preview.persons] == ["", "OFFICER_UNKNOWN"]
    assert (await preview_withdrawal(own, "sato")).refused_because == ""
    with pytest.raises(Refusal, match="PERSONS_INVALID"):
        await preview_withdrawal(own, "yamada", "yamada")


async def test_withdrawn_person_is_invited_again_without_the_old_roles(officers: RunningOfficers) -> None:
    first, second = officers.first
    await officers.enrol(NAME, "roster")
    await officers.withdraw(first, PREFECTURE, "yamada")
    person = await officers.connect(NAME)
    await officers.accept(person, (await officers.invite(first, NAME, further_certificate=True)).code)
    officer = await officers.confirm(second, person)
    assert (list(officer.roles), len(officer.certificates), officer.HasField("withdrawn_at")) == ([], 1, False)


async def test_raised_epoch_has_all_services_told_of_all_officers_once(officers: RunningOfficers) -> None:
    await officers.enrol(NAME, "roster")
    await officers.run_jobs()
    await officers.restart_worker()
    await officers.run_jobs()
    await officers.restart_worker()
    assert await officers.rows("SELECT count(*) FROM jobs.procrastinate_jobs") == [(0,)]
    await officers.execute("UPDATE epoch SET epoch = 2")
    await officers.restart_worker()
    await officers.run_jobs()
    assert {peer.officers["yamada"].version.epoch for peer in officers.directories.values()} == {2}
    assert {tuple(peer.officers["yamada"].roles) for peer in officers.directories.values()} == {("roster",)}


@pytest.mark.requirement("LIF-08", "met")
async def test_officer_is_told_three_times_before_the_certificate_expires(officers: RunningOfficers) -> None:
    first = officers.first[0]
    invited = await officers.invite(first, NAME, mail_address="yamada@example.jp")
    await officers.run_jobs()
    person = await officers.connect(NAME)
    await officers.accept(person, officers.mailed_code())
    await officers.confirm(officers.first[1], person)
    officers.contact_notification.notices.clear()
    for days in (61, 59, 58, 31, 29, 8, 6, 1):
        officers.now[0] = person.certificate.not_valid_after_utc - timedelta(days=days)
        await officers.notices.write_expiring()
        await officers.run_jobs()
        listed = await call(
            officers_of(first.channel).ListOfficers, officers_pb2.ListOfficersRequest(agency=PREFECTURE)
        )
        assert listed.officers[0].certificates[0].expires_soon == (days < 60)
    notices = officers.contact_notification.notices
    assert [notice.kind for notice in notices] == [contact_pb2.NOTICE_KIND_OFFICER_CERTIFICATE_EXPIRING] * 3
    assert {notice.recipients[0].mail_address for notice in notices} == {"yamada@example.jp"}
    assert notices[0].officer.valid_until.ToDatetime() == person.certificate.not_valid_after_utc.replace(tzinfo=None)
    assert invited.invitation.mail_address == "yamada@example.jp"


async def test_many_officers_are_told_in_messages_that_are_taken_as_they_are(officers: RunningOfficers) -> None:
    await seed(officers, 25)
    await officers.execute("UPDATE officer_person SET mail_address = person_id || '@example.jp'")
    [(expiry,)] = await officers.rows("SELECT valid_until FROM officer_certificate WHERE person_id = 'p1'")
    officers.now[0] = expiry - timedelta(days=59)
    peer = officers.contact_notification
    await officers.notices.write_expiring()
    await officers.run_jobs()
    assert len(peer.notices) == 25
    # None was refused and sent again in halves.
    assert peer.calls["SendNotices"] == 3


async def test_sealed_code_is_gone_once_it_was_handed_over(officers: RunningOfficers) -> None:
    await officers.invite(officers.first[0], NAME, mail_address="yamada@example.jp")
    kept = "SELECT sealed_code IS NOT NULL, sent_at IS NOT NULL FROM officer_notice"
    assert await officers.rows(kept) == [(True, False)]
    await officers.run_jobs()
    assert await officers.rows(kept) == [(False, True)]


async def test_what_is_over_is_deleted_and_names_a_year_after_the_withdrawal(officers: RunningOfficers) -> None:
    person = await officers.enrol(NAME, "roster")
    await officers.log_in(person)
    await officers.withdraw(officers.first[0], PREFECTURE, "yamada")
    counts = (
        "SELECT (SELECT count(*) FROM officer_invitation), (SELECT count(*) FROM officer_session), "
        "(SELECT count(*) FROM officer_code_tries), (SELECT name FROM officer_person)"
    )
    await officers.expired_records.delete_of_officers()
    assert await officers.rows(counts) == [(1, 1, 2, "氏名 yamada")]
    officers.pass_time(timedelta(days=364))
    await officers.expired_records.delete_of_officers()
    assert await officers.rows(counts) == [(0, 0, 0, "氏名 yamada")]
    officers.pass_time(timedelta(days=2))
    await officers.expired_records.delete_of_officers()
    assert await officers.rows(counts) == [(0, 0, 0, "")]


async def preview_withdrawal(by: SigningOfficer, *person_ids: str) -> officers_pb2.PreviewWithdrawalResponse:
    """Returns the preview of a withdrawal at the prefecture. Raises Refusal."""
    request = officers_pb2.PreviewWithdrawalRequest(agency=PREFECTURE, person_ids=person_ids)
    preview: officers_pb2.PreviewWithdrawalResponse = await call(officers_of(by.channel).PreviewWithdrawal, request)
    return preview


async def seed(officers: RunningOfficers, number: int) -> None:
    """Writes officers of the prefecture, all with a copy of one certificate under hashes of their own."""
    await officers.enrol(f"{PREFECTURE}/template", "roster")
    for table, columns in (
        ("officer", "'p' || n, agency, '{roster}', version_epoch, version_number"),
        ("officer_person", "'p' || n, '氏名 ' || n, '', confirmed_at"),
        ("officer_certificate", "sha256(n::text::bytea), 'p' || n, certificate, valid_until"),
    ):
        await officers.execute(
            f"INSERT INTO {table} SELECT {columns} FROM {table}, generate_series(1, {number}) AS n "  # noqa: S608
            "WHERE person_id = 'template'"
        )
    await officers.withdraw(officers.first[0], PREFECTURE, "template")
