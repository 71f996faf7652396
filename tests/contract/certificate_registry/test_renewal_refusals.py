"""What a renewal is not for is refused, at the challenge and at the commit, each with its own reason (REN-02)."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority
from tests.support.contractor import altered, signed
from tests.support.example_profile import CITY, GOODS, OTHER_BIDDER
from tests.support.services.card_renewal import Answer, Renewal, renew
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry
from tests.support.ways_out import Way, require_way_out
from toroku.qualification.v1 import bidder_pb2, bidder_state_pb2

_MINUTES = timedelta(minutes=3)
Change = Callable[[RunningCertificateRegistry, Renewal], Awaitable[object]]


async def prepared(registry: RunningCertificateRegistry, new: IssuedCard | None = None, **changes: Any) -> Renewal:
    """Returns a renewal of which only the commit is left."""
    old, _ = await registry.register_new()
    return await Renewal.of(registry, old, new, **changes).prepare()


async def expect_nothing_changed(registry: RunningCertificateRegistry) -> None:
    """Checks that no renewal was written."""
    assert await registry.rows("SELECT count(*) FROM request_outcome WHERE method = 'renew'") == [(0,)]
    assert await registry.rows("SELECT count(*) FROM registration WHERE origin = 'renewal'") == [(0,)]
    assert await registry.rows("SELECT count(*) FROM registration WHERE replaced_by = 'x'") == [(0,)]


def _hex(card: IssuedCard) -> str:
    return f"'\\x{card.sha256.hex()}'"


def of_old(statement: str) -> Change:
    """Returns a change of the old card's rows."""
    return lambda registry, renewal: registry.execute(
        f"{statement} WHERE certificate_sha256 = {_hex(renewal.old.card)}"
    )


def of_new(statement: str) -> Change:
    """Returns a change of the new card's rows."""
    return lambda registry, renewal: registry.execute(
        f"{statement} WHERE certificate_sha256 = {_hex(renewal.new.card)}"
    )


def record(status: "bidder_state_pb2.BidderStatus.ValueType", **changes: Any) -> Change:
    """Returns a change of the bidder's status."""
    return lambda registry, _: registry.record_bidder(status, 1, **changes)


async def register_new_card(registry: RunningCertificateRegistry, renewal: Renewal) -> None:
    await registry.register_new(renewal.new.card)


async def register_for_another(registry: RunningCertificateRegistry, renewal: Renewal) -> None:
    await registry.register_new(renewal.new.card, agency=CITY, bidder_id=OTHER_BIDDER)


async def stop_new_card(registry: RunningCertificateRegistry, renewal: Renewal) -> None:
    await registry.register_new(renewal.new.card, agency=CITY)
    await of_new("UPDATE card_state SET suspended_because = 'lost'")(registry, renewal)


async def close_new_card(registry: RunningCertificateRegistry, renewal: Renewal) -> None:
    await registry.register_new(renewal.new.card, agency=CITY)
    await of_new("UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'transfer'")(
        registry, renewal
    )


async def replace_new_card(registry: RunningCertificateRegistry, renewal: Renewal) -> None:
    await register_new_card(registry, renewal)
    await renew(registry, Visit(renewal.new.card))


async def renew_by_another(registry: RunningCertificateRegistry, renewal: Renewal) -> None:
    await renew(registry, renewal.old)


async def bind_old_to_another(registry: RunningCertificateRegistry, renewal: Renewal) -> None:
    await of_old("UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'officer'")(
        registry, renewal
    )
    await registry.register_new(renewal.old.card, bidder_id=OTHER_BIDDER)


ACTIVE, SUSPENDED = bidder_state_pb2.BIDDER_STATUS_ACTIVE, bidder_state_pb2.BIDDER_STATUS_SUSPENDED
MEANWHILE: dict[str, tuple[Change, str]] = {
    "old released": (
        of_old("UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'officer'"),
        "CARD_NOT_REGISTERED_HERE",
    ),
    "old closed": (
        of_old("UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'transfer'"),
        "CARD_BINDING_ENDED",
    ),
    "old suspended here": (
        of_old("UPDATE registration SET state = 'suspended', reason = 'officer'"),
        "CARD_SUSPENDED",
    ),
    "old suspended": (of_old("UPDATE card_state SET suspended_because = 'lost'"), "CARD_SUSPENDED"),
    "old revoked": (of_old("UPDATE card SET revoked_at = now()"), "CERTIFICATE_REVOKED"),
    "old renewed by another": (renew_by_another, "CARD_REPLACED"),
    "old bound to another": (bind_old_to_another, "CARD_BOUND_TO_ANOTHER_BIDDER"),
    "new revoked": (of_new("UPDATE card SET revoked_at = now()"), "CERTIFICATE_REVOKED"),
    "new registered": (register_new_card, "CARD_ALREADY_REGISTERED"),
    "new bound to another": (register_for_another, "CARD_BOUND_TO_ANOTHER_BIDDER"),
    "new suspended": (stop_new_card, "NEW_CARD_UNUSABLE"),
    "new closed": (close_new_card, "NEW_CARD_UNUSABLE"),
    "new replaced": (replace_new_card, "NEW_CARD_UNUSABLE"),
    "bidder suspended": (record(SUSPENDED), "BIDDER_SUSPENDED"),
    "bidder suspended here": (record(ACTIVE, suspended_agencies=["prefecture"]), "BIDDER_SUSPENDED"),
    "bidder ended": (record(bidder_state_pb2.BIDDER_STATUS_ENDED), "BIDDER_ENDED"),
}


@pytest.mark.requirement("REN-02")
@pytest.mark.parametrize(("change", "reason"), MEANWHILE.values(), ids=MEANWHILE)
async def test_what_changed_meanwhile_is_refused_at_both_steps(
    registry: RunningCertificateRegistry, change: Change, reason: str
) -> None:
    renewal = await prepared(registry)
    await change(registry, renewal)
    before = await registry.rows("SELECT count(*) FROM registration")
    for step in (renewal.create_act, renewal.commit):
        with pytest.raises(Refusal, match=reason) as refused:
            await step()
        require_way_out(refused.value)
    with pytest.raises(Refusal, match=reason):
        await renewal.create_act(validate_only=True)
    if reason not in {"CARD_REPLACED", "NEW_CARD_UNUSABLE"}:
        await expect_nothing_changed(registry)
    assert await registry.rows("SELECT count(*) FROM registration") == before


@pytest.mark.requirement("REN-02")
@pytest.mark.parametrize(
    ("change", "reason"),
    [MEANWHILE[name] for name in ("old released", "old suspended", "old revoked", "old renewed by another")],
)
async def test_old_card_that_is_not_good_gets_no_act(
    registry: RunningCertificateRegistry, change: Change, reason: str
) -> None:
    renewal = await prepared(registry)
    await change(registry, renewal)
    with pytest.raises(Refusal, match=reason):
        await renewal.create_succession()


@pytest.mark.requirement("REN-02")
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"company": "別の建設株式会社"}, "CARD_COMPANY_DIFFERS"),
        ({"address": "埼玉県さいたま市浦和区高砂三丁目15番2号"}, "CARD_ADDRESS_DIFFERS"),
    ],
)
async def test_card_of_another_company_or_address_is_refused(
    registry: RunningCertificateRegistry, changes: dict[str, Any], reason: str
) -> None:
    old, _ = await registry.register_new()
    renewal = Renewal.of(registry, old, registry.card(**changes))
    await renewal.sign_old()
    await registry.log_in(renewal.new)
    with pytest.raises(Refusal, match=reason) as refused:
        await renewal.create_act()
    require_way_out(refused.value, Way.REGISTER, Way.ASK_AUTHORITY)


@pytest.mark.requirement("REN-02")
@pytest.mark.parametrize(
    "changes",
    [
        {"company": "登録建設(株)", "address": None},
        {"company": None, "address": "埼玉県さいたま市　浦和区高砂三丁目１５番１号"},
        {"holder": "交代 次郎"},
    ],
)
async def test_same_company_written_otherwise_is_the_same(
    registry: RunningCertificateRegistry, changes: dict[str, Any]
) -> None:
    old, _ = await registry.register_new()
    renewal, _ = await renew(registry, old, registry.card(**changes))
    assert (await registry.resolve(renewal.new)).verdict == Answer.VERDICT_GOOD


@pytest.mark.requirement("REN-02")
async def test_card_does_not_replace_itself(registry: RunningCertificateRegistry) -> None:
    card = registry.card()
    renewal = Renewal.of(registry, Visit(card), card)
    await registry.log_in(renewal.new)
    await registry.register_new(card)
    await renewal.sign_old()
    with pytest.raises(Refusal, match="CARDS_EQUAL") as refused:
        await renewal.create_act()
    require_way_out(refused.value, Way.CHANGE, Way.ASK_AUTHORITY)


async def _wrong_key(renewal: Renewal) -> dict[str, Any]:
    key = Ed25519PrivateKey.generate()
    return {"successor_key": key.public_key().public_bytes_raw()}


async def _wrong_signature(renewal: Renewal) -> dict[str, Any]:
    other = Renewal(renewal.registry, renewal.old, renewal.new, request_id=str(uuid4()), key=renewal.key)
    return {"successor_signature": other.successor_signature}


async def _other_cards_act(renewal: Renewal) -> dict[str, Any]:
    return {"old_act": renewal.new_act}


async def _forged_act(renewal: Renewal) -> dict[str, Any]:
    return {"old_act": signed(renewal.new.card, renewal.old_act.purpose)}


async def _altered_act(renewal: Renewal) -> dict[str, Any]:
    purpose = altered(renewal.new_act.purpose, request_sha256="00" * 32)
    return {"new_act": signed(renewal.new.card, purpose)}


async def _other_request(renewal: Renewal) -> dict[str, Any]:
    request_id, key = str(uuid4()), renewal.key
    return {
        "request_id": request_id,
        "successor_signature": key.sign(b"toroku successor key v1\x00" + renewal.new.card.sha256 + request_id.encode()),
    }


async def _old_proof(renewal: Renewal) -> dict[str, Any]:
    return {"proof": renewal.registry.new_proof(renewal.old)}


async def _other_bidder(renewal: Renewal) -> dict[str, Any]:
    return {"proof": renewal.registry.new_proof(renewal.new, bidder_id=OTHER_BIDDER)}


async def _search_proof(renewal: Renewal) -> dict[str, Any]:
    return {"proof": renewal.registry.new_proof(renewal.new, for_renewal=False)}


async def _no_proof(renewal: Renewal) -> dict[str, Any]:
    return {"proof": bidder_pb2.BidderProof()}


async def _swapped_sessions(renewal: Renewal) -> dict[str, Any]:
    return {"old_session_token": renewal.new.token, "new_session_token": renewal.old.token}


async def _other_category(renewal: Renewal) -> dict[str, Any]:
    return {"category": GOODS}


async def _act_for_another_old_card(renewal: Renewal) -> dict[str, Any]:
    """The new card agreed to replace a colleague's card, whose session is handed over."""
    colleague, _ = await renewal.registry.register_new()
    other = Renewal.of(renewal.registry, colleague, renewal.new.card, request_id=renewal.request_id, key=renewal.key)
    await other.sign_old()
    return {"old_session_token": other.old.token, "old_act": other.old_act}


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (_wrong_key, "SUCCESSOR_KEY_DIFFERS"),
        (_wrong_signature, "SUCCESSOR_SIGNATURE_INVALID"),
        (_other_cards_act, "PURPOSE_FOR_ANOTHER_CARD"),
        (_forged_act, "SIGNATURE_INVALID"),
        (_altered_act, "PURPOSE_ALTERED"),
        (_other_request, "PURPOSE_FOR_ANOTHER_REQUEST"),
        (_old_proof, "BIDDER_PROOF_FOR_ANOTHER_CARD"),
        (_other_bidder, "PURPOSE_FOR_ANOTHER_BIDDER"),
        (_search_proof, "BIDDER_PROOF_INVALID"),
        (_no_proof, "BIDDER_PROOF_INVALID"),
        (_swapped_sessions, "CARD_SESSION_FOR_ANOTHER_ROLE"),
        (_other_category, "CARD_SESSION_FOR_ANOTHER_CATEGORY"),
        (_act_for_another_old_card, "PURPOSE_FOR_ANOTHER_REQUEST"),
    ],
)
async def test_acts_that_do_not_belong_together_are_refused(
    registry: RunningCertificateRegistry, alter: Callable[[Renewal], Awaitable[dict[str, Any]]], reason: str
) -> None:
    renewal = await prepared(registry)
    changes = await alter(renewal)
    with pytest.raises(Refusal, match=reason):
        await renewal.commit(**changes)
    await expect_nothing_changed(registry)
    # Nothing was used up.
    await renewal.commit()


async def test_malformed_renewal_is_refused(registry: RunningCertificateRegistry) -> None:
    renewal = await prepared(registry)
    for changes, reason in (
        ({"successor_key": b"k" * 31}, "SUCCESSOR_KEY_INVALID"),
        ({"request_id": "1"}, "REQUEST_ID_INVALID"),
        ({"new_session_token": ""}, "CARD_SESSION_UNKNOWN"),
        ({"old_session_token": ""}, "CARD_SESSION_UNKNOWN"),
    ):
        with pytest.raises(Refusal, match=reason):
            await renewal.commit(**changes)
    malformed: list[tuple[dict[str, Any], str]] = [
        ({"successor_key_sha256": b""}, "SUCCESSOR_KEY_INVALID"),
        ({"request_sha256": b""}, "REQUEST_SHA256_INVALID"),
        ({"lines": ("\n",)}, "PURPOSE_MALFORMED"),
    ]
    for step in (renewal.create_act, renewal.create_succession):
        for parts, reason in malformed:
            with pytest.raises(Refusal, match=reason):
                await step(**parts)


async def test_proof_for_the_commit_was_just_confirmed(registry: RunningCertificateRegistry) -> None:
    renewal = await prepared(registry)
    proof = registry.new_proof(renewal.new)
    registry.pass_time(_MINUTES)
    with pytest.raises(Refusal, match="BIDDER_PROOF_EXPIRED"):
        await renewal.commit(proof=proof)


@pytest.mark.requirement("REN-02")
async def test_card_that_expired_since_it_logged_in_is_refused(registry: RunningCertificateRegistry) -> None:
    for is_old in (True, False):
        expiring = registry.card(not_after=registry.now[0] + timedelta(minutes=2))
        old, _ = await registry.register_new(expiring if is_old else None)
        renewal = await Renewal.of(registry, old, None if is_old else expiring).prepare()
        registry.pass_time(timedelta(minutes=3))
        for step in (renewal.create_act, renewal.commit):
            with pytest.raises(Refusal, match="CERTIFICATE_EXPIRED") as refused:
                await step()
            require_way_out(refused.value, Way.REGISTER)
    await expect_nothing_changed(registry)


@pytest.mark.requirement("REN-02")
async def test_card_of_another_ca_is_refused_where_the_profile_says_so(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    other = CertificateAuthority.create("Other Root", key=new_ec_key())
    with crl_server(lambda: other.crl()) as url:
        entry = card_authority(other, (url,)) | {"id": "other-ca"}
        async with running_certificate_registry(
            migrated_database("certificate_registry"), tmp_path, further_authorities=[entry]
        ) as registry:
            old, _ = await registry.register_new()
            renewal = Renewal.of(registry, old, other.issue(key=new_ec_key()))
            await renewal.sign_old()
            await registry.log_in(renewal.new)
            with pytest.raises(Refusal, match="CARD_AUTHORITY_DIFFERS") as refused:
                await renewal.create_act()
            require_way_out(refused.value, Way.REGISTER)
