"""Officers are invited, accept with their own certificate, and are confirmed; both sides sign (LIF-08)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE
from tests.support.officers import SigningOfficer, ask_act, call
from tests.support.services.officers import OPERATOR, RunningOfficers, fingerprint, officers_of
from toroku.certificate.v1 import officers_pb2

NAME = f"{PREFECTURE}/yamada"
WEEK = timedelta(days=7)


@pytest.mark.requirement("LIF-08", "met")
async def test_person_becomes_an_officer_by_two_signatures(officers: RunningOfficers) -> None:
    first, second = officers.first
    invited = await officers.invite(first, NAME, name="山田 太郎", mail_address="yamada@example.jp")
    assert invited.code == ""
    await officers.run_jobs()
    person = await officers.connect(NAME)
    shown = await officers.accept(person, officers.mailed_code())
    listed = (
        await officers_of(second.channel).ListInvitations(officers_pb2.ListInvitationsRequest(agency=PREFECTURE))
    ).invitations
    assert listed[0].certificate.certificate_sha256 == shown == fingerprint(person)
    assert int(listed[0].certificate.serial_hexadecimal, 16) == person.certificate.serial_number
    assert listed[0].certificate.valid_until.ToDatetime() == person.certificate.not_valid_after_utc.replace(tzinfo=None)
    assert listed[0].certificate.issuer.startswith("CN=throw-away CA")
    officer = await officers.confirm(second, person)
    assert (officer.name, officer.mail_address, list(officer.roles)) == ("山田 太郎", "yamada@example.jp", [])
    await officers.approve(second, await officers.propose_role(first, NAME, "roster"))
    await officers.run_jobs()
    assert {
        consumer: (list(peer.officers["yamada"].roles), len(peer.officers["yamada"].certificates))
        for consumer, peer in officers.directories.items()
    } == dict.fromkeys(officers.directories, (["roster"], 1))
    assert await officers.rows("SELECT who, what FROM history_entry WHERE what NOT LIKE 'propos%' ORDER BY number") == [
        ("officer operator/first", "officer invited"),
        (f"person {NAME}", "invitation accepted"),
        ("officer operator/second", "officer confirmed"),
        ("officer operator/first", "role granted"),
    ]
    signers = await officers.rows(
        "SELECT encode(sha256(decode(details::json #>> '{act,certificate}', 'base64')), 'hex') "
        "FROM history_entry JOIN history_details USING (number) "
        "WHERE what IN ('invitation accepted', 'officer confirmed') ORDER BY number"
    )
    assert signers == [(fingerprint(person).hex(),), (fingerprint(second).hex(),)]


async def refused(officers: RunningOfficers, person: SigningOfficer, code: str, **changes: str) -> Refusal:
    """Returns why an acceptance is refused."""
    with pytest.raises(Refusal) as caught:
        await officers.accept(person, code, **changes)
    return caught.value


@pytest.mark.requirement("LIF-08")
async def test_code_is_good_once_and_typed_as_people_type(officers: RunningOfficers) -> None:
    code = (await officers.invite(officers.first[0], NAME)).code
    person, request_id = await officers.connect(NAME), str(uuid4())
    shown = await officers.accept(person, f" {code.lower().replace('-', ' ')} ", request_id)
    assert await officers.accept(person, code, request_id) == shown
    other = await officers.connect(NAME)
    assert (await refused(officers, other, code)).reason == "INVITATION_USED"
    await officers.confirm(officers.first[1], person)
    assert (await refused(officers, other, code)).reason == "INVITATION_USED"
    assert await officers.rows("SELECT count(*) FROM officer_invitation WHERE code_hash NOT LIKE '$argon2id$%'") == [
        (0,)
    ]


@pytest.mark.requirement("LIF-08")
async def test_week_old_code_is_refused_and_the_person_invited_anew(officers: RunningOfficers) -> None:
    code = (await officers.invite(officers.first[0], NAME)).code
    officers.pass_time(WEEK + timedelta(seconds=1))
    person = await officers.connect(NAME)
    assert (await refused(officers, person, code)).reason == "INVITATION_EXPIRED"
    new = (await officers.invite(officers.first[1], NAME)).code
    assert (await refused(officers, person, code)).reason == "INVITATION_NOT_GOOD"
    assert await officers.accept(person, new) == fingerprint(person)


@pytest.mark.requirement("LIF-08")
async def test_guesses_are_bounded_for_a_certificate_and_for_a_person(officers: RunningOfficers) -> None:
    code = (await officers.invite(officers.first[0], NAME)).code
    for number in range(4):
        guesser = await officers.connect("x/guesser")
        for _ in range(5):
            assert (await refused(officers, guesser, "AAAA-AAAA-AAAA", **yamada())).reason == "INVITATION_NOT_GOOD"
        assert (await refused(officers, guesser, code, **yamada())).reason == "INVITATION_TRIES_EXHAUSTED", number
    person = await officers.connect(NAME)
    assert (await refused(officers, person, code)).reason == "INVITATION_TRIES_EXHAUSTED"
    assert await officers.rows("SELECT count(*) FROM officer_invitation WHERE accepted_at IS NOT NULL") == [(0,)]


@pytest.mark.requirement("LIF-08")
async def test_nobody_learns_without_its_code_whether_there_is_an_invitation(officers: RunningOfficers) -> None:
    code = (await officers.invite(officers.first[0], NAME)).code
    guesser = await officers.connect("x/guesser")
    told = {
        (answer.reason, tuple(answer.metadata.items()))
        for answer in (
            await refused(officers, guesser, "AAAA-AAAA-AAAA", **yamada()),
            await refused(officers, guesser, code, agency=CITY, person_id="yamada"),
            await refused(officers, guesser, code, agency=PREFECTURE, person_id="nobody"),
            await refused(officers, guesser, "", agency=OPERATOR, person_id="nobody"),
        )
    }
    assert told == {("INVITATION_NOT_GOOD", ())}


@pytest.mark.requirement("LIF-08")
async def test_only_the_certificate_that_was_shown_is_confirmed(officers: RunningOfficers) -> None:
    first, second = officers.first
    person = await officers.connect(NAME)
    invited = await officers.invite(first, NAME)
    assert await refused_confirmation(officers, second, person) == "INVITATION_NOT_ACCEPTED"
    await officers.accept(person, invited.code)
    other = await officers.connect(NAME)
    assert await refused_confirmation(officers, second, other) == "OFFICER_CERTIFICATE_OTHER"
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await officers.act(person, "EndAllSessions", officers_pb2.EndAllSessionsRequest(reason="x"))
    officers.pass_time(timedelta(days=31))
    assert await refused_confirmation(officers, second, person) == "INVITATION_EXPIRED"


@pytest.mark.requirement("LIF-08")
async def test_cancelled_invitation_is_over_also_when_it_was_accepted(officers: RunningOfficers) -> None:
    first, second = officers.first
    invited = await officers.invite(first, NAME)
    person = await officers.connect(NAME)
    await officers.accept(person, invited.code)
    request = officers_pb2.CancelInvitationRequest(
        agency=PREFECTURE, invitation_id=invited.invitation.invitation_id, reason="別の人でした"
    )
    await officers.act(second, "CancelInvitation", request)
    assert await refused_confirmation(officers, second, person) == "INVITATION_CLOSED"
    assert (await refused(officers, await officers.connect(NAME), invited.code)).reason == "INVITATION_NOT_GOOD"
    with pytest.raises(Refusal, match="INVITATION_CLOSED"):
        await officers.act(first, "CancelInvitation", request)


async def test_repeated_invitation_is_one_and_shows_no_code(officers: RunningOfficers) -> None:
    first, request_id = officers.first[0], str(uuid4())
    invited = await officers.invite(first, NAME, request_id)
    again = await officers.invite(first, NAME, request_id)
    assert (again.invitation, again.code) == (invited.invitation, "")
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await officers.invite(first, f"{PREFECTURE}/sato", request_id)
    with pytest.raises(Refusal, match="INVITATION_STANDS"):
        await officers.invite(officers.first[1], NAME)
    with pytest.raises(Refusal, match="PERSON_ID_TAKEN"):
        await officers.invite(first, f"{CITY}/yamada")


@pytest.mark.requirement("LIF-08")
async def test_further_certificate_of_a_person_with_roles_is_confirmed_by_another(officers: RunningOfficers) -> None:
    first, second = officers.first
    await officers.enrol(NAME, "administrator")
    with pytest.raises(Refusal, match="OFFICER_EXISTS"):
        await officers.invite(first, NAME)
    with pytest.raises(Refusal, match="OFFICER_UNKNOWN"):
        await officers.invite(first, f"{PREFECTURE}/sato", further_certificate=True)
    invited = await officers.invite(first, NAME, further_certificate=True)
    renewed = await officers.connect(NAME)
    await officers.accept(renewed, invited.code)
    assert await refused_confirmation(officers, first, renewed) == "OFFICER_CONFIRMATION_OWN"
    assert len((await officers.confirm(second, renewed)).certificates) == 2
    listed = await officers_of(renewed.channel).ListOfficers(officers_pb2.ListOfficersRequest(agency=PREFECTURE))
    assert [officer.person_id for officer in listed.officers] == ["yamada"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agency": "nowhere"}, "AGENCY_UNKNOWN"),
        ({"person_id": "山田"}, "PURPOSE_MALFORMED"),
        ({"person_id": "Yamada"}, "PERSON_ID_INVALID"),
        ({"name": "山田\n太郎"}, "PURPOSE_MALFORMED"),
        ({"name": "山" * 101}, "OFFICER_NAME_INVALID"),
        ({"mail_address": "yamada"}, "MAIL_ADDRESS_INVALID"),
        ({"letter": False}, "DELIVERY_MISSING"),
    ],
)
async def test_malformed_invitation_is_refused(officers: RunningOfficers, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        await officers.invite(officers.first[0], NAME, **changes)
    assert caught.value.reason == reason
    assert await officers.rows("SELECT count(*) FROM officer_invitation") == [(0,)]


async def test_administrator_acts_for_its_own_agency_only(officers: RunningOfficers) -> None:
    administrator = await officers.enrol(NAME, "administrator")
    for name in (f"{CITY}/sato", f"{OPERATOR}/sato"):
        with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
            await officers.invite(administrator, name)
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await call(officers_of(administrator.channel).ListOfficers, officers_pb2.ListOfficersRequest(agency=OPERATOR))
    assert (await officers.invite(administrator, f"{PREFECTURE}/sato")).code


async def test_certificate_of_the_file_of_callers_is_not_enrolled(officers: RunningOfficers) -> None:
    first, second = officers.first
    invited = await officers.invite(first, second.name)
    # Else it would lose what the file grants it, and nobody could act on the first day.
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_TAKEN"):
        await officers.accept(second, invited.code)
    own = await officers.connect(second.name)
    await officers.accept(own, invited.code)
    await officers.confirm(first, own)
    await officers.approve(second, await officers.propose_role(first, second.name, "administrator"))
    assert (await officers.invite(own, NAME)).code


async def test_act_for_one_method_is_not_taken_by_another(officers: RunningOfficers) -> None:
    first = officers.first[0]
    await officers.enrol(NAME, "roster")
    named: dict[str, Any] = {"agency": PREFECTURE, "person_id": "yamada", "reason": "異動"}
    grant = officers_pb2.GrantRoleRequest(roles=["password"], **named)
    challenge = await ask_act("toroku.certificate.v1.Officers/GrantRole", grant, first)
    request = officers_pb2.WithdrawRoleRequest(role="roster", **named, act=first.sign(challenge.purpose))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_OPERATION"):
        await call(officers_of(first.channel).WithdrawRole, request)


def yamada() -> dict[str, str]:
    """Returns whom a guesser names."""
    return {"agency": PREFECTURE, "person_id": "yamada"}


async def refused_confirmation(officers: RunningOfficers, administrator: SigningOfficer, person: SigningOfficer) -> str:
    """Returns why the confirmation of a person's certificate is refused."""
    with pytest.raises(Refusal) as caught:
        await officers.confirm(administrator, person)
    return caught.value.reason
