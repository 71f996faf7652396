"""Registration at certificate-registry: who gets one, only once, and what is written and reported."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509 import load_der_x509_certificate
from google.protobuf.timestamp_pb2 import Timestamp

from refusals import Refusal
from simulators.certificate_authorities import IssuedCard
from tests.support.contractor import altered, signed
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN, WORKS
from tests.support.services.card_visit import REQUEST_SHA256, Visit
from tests.support.services.certificate_registry import LINES, RunningCertificateRegistry
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.qualification.v1 import bidder_pb2, bidder_state_pb2

SAME = bidder_pb2.COMPANY_COMPARISON_SAME
NOT_COMPARED = bidder_pb2.HOLDER_COMPARISON_NOT_COMPARED


async def has_registered_nothing(registry: RunningCertificateRegistry) -> bool:
    """Returns whether a refusal has left bindings, registrations, states, history, outcomes, notices and jobs empty."""
    tables = (
        "binding",
        "registration",
        "card_state",
        "history_entry",
        "request_outcome",
        "notice",
        "procrastinate_jobs",
    )
    counts = [await registry.rows(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608
    return counts == [[(0,)]] * len(tables)


@pytest.mark.every_postgresql
async def test_signed_act_registers_the_card(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    response = await registry.register(visit)
    registration = response.registration
    assert registration.agency == PREFECTURE
    assert registration.category == WORKS
    assert registration.certificate_sha256 == visit.card.sha256
    assert registration.bidder_id == BIDDER
    assert registration.origin == card_pb2.REGISTRATION_ORIGIN_CONTRACTOR
    assert registration.registered_at.ToDatetime() == registry.now[0].replace(tzinfo=None)
    assert response.card.certificate_sha256 == visit.card.sha256


@pytest.mark.requirement("REG-09", "met")
async def test_act_contains_the_registration(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    await registry.log_in(visit)
    response = await registry.create_act(visit)
    act = json.loads(response.purpose)
    assert act.pop("nonce")
    assert act == {
        "instance": "example",
        "type": "act",
        "operation": "registration",
        "role": "sole",
        "agency": PREFECTURE,
        "category": WORKS,
        "certificate_sha256": visit.card.sha256.hex(),
        "bidder_id": BIDDER,
        "request_id": visit.request_id,
        "request_sha256": REQUEST_SHA256.hex(),
        "lines": list(LINES),
    }
    assert response.expires_at.ToDatetime() == (registry.now[0] + timedelta(minutes=5)).replace(tzinfo=None)


@pytest.mark.requirement("REG-09")
async def test_check_needs_no_request_and_keeps_nothing(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    await registry.log_in(visit)
    challenges = await registry.rows("SELECT count(*) FROM challenge")
    await registry.check_registrable(visit, request_id="", request_sha256=b"")
    await registry.check_registrable(visit)
    with pytest.raises(Refusal, match="REQUEST_SHA256_INVALID"):
        await registry.check_registrable(visit, request_sha256=b"")
    with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
        await registry.check_registrable(visit, request_id="")
    assert await registry.rows("SELECT count(*) FROM challenge") == challenges
    with pytest.raises(Refusal, match="REQUEST_SHA256_INVALID"):
        await registry.create_act(visit, request_sha256=b"")
    with pytest.raises(Refusal, match="PURPOSE_MALFORMED"):
        await registry.create_act(visit, lines=["a line\nand another"])


@pytest.mark.requirement("REG-05", "met")
async def test_repeated_request_gets_the_same_registration(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    # Nonce and proof have expired; the outcome is read before either.
    registry.pass_time(timedelta(minutes=9))
    assert (await registry.register(visit, proof=visit.proof)).registration == registration
    await registry.log_in(visit, resume=visit.request_id)
    registry.pass_time(timedelta(minutes=9))
    assert (await registry.register(visit, proof=visit.proof)).registration == registration
    assert await registry.rows("SELECT count(*) FROM registration") == [(1,)]
    assert len(await registry.jobs_waiting()) == 3


@pytest.mark.requirement("REG-05")
async def test_concurrent_attempts_of_one_request_register_once(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    # A second session of the same card, so that the session does not serialize the attempts.
    other = Visit(visit.card, request_id=visit.request_id)
    await registry.log_in(other)
    tries = [registry.register(visit) for _ in range(4)]
    tries += [registry.register(visit, session_token=other.token) for _ in range(4)]
    answers = await asyncio.gather(*tries)
    assert len({answer.registration.registration_id for answer in answers}) == 1
    assert await registry.rows("SELECT count(*) FROM registration") == [(1,)]
    assert await registry.rows("SELECT count(*) FROM history_entry") == [(1,)]
    assert len(await registry.jobs_waiting()) == 3


@pytest.mark.every_postgresql
@pytest.mark.requirement("CRD-06")
async def test_concurrent_registrations_of_a_card_for_several_bidders_bind_one(
    registry: RunningCertificateRegistry,
) -> None:
    card = registry.card()
    visits = [
        await registry.prepare(Visit(card, bidder_id=bidder_id, agency=agency))
        for bidder_id in (BIDDER, OTHER_BIDDER)
        for agency in (PREFECTURE, CITY)
    ]
    answers = await asyncio.gather(*(registry.register(visit) for visit in visits), return_exceptions=True)
    winners = [answer.registration.bidder_id for answer in answers if not isinstance(answer, BaseException)]
    reasons = {answer.reason for answer in answers if isinstance(answer, Refusal)}
    assert len(set(winners)) == 1
    assert reasons <= {"CARD_BOUND_TO_ANOTHER_BIDDER", "CARD_ALREADY_REGISTERED"}
    assert len(winners) + len([answer for answer in answers if isinstance(answer, Refusal)]) == len(visits)
    assert await registry.rows("SELECT count(*) FROM binding") == [(1,)]
    assert await registry.rows("SELECT count(DISTINCT bidder_id) FROM registration") == [(1,)]


@pytest.mark.requirement("CRD-06")
async def test_concurrent_requests_of_a_card_at_one_agency_register_once(registry: RunningCertificateRegistry) -> None:
    card = registry.card()
    visits = [await registry.prepare(Visit(card)) for _ in range(4)]
    answers = await asyncio.gather(*(registry.register(visit) for visit in visits), return_exceptions=True)
    refused = [answer.reason for answer in answers if isinstance(answer, Refusal)]
    assert refused == ["CARD_ALREADY_REGISTERED"] * 3
    assert await registry.rows("SELECT count(*) FROM registration") == [(1,)]


@pytest.mark.requirement("CRD-06")
async def test_card_of_another_bidder_is_refused_at_every_agency(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    other = Visit(visit.card, agency=CITY, bidder_id=OTHER_BIDDER)
    await registry.log_in(other)
    with pytest.raises(Refusal, match="CARD_BOUND_TO_ANOTHER_BIDDER"):
        await registry.check_registrable(other)


@pytest.mark.requirement("CRD-06")
async def test_further_agency_makes_a_registration_without_a_new_binding(registry: RunningCertificateRegistry) -> None:
    visit, first = await registry.register_new()
    _, second = await registry.register_new(visit.card, agency=CITY)
    assert first.registration_id != second.registration_id
    assert await registry.rows("SELECT count(*) FROM binding") == [(1,)]
    assert await registry.rows(
        "SELECT details::json #>> '{before,bound_to}' FROM history_details ORDER BY number DESC LIMIT 1"
    ) == [(BIDDER,)]


@pytest.mark.requirement("ENT-04")
async def test_card_can_have_a_bidder_per_category(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    _, goods = await registry.register_new(visit.card, category=GOODS, bidder_id=OTHER_BIDDER)
    assert goods.bidder_id == OTHER_BIDDER


@pytest.mark.requirement("CRD-07", "met")
async def test_bidder_can_have_several_cards(registry: RunningCertificateRegistry) -> None:
    first, _ = await registry.register_new()
    second, _ = await registry.register_new()
    assert (await registry.resolve(first)).bidder_id == (await registry.resolve(second)).bidder_id == BIDDER


async def test_request_id_used_for_another_request_is_refused(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    other = Visit(visit.card, agency=CITY, request_id=visit.request_id)
    await registry.log_in(other)
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await registry.create_act(other)
    # Also if the act was issued before the request id was used.
    early, late = Visit(registry.card()), Visit(registry.card())
    late.card, late.request_id, late.agency = early.card, early.request_id, TOWN
    await registry.prepare(early)
    await registry.prepare(late)
    await registry.register(early)
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await registry.register(late)


async def test_request_ids_of_two_cards_are_independent(registry: RunningCertificateRegistry) -> None:
    first, _ = await registry.register_new()
    second, registration = await registry.register_new(request_id=first.request_id)
    assert registration.certificate_sha256 == second.card.sha256


@pytest.mark.parametrize("request_id", ["", "1", "A" * 36, "466DF96E-36EB-4F33-A22C-E661B582E88E"])
async def test_malformed_request_id_is_refused(registry: RunningCertificateRegistry, request_id: str) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    for call in (registry.create_act(visit, request_id=request_id), registry.register(visit, request_id=request_id)):
        with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
            await call


@pytest.mark.requirement("REG-09")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bidder_id": OTHER_BIDDER}, "PURPOSE_ALTERED"),
        ({"lines": ["something else"]}, "PURPOSE_ALTERED"),
        ({"request_sha256": "00" * 32}, "PURPOSE_ALTERED"),
        ({"instance": "other"}, "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ({"operation": "change"}, "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"agency": CITY}, "PURPOSE_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "PURPOSE_FOR_ANOTHER_CATEGORY"),
        ({"certificate_sha256": "00" * 32}, "PURPOSE_FOR_ANOTHER_CARD"),
        ({"nonce": "A" * 43}, "CHALLENGE_UNKNOWN"),
    ],
)
async def test_altered_act_registers_nothing(
    registry: RunningCertificateRegistry, changes: dict[str, Any], reason: str
) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    visit.act = signed(visit.card, altered(visit.act.purpose, **changes))
    with pytest.raises(Refusal, match=reason):
        await registry.register(visit)
    assert await has_registered_nothing(registry)


async def test_log_in_is_refused_as_act(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    purpose = (await registry.challenge(visit)).purpose
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        await registry.register(visit, act=signed(visit.card, purpose))
    assert await has_registered_nothing(registry)


async def test_act_signed_by_another_card_registers_nothing(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    visit.act = signed(registry.card(), visit.act.purpose)
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        await registry.register(visit)
    assert await has_registered_nothing(registry)


async def test_act_of_another_card_registers_nothing(
    registry: RunningCertificateRegistry,
) -> None:
    mine, other = [await registry.prepare(Visit(registry.card())) for _ in range(2)]
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_CARD"):
        await registry.register(mine, act=other.act)
    # Nor with the other card's proof and request id.
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_CARD"):
        await registry.register(other, session_token=mine.token)
    assert await has_registered_nothing(registry)


async def test_act_for_another_request_registers_nothing(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_REQUEST"):
        await registry.register(visit, request_id=str(uuid4()))
    assert await has_registered_nothing(registry)


async def test_act_expires_after_five_minutes(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    registry.pass_time(timedelta(minutes=5, seconds=1))
    with pytest.raises(Refusal, match="CHALLENGE_EXPIRED"):
        await registry.register(visit)
    assert await has_registered_nothing(registry)


async def test_commit_takes_only_a_proof_that_was_just_confirmed(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    registry.pass_time(timedelta(minutes=2))
    # For the act it is good as long as it is valid.
    await registry.create_act(visit, proof=visit.proof)
    with pytest.raises(Refusal, match="BIDDER_PROOF_EXPIRED"):
        await registry.register(visit, proof=visit.proof)
    assert await has_registered_nothing(registry)
    await registry.register(visit)


async def test_act_can_be_used_again_after_another_refusal(
    registry: RunningCertificateRegistry,
) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        await registry.register(visit, proof=bidder_pb2.BidderProof())
    await registry.register(visit)


async def test_invalid_proofs_are_refused_by_validation_and_commit(
    registry: RunningCertificateRegistry,
) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    past, future = _timestamp(registry, minutes=-1), _timestamp(registry, minutes=5)
    genuine = visit.proof
    forged = bidder_pb2.BidderProof(
        statement=genuine.statement, key_id=genuine.key_id, signature=genuine.signature[::-1]
    )
    renamed = bidder_pb2.BidderProof(
        statement=genuine.statement.replace(BIDDER.encode(), OTHER_BIDDER.encode()),
        key_id=genuine.key_id,
        signature=genuine.signature,
    )
    proofs = [
        (bidder_pb2.BidderProof(), "BIDDER_PROOF_INVALID"),
        (forged, "BIDDER_PROOF_INVALID"),
        (renamed, "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, Ed25519PrivateKey.generate()), "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, instance="other"), "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, bidder_id=""), "BIDDER_PROOF_INVALID"),
        # Other agencies judge by what was proven, so a statement has to say it.
        (registry.new_proof(visit, proven=None), "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, proven=bidder_pb2.Proven(company=SAME)), "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, proven=bidder_pb2.Proven(holder=NOT_COMPARED)), "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, issued_at=future), "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, for_renewal=True), "BIDDER_PROOF_INVALID"),
        (registry.new_proof(visit, expires_at=past), "BIDDER_PROOF_EXPIRED"),
        (registry.new_proof(visit, certificate_sha256=registry.card().sha256), "BIDDER_PROOF_FOR_ANOTHER_CARD"),
        (registry.new_proof(visit, agency=CITY), "BIDDER_PROOF_FOR_ANOTHER_AGENCY"),
        (registry.new_proof(visit, category=GOODS), "BIDDER_PROOF_FOR_ANOTHER_CATEGORY"),
    ]
    for proof, reason in proofs:
        with pytest.raises(Refusal, match=reason):
            await registry.create_act(visit, proof=proof)
        with pytest.raises(Refusal, match=reason):
            await registry.register(visit, proof=proof)
    # A genuine proof of another bidder does not match the act.
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_BIDDER"):
        await registry.register(visit, proof=registry.new_proof(visit, bidder_id=OTHER_BIDDER))
    assert await has_registered_nothing(registry)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agency": CITY}, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "CARD_SESSION_FOR_ANOTHER_CATEGORY"),
        ({"session_token": "A" * 43}, "CARD_SESSION_UNKNOWN"),
    ],
)
async def test_session_for_another_scope_registers_nothing(
    registry: RunningCertificateRegistry, changes: dict[str, Any], reason: str
) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    for call in (registry.create_act(visit, **changes), registry.register(visit, **changes)):
        with pytest.raises(Refusal, match=reason):
            await call
    assert await has_registered_nothing(registry)


async def test_session_of_another_operation_registers_nothing(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    # No RPC opens one yet.
    await registry.execute("UPDATE card_session SET operation = 'change'")
    with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_OPERATION"):
        await registry.create_act(visit)
    assert await has_registered_nothing(registry)


async def test_ended_session_registers_nothing(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    await registry.stub.EndCardSession(certificate_registry_pb2.EndCardSessionRequest(session_token=visit.token))
    with pytest.raises(Refusal, match="CARD_SESSION_UNKNOWN"):
        await registry.register(visit)
    assert await has_registered_nothing(registry)


@pytest.mark.requirement("CRD-05")
async def test_card_revoked_meanwhile_registers_nothing(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    registry.ca.revoke(visit.card)
    await registry.fetch_lists()
    for call in (registry.create_act(visit), registry.register(visit)):
        with pytest.raises(Refusal, match="CERTIFICATE_REVOKED"):
            await call
    assert await registry.rows("SELECT count(*) FROM registration") == [(0,)]


@pytest.mark.requirement("CRD-05")
@pytest.mark.requirement("LIF-01")
async def test_card_expired_meanwhile_registers_nothing(registry: RunningCertificateRegistry) -> None:
    ends = (registry.now[0] + timedelta(minutes=2)).replace(microsecond=0)
    visit = await registry.prepare(Visit(registry.card(not_after=ends)))
    registry.pass_time(timedelta(minutes=3))
    with pytest.raises(Refusal, match="CERTIFICATE_EXPIRED"):
        await registry.register(visit)
    assert await has_registered_nothing(registry)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (bidder_state_pb2.BIDDER_STATUS_SUSPENDED, "BIDDER_SUSPENDED"),
        (bidder_state_pb2.BIDDER_STATUS_ENDED, "BIDDER_ENDED"),
    ],
)
async def test_bidder_suspended_or_ended_meanwhile_registers_nothing(
    registry: RunningCertificateRegistry, status: "bidder_state_pb2.BidderStatus.ValueType", reason: str
) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    await registry.record_bidder(status, 1)
    for call in (registry.create_act(visit), registry.register(visit)):
        with pytest.raises(Refusal, match=reason):
            await call
    assert await has_registered_nothing(registry)
    await registry.record_bidder(bidder_state_pb2.BIDDER_STATUS_ACTIVE, 2)
    await registry.register(visit)


@pytest.mark.requirement("CRD-06")
async def test_reencoded_certificate_is_not_a_second_card(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    twin = Visit(_twin(visit.card), bidder_id=OTHER_BIDDER)
    assert twin.card.sha256 != visit.card.sha256
    with pytest.raises(Refusal, match="CERTIFICATE_ALTERED"):
        await registry.log_in(twin)


def _timestamp(registry: RunningCertificateRegistry, *, minutes: int) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(registry.now[0] + timedelta(minutes=minutes))
    return made


def _twin(card: IssuedCard) -> IssuedCard:
    # (r, s) and (r, n - s) are both signatures of one text by one key.
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = decode_dss_signature(card.certificate.signature)
    tbs = card.certificate.tbs_certificate_bytes
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    signature = encode_dss_signature(r, order - s)
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\0" + signature
    body = tbs + algorithm + bits
    der = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    return IssuedCard(load_der_x509_certificate(der), card.key, card.chain)
