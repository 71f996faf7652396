"""Officers' sessions in the portal, and what a stolen portal could do with them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from refusals import Refusal
from servicekit.officer_proof import METADATA_KEY
from tests.support.example_profile import CITY, PREFECTURE
from tests.support.officers import call
from tests.support.services.officers import OPERATOR, RunningOfficers, officers_of
from toroku.certificate.v1 import officers_pb2
from toroku.officer.v1 import officer_acts_pb2
from toroku.officer.v1.officer_acts_pb2_grpc import OfficerActsStub

NAME = f"{PREFECTURE}/yamada"
MINUTE = timedelta(minutes=1)


async def refuse_proof(officers: RunningOfficers, token: str) -> str:
    """Returns why a session gives no proof."""
    with pytest.raises(Refusal) as caught:
        await officers.prove(token)
    return caught.value.reason


async def test_session_lives_ten_minutes_idle_and_sixty_at_most(officers: RunningOfficers) -> None:
    person = await officers.enrol(NAME, "administrator")
    opened = await officers.log_in(person)
    assert (opened.officer.person_id, list(opened.officer.roles)) == ("yamada", ["administrator"])
    for _ in range(6):
        officers.pass_time(9 * MINUTE)
        await officers.prove(opened.session_token)
    officers.pass_time(7 * MINUTE)
    assert await refuse_proof(officers, opened.session_token) == "OFFICER_SESSION_EXPIRED"
    idle = await officers.log_in(person)
    officers.pass_time(10 * MINUTE + timedelta(seconds=1))
    assert await refuse_proof(officers, idle.session_token) == "OFFICER_SESSION_EXPIRED"
    assert await refuse_proof(officers, "x" * 43) == "OFFICER_SESSION_UNKNOWN"
    assert await refuse_proof(officers, "") == "OFFICER_SESSION_UNKNOWN"
    stored = await officers.rows("SELECT length(token_sha256) FROM officer_session")
    assert stored == [(32,)] * 2


async def test_session_is_ended_by_its_officer_and_all_by_one_act_of_the_operator(officers: RunningOfficers) -> None:
    person = await officers.enrol(NAME, "administrator")
    portal = officers_of(await officers.connect_portal())
    first, second = await officers.log_in(person), await officers.log_in(person)
    await call(portal.EndSession, officers_pb2.EndSessionRequest(session_token=first.session_token))
    assert await refuse_proof(officers, first.session_token) == "OFFICER_SESSION_UNKNOWN"
    await officers.prove(second.session_token)
    request = officers_pb2.EndAllSessionsRequest(reason="ポータルの鍵の漏えい")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await officers.act(person, "EndAllSessions", request)
    request_id = str(uuid4())
    assert (await officers.act(officers.first[0], "EndAllSessions", request, request_id)).ended == 1
    assert await refuse_proof(officers, second.session_token) == "OFFICER_SESSION_UNKNOWN"
    assert (await officers.act(officers.first[0], "EndAllSessions", request, request_id)).ended == 1


async def test_log_in_counts_once_and_for_its_certificate_only(officers: RunningOfficers) -> None:
    person, stranger = await officers.enrol(NAME), await officers.connect(f"{CITY}/sato")
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_UNKNOWN"):
        await officers.log_in(stranger)
    portal = officers_of(await officers.connect_portal())
    certificate = person.certificate.public_bytes(Encoding.DER)
    challenge = await call(
        portal.CreateLogInChallenge, officers_pb2.CreateLogInChallengeRequest(certificate=certificate)
    )
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        await call(
            portal.LogIn,
            officers_pb2.LogInRequest(certificate=certificate, log_in=stranger.sign(challenge.purpose)),
        )
    request = officers_pb2.LogInRequest(certificate=certificate, log_in=person.sign(challenge.purpose))
    await call(portal.LogIn, request)
    with pytest.raises(Refusal, match="CHALLENGE_USED"):
        await call(portal.LogIn, request)
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_INVALID"):
        await call(portal.CreateLogInChallenge, officers_pb2.CreateLogInChallengeRequest(certificate=b"x"))


async def test_withdrawn_officer_has_no_session_and_no_proof(officers: RunningOfficers) -> None:
    person = await officers.enrol(NAME, "roster", "administrator")
    await officers.enrol(f"{PREFECTURE}/sato", "administrator")
    opened = await officers.log_in(person)
    proof = await officers.prove(opened.session_token)
    await officers.withdraw(officers.first[0], PREFECTURE, "yamada")
    assert await refuse_proof(officers, opened.session_token) == "OFFICER_SESSION_UNKNOWN"
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_WITHDRAWN"):
        await officers.list_by_proof(proof, PREFECTURE)
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_UNKNOWN"):
        await officers.log_in(person)


async def test_stolen_portal_with_one_proof_reads_five_minutes_and_changes_nothing(officers: RunningOfficers) -> None:
    person = await officers.enrol(NAME, "administrator")
    proof = await officers.prove((await officers.log_in(person)).session_token)
    assert await officers.list_by_proof(proof, PREFECTURE) == ["yamada"]
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await officers.list_by_proof(proof, CITY)
    await change_nothing(officers, proof)
    officers.pass_time(5 * MINUTE - timedelta(seconds=1))
    assert await officers.list_by_proof(proof, PREFECTURE) == ["yamada"]
    officers.pass_time(timedelta(seconds=2))
    with pytest.raises(Refusal, match="OFFICER_PROOF_EXPIRED"):
        await officers.list_by_proof(proof, PREFECTURE)


async def test_stolen_portal_with_sessions_reads_until_they_end_and_changes_nothing(officers: RunningOfficers) -> None:
    token = (await officers.log_in(await officers.enrol(NAME, "administrator"))).session_token
    proof = b""
    for _ in range(6):
        officers.pass_time(9 * MINUTE)
        proof = await officers.prove(token)
        assert await officers.list_by_proof(proof, PREFECTURE) == ["yamada"]
        await change_nothing(officers, proof)
    officers.pass_time(7 * MINUTE)
    assert await refuse_proof(officers, token) == "OFFICER_SESSION_EXPIRED"
    with pytest.raises(Refusal, match="OFFICER_PROOF_EXPIRED"):
        await officers.list_by_proof(proof, PREFECTURE)


async def change_nothing(officers: RunningOfficers, proof: bytes) -> None:
    """Tries a change with a proof and without the officer's key: without an act, and with one of another key."""
    portal = await officers.connect_portal()
    metadata = ((METADATA_KEY, proof),)
    request = officers_pb2.InviteOfficerRequest(agency=PREFECTURE, person_id="mallory", name="M", letter=True)
    before = await officers.rows("SELECT count(*) FROM officer_invitation")
    with pytest.raises(Refusal, match="OFFICER_ACT_MISSING"):
        await call(officers_of(portal).InviteOfficer, request, metadata=metadata)
    asked = officer_acts_pb2.CreateActChallengeRequest(
        method="toroku.certificate.v1.Officers/InviteOfficer",
        request_id=str(uuid4()),
        request=request.SerializeToString(),
    )
    challenge = await call(OfficerActsStub(portal).CreateActChallenge, asked, metadata=metadata)
    request.act.CopyFrom((await officers.connect(f"{OPERATOR}/mallory")).sign(challenge.purpose))
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        await call(officers_of(portal).InviteOfficer, request, metadata=metadata)
    assert await officers.rows("SELECT count(*) FROM officer_invitation") == before


async def test_portal_accepts_for_a_person_with_its_certificate(officers: RunningOfficers) -> None:
    code = (await officers.invite(officers.first[0], NAME)).code
    person = await officers.connect(NAME)
    portal = officers_of(await officers.connect_portal())
    named = {"agency": PREFECTURE, "person_id": "yamada"}
    certificate = person.certificate.public_bytes(Encoding.DER)
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_INVALID"):
        await call(
            portal.CreateAcceptChallenge,
            officers_pb2.CreateAcceptChallengeRequest(**named, request_id=str(uuid4()), certificate=b""),
        )
    challenge = await call(
        portal.CreateAcceptChallenge,
        officers_pb2.CreateAcceptChallengeRequest(**named, request_id=str(uuid4()), certificate=certificate),
    )
    request = officers_pb2.AcceptInvitationRequest(
        **named, code=code, certificate=certificate, act=person.sign(challenge.purpose)
    )
    await call(portal.AcceptInvitation, request)
    assert list((await officers.confirm(officers.first[1], person)).roles) == []
