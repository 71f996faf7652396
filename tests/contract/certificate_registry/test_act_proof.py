"""The act of a change, and its proof: what contact-notification commits by."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature

from refusals import Refusal
from servicekit.messages import read_timestamp
from servicekit.signed_statement import compute_key_id
from signed_acts import purpose as purposes
from simulators.certificate_authorities import IssuedCard
from tests.support.contractor import altered, signed
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, WORKS
from tests.support.services.card_visit import REQUEST_SHA256, Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import act_proof_pb2, card_pb2, certificate_registry_pb2
from toroku.qualification.v1 import bidder_state_pb2

LINES = ("ICカード利用部署情報を変更します。", "電話番号")
PREFIX = b"toroku act proof v1\x00"
SUSPENDED = "UPDATE registration SET state = 'suspended', reason = 'officer'"
WITHDRAWN = "UPDATE card_state SET suspended_because = 'officer'"
REPLACED = "UPDATE registration SET state = 'replaced', reason = 'renewal', replaced_by = 'new'"
CLOSED = "UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'transfer'"
RELEASED = "UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'officer'"


@dataclass(slots=True)
class Change:
    """A change of a card's contacts; a test can change every value before the next step."""

    registry: RunningCertificateRegistry
    visit: Visit
    act: signed_purpose_pb2.SignedPurpose = field(default_factory=signed_purpose_pb2.SignedPurpose)

    async def create_act(self, **changes: Any) -> certificate_registry_pb2.CreateChangeChallengeResponse:
        """Returns the act to be signed."""
        values = self._describe() | {"request_sha256": self.visit.request_sha256, "lines": LINES} | changes
        request = certificate_registry_pb2.CreateChangeChallengeRequest(**values)
        return await self.registry.stub.CreateChangeChallenge(request)

    async def sign(self) -> None:
        """Has the card sign the act."""
        self.act = signed(self.visit.card, (await self.create_act()).purpose)

    async def prove(self, **changes: Any) -> certificate_registry_pb2.ProveActResponse:
        """Has the signed act proven."""
        values = self._describe() | {"act": self.act} | changes
        return await self.registry.stub.ProveAct(certificate_registry_pb2.ProveActRequest(**values))

    def _describe(self) -> dict[str, Any]:
        visit = self.visit
        return {
            "session_token": visit.token,
            "agency": visit.agency,
            "category": visit.category,
            "request_id": visit.request_id,
        }


async def _begin(registry: RunningCertificateRegistry, card: IssuedCard | None = None, **changes: Any) -> Change:
    """Registers a card, unless one is given that is, and opens its session for a change."""
    if card is None:
        card = (await registry.register_new(**changes))[0].card
    change = Change(registry, Visit(card, operation=card_pb2.OPERATION_CHANGE, **changes))
    await registry.log_in(change.visit)
    return change


async def _prepare(registry: RunningCertificateRegistry, card: IssuedCard | None = None) -> Change:
    change = await _begin(registry, card)
    await change.sign()
    return change


async def test_act_names_the_change_and_the_bidder(registry: RunningCertificateRegistry) -> None:
    change = await _begin(registry)
    issued = await change.create_act()
    purpose = purposes.decode(issued.purpose)
    assert (purpose.type, purpose.operation, purpose.role) == ("act", "change", "sole")
    assert (purpose.agency, purpose.category, purpose.bidder_id) == (PREFECTURE, WORKS, BIDDER)
    assert purpose.certificate_sha256 == change.visit.card.sha256
    assert purpose.act == purposes.Act(change.visit.request_id, REQUEST_SHA256, LINES)
    assert read_timestamp(issued.expires_at) == registry.now[0] + timedelta(minutes=5)


async def test_proof_says_what_was_signed(registry: RunningCertificateRegistry) -> None:
    card = registry.card(holder="登録 花子")
    await registry.register_new(card)
    change = await _prepare(registry, card)
    proven = await change.prove()
    registry.act_proof_key.verify(proven.proof.signature, PREFIX + proven.proof.statement)
    assert proven.proof.key_id == compute_key_id(registry.act_proof_key)
    statement = act_proof_pb2.ActStatement.FromString(proven.proof.statement)
    assert statement == act_proof_pb2.ActStatement(
        instance=registry.profile.id,
        operation="change",
        agency=PREFECTURE,
        category=WORKS,
        bidder_id=BIDDER,
        certificate_sha256=card.sha256,
        request_id=change.visit.request_id,
        request_sha256=REQUEST_SHA256,
        purpose_sha256=sha256(change.act.purpose).digest(),
        serial_decimal=str(card.certificate.serial_number),
        holder_name="登録 花子",
        issued_at=statement.issued_at,
        expires_at=statement.expires_at,
    )
    assert read_timestamp(statement.issued_at) == registry.now[0]
    assert read_timestamp(statement.expires_at) == registry.now[0] + timedelta(seconds=60)
    assert proven.card.certificate_sha256 == card.sha256


async def test_proof_is_no_other_statement(registry: RunningCertificateRegistry) -> None:
    proof = (await (await _prepare(registry)).prove()).proof
    for prefix in (b"", b"toroku bidder proof v1\x00", b"toroku officer proof v1\x00"):
        with pytest.raises(InvalidSignature):
            registry.act_proof_key.verify(proof.signature, prefix + proof.statement)


async def test_nonce_proves_one_act_and_the_same_request_signed_anew_another(
    registry: RunningCertificateRegistry,
) -> None:
    change = await _prepare(registry)
    first = (await change.prove()).proof
    with pytest.raises(Refusal, match="CHALLENGE_USED"):
        await change.prove()
    await change.sign()
    second = (await change.prove()).proof
    assert first.statement != second.statement
    answers = await asyncio.gather(*(_attempt(change) for _ in range(4)))
    assert answers == ["CHALLENGE_USED"] * 4
    await change.sign()
    assert sorted(await asyncio.gather(*(_attempt(change) for _ in range(4)))) == ["", *["CHALLENGE_USED"] * 3]


async def _attempt(change: Change) -> str:
    try:
        await change.prove()
    except Refusal as refusal:
        return refusal.reason
    return ""


async def test_proof_renews_the_session_and_writes_nothing_else(registry: RunningCertificateRegistry) -> None:
    change = await _prepare(registry)
    counted = "SELECT (SELECT count(*) FROM history_entry), (SELECT count(*) FROM request_outcome)"
    before = await registry.rows(counted)
    registry.pass_time(timedelta(minutes=4))
    await change.prove()
    assert await registry.rows(counted) == before
    assert await registry.rows("SELECT last_used_at FROM card_session WHERE operation = 'change'") == [
        (registry.now[0],)
    ]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (SUSPENDED, "CARD_SUSPENDED"),
        (WITHDRAWN, "CARD_SUSPENDED"),
        (REPLACED, "CARD_REPLACED"),
        (CLOSED, "CARD_BINDING_ENDED"),
        (RELEASED, "CARD_NOT_REGISTERED_HERE"),
        ("UPDATE card SET revoked_at = now()", "CERTIFICATE_REVOKED"),
    ],
)
async def test_what_happens_to_the_card_meanwhile_stops_the_change(
    registry: RunningCertificateRegistry, statement: str, reason: str
) -> None:
    change = await _prepare(registry)
    await registry.execute(statement)
    for attempt in (change.create_act, change.prove):
        with pytest.raises(Refusal, match=reason):
            await attempt()
    assert await registry.rows("SELECT count(*) FROM challenge WHERE used_at IS NULL") == [(1,)]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"status": bidder_state_pb2.BIDDER_STATUS_SUSPENDED}, "BIDDER_SUSPENDED"),
        (
            {"status": bidder_state_pb2.BIDDER_STATUS_ACTIVE, "suspended_agencies": [PREFECTURE]},
            "BIDDER_SUSPENDED",
        ),
        ({"status": bidder_state_pb2.BIDDER_STATUS_ENDED}, "BIDDER_ENDED"),
    ],
)
async def test_what_happens_to_the_bidder_meanwhile_stops_the_change(
    registry: RunningCertificateRegistry, state: dict[str, Any], reason: str
) -> None:
    change = await _prepare(registry)
    await registry.record_bidder(number=1, **state)
    for attempt in (change.create_act, change.prove):
        with pytest.raises(Refusal, match=reason):
            await attempt()
    await registry.record_bidder(bidder_state_pb2.BIDDER_STATUS_ACTIVE, 2, suspended_agencies=[CITY])
    await change.prove()


async def test_card_that_expired_meanwhile_is_refused(registry: RunningCertificateRegistry) -> None:
    ends = (registry.now[0] + timedelta(minutes=3)).replace(microsecond=0)
    card = registry.card(not_after=ends)
    await registry.register_new(card)
    change = await _prepare(registry, card)
    registry.pass_time(timedelta(minutes=4))
    for attempt in (change.create_act, change.prove):
        with pytest.raises(Refusal, match="CERTIFICATE_EXPIRED"):
            await attempt()


async def test_act_expires_after_five_minutes(registry: RunningCertificateRegistry) -> None:
    change = await _prepare(registry)
    registry.pass_time(timedelta(minutes=5, seconds=1))
    with pytest.raises(Refusal, match="CHALLENGE_EXPIRED"):
        await change.prove()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instance": "other"}, "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ({"operation": "registration"}, "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"agency": CITY}, "PURPOSE_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "PURPOSE_FOR_ANOTHER_CATEGORY"),
        ({"certificate_sha256": "0" * 64}, "PURPOSE_FOR_ANOTHER_CARD"),
        ({"nonce": "A" * 43}, "CHALLENGE_UNKNOWN"),
        ({"bidder_id": "9999"}, "PURPOSE_ALTERED"),
        ({"request_id": str(uuid4())}, "PURPOSE_ALTERED"),
        ({"request_sha256": "0" * 64}, "PURPOSE_ALTERED"),
        ({"lines": ["別の内容"]}, "PURPOSE_ALTERED"),
        ({"role": "old"}, "PURPOSE_MALFORMED"),
        ({"operation": "withdrawal"}, "PURPOSE_OPERATION_UNKNOWN"),
    ],
)
async def test_altered_act_is_refused(
    registry: RunningCertificateRegistry, changes: dict[str, Any], reason: str
) -> None:
    change = await _begin(registry)
    purpose = altered((await change.create_act()).purpose, **changes)
    change.act = signed(change.visit.card, purpose)
    with pytest.raises(Refusal, match=reason):
        await change.prove()


async def test_act_of_a_registration_and_a_log_in_prove_no_change(registry: RunningCertificateRegistry) -> None:
    registered, _ = await registry.register_new()
    change = await _begin(registry, registered.card)
    elsewhere = await registry.prepare(Visit(registered.card, agency=CITY))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_OPERATION"):
        await change.prove(act=elsewhere.act)
    log_in = signed(registered.card, (await registry.challenge(change.visit)).purpose)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        await change.prove(act=log_in)


async def test_other_request_and_other_signature_are_refused(registry: RunningCertificateRegistry) -> None:
    change = await _prepare(registry)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_REQUEST"):
        await change.prove(request_id=str(uuid4()))
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        await change.prove(act=signed(registry.card(), change.act.purpose))
    for values, reason in (
        ({"request_id": "1"}, "REQUEST_ID_INVALID"),
        ({"request_sha256": b"short"}, "REQUEST_SHA256_INVALID"),
        ({"lines": []}, "PURPOSE_MALFORMED"),
        ({"session_token": "A" * 43}, "CARD_SESSION_UNKNOWN"),
        ({"agency": CITY}, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
    ):
        with pytest.raises(Refusal, match=reason):
            await change.create_act(**values)
    # Nothing of this used the nonce up.
    await change.prove()


async def test_card_bound_to_another_bidder_meanwhile_proves_nothing_for_the_first_one(
    registry: RunningCertificateRegistry,
) -> None:
    change = await _prepare(registry)
    await registry.execute(RELEASED)
    await registry.register_new(change.visit.card, bidder_id="1002")
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_BIDDER"):
        await change.prove()


async def test_session_of_another_operation_proves_nothing(registry: RunningCertificateRegistry) -> None:
    registered, _ = await registry.register_new()
    for operation, role in (
        (card_pb2.OPERATION_VIEW, card_pb2.CARD_ROLE_UNSPECIFIED),
        (card_pb2.OPERATION_RENEWAL, card_pb2.CARD_ROLE_OLD),
    ):
        visit = Visit(registered.card, operation=operation, role=role)
        await registry.log_in(visit)
        with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_OPERATION"):
            await Change(registry, visit).create_act()


async def test_only_the_front_door_has_acts_proven(registry: RunningCertificateRegistry) -> None:
    for name, caller in registry.callers.items():
        if name != "front-door":
            with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
                await caller.ProveAct(certificate_registry_pb2.ProveActRequest())
            with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
                await caller.CreateChangeChallenge(certificate_registry_pb2.CreateChangeChallengeRequest())
