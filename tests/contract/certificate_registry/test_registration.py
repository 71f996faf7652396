"""What certificate-registry promises of a registration: who gets one, once, and what is written and told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509 import load_der_x509_certificate
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.exc import DBAPIError

from refusals import Refusal
from simulators.certificate_authorities import IssuedCard
from tests.support.contractor import PREFIX, altered, signed
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN, WORKS
from tests.support.services.certificate_registry import LINES, REQUEST_SHA256, CardsHouse, Visit, cards_house
from toroku.certificate.v1 import resources_pb2, service_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[CardsHouse]:
    async with cards_house(migrated_database("certificate_registry"), tmp_path) as opened:
        yield opened


async def nothing_was_registered(house: CardsHouse) -> bool:
    """Whether a refusal has changed nothing that counts."""
    tables = ("binding", "registration", "history", "request_outcome", "procrastinate_jobs")
    counts = [await house.rows(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608
    return counts == [[(0,)]] * len(tables)


@pytest.mark.requirement("REG-01")
async def test_a_signed_act_registers_the_card(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    response = await house.register(visit)
    registration = response.registration
    assert registration.agency == PREFECTURE
    assert registration.category == WORKS
    assert registration.certificate_sha256 == visit.card.sha256
    assert registration.bidder_id == BIDDER
    assert registration.origin == resources_pb2.REGISTRATION_ORIGIN_CONTRACTOR
    assert (registration.version.epoch, registration.version.number) == (1, 1)
    assert registration.registered_at.ToDatetime() == house.now[0].replace(tzinfo=None)
    assert response.card.certificate_sha256 == visit.card.sha256


@pytest.mark.requirement("REG-09")
async def test_the_act_says_what_is_signed(house: CardsHouse) -> None:
    visit = Visit(house.card())
    await house.enter(visit)
    response = await house.create_act(visit)
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
    assert response.expires_at.ToDatetime() == (house.now[0] + timedelta(minutes=5)).replace(tzinfo=None)


@pytest.mark.requirement("REG-09")
async def test_a_dry_run_makes_no_act_and_needs_no_request_yet(house: CardsHouse) -> None:
    visit = Visit(house.card())
    await house.enter(visit)
    response = await house.create_act(visit, validate_only=True, request_sha256=b"", lines=())
    assert response == service_pb2.CreateActChallengeResponse()
    with pytest.raises(Refusal, match="REQUEST_SHA256_INVALID"):
        await house.create_act(visit, request_sha256=b"")
    with pytest.raises(Refusal, match="PURPOSE_MALFORMED"):
        await house.create_act(visit, lines=["a line\nand another"])


@pytest.mark.requirement("LIF-05")
async def test_the_history_keeps_who_did_what_and_the_signed_act(house: CardsHouse) -> None:
    visit, registration = await house.registered()
    ((who, what, bidder_id, agencies, before, after, purpose, algorithm, signature, certificate),) = await house.rows(
        "SELECT who, what, bidder_id, agencies, before, after, purpose, algorithm, signature, certificate FROM history"
    )
    assert (who, what) == (f"card {visit.card.sha256.hex()}", "registered")
    assert (bidder_id, agencies) == (BIDDER, [PREFECTURE])
    assert before == {"bound_to": None}
    assert after["bound_to"] == BIDDER
    assert after["registrations"] == {PREFECTURE: registration.registration_id}
    assert (purpose, signature) == (visit.act.purpose, visit.act.signature)
    # What is kept is enough to show later that this card agreed.
    key = load_der_x509_certificate(certificate).public_key()
    assert algorithm == "ECDSA_SHA256"
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, PREFIX + purpose, ec.ECDSA(hashes.SHA256()))


@pytest.mark.requirement("LIF-05")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE history SET who = 'somebody else'",
        "DELETE FROM history",
        "TRUNCATE history",
        "UPDATE binding SET bidder_id = '1000000009'",
        "DELETE FROM binding",
    ],
)
async def test_history_and_bindings_can_not_be_rewritten(house: CardsHouse, statement: str) -> None:
    await house.registered()
    with pytest.raises(DBAPIError):
        await house.execute(statement)


async def test_both_consumers_are_told_each_by_a_job_of_its_own(house: CardsHouse) -> None:
    visit, registration = await house.registered()
    assert await house.jobs_waiting() == ["deliver_registration", "deliver_registration"]
    await house.run_jobs()
    for told in (house.contacts.events, house.agency_sync.events):
        (event,) = told
        assert event.registration == registration
        assert event.request_id == visit.request_id
        assert event.request_sha256 == REQUEST_SHA256
        assert event.card.serial_decimal == str(visit.card.certificate.serial_number)


@pytest.mark.requirement("REG-05")
async def test_the_same_request_again_gets_the_same_registration(house: CardsHouse) -> None:
    visit, registration = await house.registered()
    # Nonce and proof are used up or long past; the outcome counts before either.
    house.pass_time(timedelta(minutes=9))
    assert (await house.register(visit)).registration == registration
    await house.enter(visit, resume=visit.request_id)
    house.pass_time(timedelta(minutes=9))
    assert (await house.register(visit)).registration == registration
    assert await house.rows("SELECT count(*) FROM registration") == [(1,)]
    assert len(await house.jobs_waiting()) == 2


@pytest.mark.requirement("REG-05")
async def test_parallel_tries_of_one_request_register_once(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    # A second session of the same card, so that not even the session keeps them apart.
    other = Visit(visit.card, request_id=visit.request_id)
    await house.enter(other)
    tries = [house.register(visit) for _ in range(4)]
    tries += [house.register(visit, session_token=other.token) for _ in range(4)]
    answers = await asyncio.gather(*tries)
    assert len({answer.registration.registration_id for answer in answers}) == 1
    assert await house.rows("SELECT count(*) FROM registration") == [(1,)]
    assert await house.rows("SELECT count(*) FROM history") == [(1,)]
    assert len(await house.jobs_waiting()) == 2


@pytest.mark.requirement("CRD-06")
async def test_of_parallel_registrations_of_a_card_for_several_bidders_one_wins(house: CardsHouse) -> None:
    card = house.card()
    visits = [
        await house.up_to_commit(Visit(card, bidder_id=bidder_id, agency=agency))
        for bidder_id in (BIDDER, OTHER_BIDDER)
        for agency in (PREFECTURE, CITY)
    ]
    answers = await asyncio.gather(*(house.register(visit) for visit in visits), return_exceptions=True)
    winners = [answer.registration.bidder_id for answer in answers if not isinstance(answer, BaseException)]
    reasons = {answer.reason for answer in answers if isinstance(answer, Refusal)}
    assert len(set(winners)) == 1
    assert reasons <= {"CARD_BOUND_TO_ANOTHER_BIDDER", "CARD_ALREADY_REGISTERED"}
    assert len(winners) + len([answer for answer in answers if isinstance(answer, Refusal)]) == len(visits)
    assert await house.rows("SELECT count(*) FROM binding") == [(1,)]
    assert await house.rows("SELECT count(DISTINCT bidder_id) FROM registration") == [(1,)]


@pytest.mark.requirement("CRD-06")
async def test_of_parallel_requests_of_a_card_at_one_agency_one_wins(house: CardsHouse) -> None:
    card = house.card()
    visits = [await house.up_to_commit(Visit(card)) for _ in range(4)]
    answers = await asyncio.gather(*(house.register(visit) for visit in visits), return_exceptions=True)
    refused = [answer.reason for answer in answers if isinstance(answer, Refusal)]
    assert refused == ["CARD_ALREADY_REGISTERED"] * 3
    assert await house.rows("SELECT count(*) FROM registration") == [(1,)]


@pytest.mark.requirement("CRD-06")
async def test_a_card_of_another_bidder_is_refused_at_every_agency(house: CardsHouse) -> None:
    visit, _ = await house.registered()
    other = Visit(visit.card, agency=CITY, bidder_id=OTHER_BIDDER)
    await house.enter(other)
    with pytest.raises(Refusal, match="CARD_BOUND_TO_ANOTHER_BIDDER"):
        await house.create_act(other, validate_only=True)


@pytest.mark.requirement("CRD-06")
async def test_a_further_agency_is_a_registration_without_a_new_binding(house: CardsHouse) -> None:
    visit, first = await house.registered()
    _, second = await house.registered(visit.card, agency=CITY)
    assert first.registration_id != second.registration_id
    assert await house.rows("SELECT count(*) FROM binding") == [(1,)]
    assert await house.rows("SELECT before FROM history ORDER BY number DESC LIMIT 1") == [({"bound_to": BIDDER},)]


@pytest.mark.requirement("ENT-04")
async def test_one_card_serves_two_categories_each_with_its_own_bidder(house: CardsHouse) -> None:
    visit, _ = await house.registered()
    _, goods = await house.registered(visit.card, category=GOODS, bidder_id=OTHER_BIDDER)
    assert goods.bidder_id == OTHER_BIDDER


@pytest.mark.requirement("CRD-07")
async def test_a_bidder_may_have_several_cards(house: CardsHouse) -> None:
    first, _ = await house.registered()
    second, _ = await house.registered()
    assert (await house.resolve(first)).bidder_id == (await house.resolve(second)).bidder_id == BIDDER


async def test_a_request_id_used_for_something_else_is_refused(house: CardsHouse) -> None:
    visit, _ = await house.registered()
    other = Visit(visit.card, agency=CITY, request_id=visit.request_id)
    await house.enter(other)
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await house.create_act(other)
    # Also where the act was given out before the request id was used up.
    early, late = Visit(house.card()), Visit(house.card())
    late.card, late.request_id, late.agency = early.card, early.request_id, TOWN
    await house.up_to_commit(early)
    await house.up_to_commit(late)
    await house.register(early)
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await house.register(late)


async def test_another_cards_request_id_is_nobodys_business(house: CardsHouse) -> None:
    first, _ = await house.registered()
    second, registration = await house.registered(request_id=first.request_id)
    assert registration.certificate_sha256 == second.card.sha256


@pytest.mark.parametrize("request_id", ["", "1", "A" * 36, "466DF96E-36EB-4F33-A22C-E661B582E88E"])
async def test_a_request_id_is_a_uuid(house: CardsHouse, request_id: str) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    for call in (house.create_act(visit, request_id=request_id), house.register(visit, request_id=request_id)):
        with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
            await call


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bidder_id": OTHER_BIDDER}, "PURPOSE_ALTERED"),
        ({"lines": ["something else"]}, "PURPOSE_ALTERED"),
        ({"request_sha256": "00" * 32}, "PURPOSE_ALTERED"),
        ({"instance": "other"}, "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ({"operation": "renewal"}, "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"agency": CITY}, "PURPOSE_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "PURPOSE_FOR_ANOTHER_CATEGORY"),
        ({"certificate_sha256": "00" * 32}, "PURPOSE_FOR_ANOTHER_CARD"),
        ({"nonce": "A" * 43}, "CHALLENGE_UNKNOWN"),
    ],
)
async def test_an_act_whose_text_was_altered_registers_nothing(
    house: CardsHouse, changes: dict[str, Any], reason: str
) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    visit.act = signed(visit.card, altered(visit.act.purpose, **changes))
    with pytest.raises(Refusal, match=reason):
        await house.register(visit)
    assert await nothing_was_registered(house)


async def test_a_log_in_is_no_act(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    purpose = (await house.challenge(visit)).purpose
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        await house.register(visit, act=signed(visit.card, purpose))
    assert await nothing_was_registered(house)


async def test_an_act_signed_by_another_card_registers_nothing(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    visit.act = signed(house.card(), visit.act.purpose)
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        await house.register(visit)
    assert await nothing_was_registered(house)


async def test_an_act_of_another_card_in_this_cards_session_registers_nothing(house: CardsHouse) -> None:
    mine, other = [await house.up_to_commit(Visit(house.card())) for _ in range(2)]
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_CARD"):
        await house.register(mine, act=other.act)
    # Nor with the other card's proof and request id.
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_CARD"):
        await house.register(other, session_token=mine.token)
    assert await nothing_was_registered(house)


async def test_an_act_for_another_request_registers_nothing(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_REQUEST"):
        await house.register(visit, request_id=str(uuid4()))
    assert await nothing_was_registered(house)


async def test_an_act_is_good_for_five_minutes(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    house.pass_time(timedelta(minutes=5, seconds=1))
    with pytest.raises(Refusal, match="CHALLENGE_EXPIRED"):
        await house.register(visit)
    assert await nothing_was_registered(house)


async def test_an_act_that_failed_for_another_reason_can_be_used_once_more(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        await house.register(visit, proof=qualification_pb2.BidderProof())
    await house.register(visit)


async def test_forged_expired_and_foreign_proofs_are_refused_by_trial_and_commit(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    past, future = _timestamp(house, minutes=-1), _timestamp(house, minutes=5)
    genuine = visit.proof
    forged = qualification_pb2.BidderProof(
        statement=genuine.statement, key_id=genuine.key_id, signature=genuine.signature[::-1]
    )
    renamed = qualification_pb2.BidderProof(
        statement=genuine.statement.replace(BIDDER.encode(), OTHER_BIDDER.encode()),
        key_id=genuine.key_id,
        signature=genuine.signature,
    )
    proofs = [
        (qualification_pb2.BidderProof(), "BIDDER_PROOF_INVALID"),
        (forged, "BIDDER_PROOF_INVALID"),
        (renamed, "BIDDER_PROOF_INVALID"),
        (house.new_proof(visit, Ed25519PrivateKey.generate()), "BIDDER_PROOF_INVALID"),
        (house.new_proof(visit, instance="other"), "BIDDER_PROOF_INVALID"),
        (house.new_proof(visit, bidder_id=""), "BIDDER_PROOF_INVALID"),
        (house.new_proof(visit, issued_at=future), "BIDDER_PROOF_INVALID"),
        (house.new_proof(visit, expires_at=past), "BIDDER_PROOF_EXPIRED"),
        (house.new_proof(visit, certificate_sha256=house.card().sha256), "BIDDER_PROOF_FOR_ANOTHER_CARD"),
        (house.new_proof(visit, agency=CITY), "BIDDER_PROOF_FOR_ANOTHER_AGENCY"),
        (house.new_proof(visit, category=GOODS), "BIDDER_PROOF_FOR_ANOTHER_CATEGORY"),
    ]
    for proof, reason in proofs:
        with pytest.raises(Refusal, match=reason):
            await house.create_act(visit, proof=proof)
        with pytest.raises(Refusal, match=reason):
            await house.register(visit, proof=proof)
    # The proof of another bidder, genuine as it is, does not fit the act.
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_BIDDER"):
        await house.register(visit, proof=house.new_proof(visit, bidder_id=OTHER_BIDDER))
    assert await nothing_was_registered(house)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agency": CITY}, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "CARD_SESSION_FOR_ANOTHER_CATEGORY"),
        ({"session_token": "A" * 43}, "CARD_SESSION_UNKNOWN"),
    ],
)
async def test_the_session_has_to_be_for_this(house: CardsHouse, changes: dict[str, Any], reason: str) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    for call in (house.create_act(visit, **changes), house.register(visit, **changes)):
        with pytest.raises(Refusal, match=reason):
            await call
    assert await nothing_was_registered(house)


async def test_a_session_for_a_renewal_registers_nothing(house: CardsHouse) -> None:
    visit = Visit(house.card())
    place: dict[str, Any] = {
        "agency": visit.agency,
        "category": visit.category,
        "operation": resources_pb2.OPERATION_RENEWAL,
    }
    challenge = await house.registry.CreateChallenge(
        service_pb2.CreateChallengeRequest(certificate=visit.card.der, **place)
    )
    opened = await house.registry.OpenCardSession(
        service_pb2.OpenCardSessionRequest(
            certificate=visit.card.der, log_in=signed(visit.card, challenge.purpose), **place
        )
    )
    visit.token = opened.session_token
    with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_OPERATION"):
        await house.create_act(visit)


async def test_after_the_end_of_the_session_nothing_is_registered(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    await house.registry.EndCardSession(service_pb2.EndCardSessionRequest(session_token=visit.token))
    with pytest.raises(Refusal, match="CARD_SESSION_UNKNOWN"):
        await house.register(visit)
    assert await nothing_was_registered(house)


@pytest.mark.requirement("CRD-05")
async def test_a_card_that_was_revoked_meanwhile_registers_nothing(house: CardsHouse) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    house.ca.revoke(visit.card)
    await house.fetch_lists()
    for call in (house.create_act(visit), house.register(visit)):
        with pytest.raises(Refusal, match="CERTIFICATE_REVOKED"):
            await call
    assert await house.rows("SELECT count(*) FROM registration") == [(0,)]


@pytest.mark.requirement("CRD-05")
async def test_a_card_that_expired_meanwhile_registers_nothing(house: CardsHouse) -> None:
    ends = (house.now[0] + timedelta(minutes=2)).replace(microsecond=0)
    visit = await house.up_to_commit(Visit(house.card(not_after=ends)))
    house.pass_time(timedelta(minutes=3))
    with pytest.raises(Refusal, match="CERTIFICATE_EXPIRED"):
        await house.register(visit)
    assert await nothing_was_registered(house)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (qualification_pb2.BIDDER_STATUS_SUSPENDED, "BIDDER_SUSPENDED"),
        (qualification_pb2.BIDDER_STATUS_ENDED, "BIDDER_ENDED"),
    ],
)
async def test_a_bidder_that_was_stopped_meanwhile_gets_no_card(
    house: CardsHouse, status: "qualification_pb2.BidderStatus.ValueType", reason: str
) -> None:
    visit = await house.up_to_commit(Visit(house.card()))
    await house.tell_bidder(status, 1)
    for call in (house.create_act(visit), house.register(visit)):
        with pytest.raises(Refusal, match=reason):
            await call
    assert await nothing_was_registered(house)
    await house.tell_bidder(qualification_pb2.BIDDER_STATUS_ACTIVE, 2)
    await house.register(visit)


@pytest.mark.requirement("CRD-06")
async def test_a_certificate_with_its_signature_encoded_anew_is_not_a_second_card(house: CardsHouse) -> None:
    visit, _ = await house.registered()
    twin = Visit(_twin(visit.card), bidder_id=OTHER_BIDDER)
    assert twin.card.sha256 != visit.card.sha256
    with pytest.raises(Refusal, match="CERTIFICATE_ALTERED"):
        await house.enter(twin)


def _timestamp(house: CardsHouse, *, minutes: int) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(house.now[0] + timedelta(minutes=minutes))
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
