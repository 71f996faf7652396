"""Log-in at certificate-registry: which cards get a session, for what, and how long."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, new_ec_key, new_rsa_key
from tests.support.contractor import altered, signed
from tests.support.example_profile import CITY, GOODS, TOWN, VILLAGE, WORKS
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import REGISTRATION, RunningCertificateRegistry
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2


@pytest.mark.requirement("CRD-04")
async def test_challenge_shows_values_of_the_certificate(registry: RunningCertificateRegistry) -> None:
    visit = Visit(
        registry.card(holder="登録 花子", address=None, serial=0xFEDCBA9876543210FEDCBA9876543210FEDCBA98 >> 2)
    )
    card = (await registry.challenge(visit)).card
    assert card.certificate_sha256 == visit.card.sha256
    assert card.company_name == "登録建設株式会社"
    assert card.holder_name == "登録 花子"
    assert not card.HasField("company_address")
    assert card.serial_decimal == str(visit.card.certificate.serial_number)
    assert card.serial_hexadecimal == f"{visit.card.certificate.serial_number:X}"
    assert card.issuer == "CN=Toroku Test CA,O=Toroku Test Certification,C=JP"
    assert card.not_after.ToDatetime() == visit.card.certificate.not_valid_after_utc.replace(tzinfo=None)
    assert card.revocation.status == card_pb2.REVOCATION_STATUS_GOOD


async def test_challenge_shows_age_of_the_revocation_list(registry: RunningCertificateRegistry) -> None:
    card = (await registry.challenge(Visit(registry.card()))).card
    listed_at = card.revocation.crl_this_update.ToDatetime()
    assert listed_at == (registry.now[0] - timedelta(minutes=1)).replace(microsecond=0, tzinfo=None)


@pytest.mark.requirement("CRD-05", "met")
@pytest.mark.requirement("LIF-01")
async def test_invalid_card_gets_no_challenge(registry: RunningCertificateRegistry) -> None:
    now = registry.now[0]
    stranger = CertificateAuthority.create(key=new_ec_key())
    revoked = registry.card()
    registry.ca.revoke(revoked)
    await registry.fetch_lists()
    cards = {
        "CERTIFICATE_AUTHORITY_UNKNOWN": stranger.issue(key=new_ec_key()),
        "CERTIFICATE_EXPIRED": registry.card(not_before=_whole(now, days=-9), not_after=_whole(now, days=-1)),
        "CERTIFICATE_NOT_YET_VALID": registry.card(not_before=_whole(now, days=1)),
        "CERTIFICATE_REVOKED": revoked,
        "CERTIFICATE_KEY_WEAK": registry.card(key=new_rsa_key(1024)),
        "CERTIFICATE_NOT_FOR_SIGNING": registry.card(key_usage=("key_agreement",)),
    }
    for reason, card in cards.items():
        with pytest.raises(Refusal) as refused:
            await registry.challenge(Visit(card))
        assert refused.value.reason == reason
    assert await registry.rows("SELECT * FROM challenge") == []


async def test_malformed_certificate_is_refused(registry: RunningCertificateRegistry) -> None:
    for der in (b"", b"\0" * 40, b"x" * 20_000):
        with pytest.raises(Refusal, match="CERTIFICATE_MALFORMED"):
            await registry.stub.CreateChallenge(
                certificate_registry_pb2.CreateChallengeRequest(
                    operation=REGISTRATION, agency=CITY, category=WORKS, certificate=der
                )
            )


@pytest.mark.requirement("ENT-03")
@pytest.mark.parametrize(
    ("agency", "category", "reason"),
    [
        ("nowhere", WORKS, "AGENCY_UNKNOWN"),
        (CITY, "nothing", "CATEGORY_UNKNOWN"),
        (VILLAGE, GOODS, "CATEGORY_NOT_OFFERED"),
    ],
)
async def test_category_that_the_agency_does_not_offer_is_refused(
    registry: RunningCertificateRegistry, agency: str, category: str, reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        await registry.challenge(Visit(registry.card(), agency=agency, category=category))


async def test_signed_log_in_opens_a_session(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    opened = await registry.log_in(visit)
    assert opened.standing == card_pb2.CARD_STANDING_NEW
    assert len(opened.session_token) == 43
    assert opened.expires_at.ToDatetime() == (registry.now[0] + timedelta(minutes=10)).replace(tzinfo=None)
    session = await registry.check(visit)
    assert session.card == opened.card
    assert session.opened_at.ToDatetime() == registry.now[0].replace(tzinfo=None)


async def test_rsa_card_can_log_in(registry: RunningCertificateRegistry) -> None:
    opened = await registry.log_in(Visit(registry.card(key=new_rsa_key())))
    assert opened.standing == card_pb2.CARD_STANDING_NEW


async def test_session_token_is_not_stored(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    await registry.log_in(visit)
    ((row,),) = await registry.rows("SELECT to_jsonb(card_session) FROM card_session")
    assert visit.token not in str(row)


async def test_nonce_opens_only_one_session(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    await registry.open(visit, log_in)
    with pytest.raises(Refusal, match="CHALLENGE_USED"):
        await registry.open(visit, log_in)


async def test_concurrent_attempts_with_one_nonce_open_one_session(
    registry: RunningCertificateRegistry,
) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    answers = await asyncio.gather(*(registry.open(visit, log_in) for _ in range(8)), return_exceptions=True)
    refused = [answer.reason for answer in answers if isinstance(answer, Refusal)]
    assert refused == ["CHALLENGE_USED"] * 7
    assert await registry.rows("SELECT count(*) FROM card_session") == [(1,)]


async def test_nonce_expires_after_five_minutes(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    registry.pass_time(timedelta(minutes=5, seconds=1))
    with pytest.raises(Refusal, match="CHALLENGE_EXPIRED"):
        await registry.open(visit, log_in)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instance": "other"}, "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ({"operation": "change"}, "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"operation": "renewal", "role": "old"}, "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"operation": "withdrawal"}, "PURPOSE_OPERATION_UNKNOWN"),
        ({"role": "old"}, "PURPOSE_MALFORMED"),
        ({"agency": CITY}, "PURPOSE_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "PURPOSE_FOR_ANOTHER_CATEGORY"),
        ({"certificate_sha256": "0" * 64}, "PURPOSE_FOR_ANOTHER_CARD"),
        ({"nonce": "A" * 43}, "CHALLENGE_UNKNOWN"),
        ({"more": "words"}, "PURPOSE_MALFORMED"),
    ],
)
async def test_altered_log_in_is_refused(
    registry: RunningCertificateRegistry, changes: dict[str, str], reason: str
) -> None:
    visit = Visit(registry.card())
    purpose = altered((await registry.challenge(visit)).purpose, **changes)
    with pytest.raises(Refusal, match=reason):
        await registry.open(visit, signed(visit.card, purpose))
    assert await registry.rows("SELECT count(*) FROM card_session") == [(0,)]


async def test_log_in_for_another_agency_is_refused_with_a_valid_nonce(
    registry: RunningCertificateRegistry,
) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    visit.agency = TOWN
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_AGENCY"):
        await registry.open(visit, log_in)


async def test_act_is_refused_as_log_in(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        await registry.open(visit, visit.act)


async def test_signature_by_another_card_is_refused(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    purpose = (await registry.challenge(visit)).purpose
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        await registry.open(visit, signed(registry.card(), purpose))


async def test_certificate_of_another_card_is_refused(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_CARD"):
        await registry.open(Visit(registry.card()), log_in)


async def test_algorithm_of_another_key_type_is_refused(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    for algorithm in (
        signed_purpose_pb2.SIGNATURE_ALGORITHM_RSA_PKCS1V15_SHA256,
        signed_purpose_pb2.SIGNATURE_ALGORITHM_UNSPECIFIED,
    ):
        log_in.algorithm = algorithm
        with pytest.raises(Refusal, match="SIGNATURE_ALGORITHM_NOT_ACCEPTED"):
            await registry.open(visit, log_in)


async def test_card_revoked_after_its_challenge_gets_no_session(
    registry: RunningCertificateRegistry,
) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    registry.ca.revoke(visit.card)
    await registry.fetch_lists()
    with pytest.raises(Refusal, match="CERTIFICATE_REVOKED"):
        await registry.open(visit, log_in)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"operation": card_pb2.OPERATION_CHANGE}, "CARD_SESSION_FOR_ANOTHER_OPERATION"),
        ({"agency": CITY}, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "CARD_SESSION_FOR_ANOTHER_CATEGORY"),
        ({"session_token": "A" * 43}, "CARD_SESSION_UNKNOWN"),
        ({"session_token": ""}, "CARD_SESSION_UNKNOWN"),
        ({"operation": card_pb2.OPERATION_UNSPECIFIED}, "OPERATION_UNKNOWN"),
        ({"operation": card_pb2.OPERATION_RENEWAL}, "CARD_SESSION_FOR_ANOTHER_OPERATION"),
    ],
)
async def test_session_is_refused_for_another_scope(
    registry: RunningCertificateRegistry, changes: dict[str, Any], reason: str
) -> None:
    visit = Visit(registry.card())
    await registry.log_in(visit)
    with pytest.raises(Refusal, match=reason):
        await registry.check(visit, **changes)


@pytest.mark.requirement("ENT-07")
async def test_session_expires_after_ten_idle_minutes(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    await registry.log_in(visit)
    for _ in range(2):
        registry.pass_time(timedelta(minutes=9))
        # What the answer says is true from now on, not before this use.
        expires_at = (await registry.check(visit)).expires_at.ToDatetime(UTC)
        assert expires_at == registry.now[0] + timedelta(minutes=10)
    registry.pass_time(timedelta(minutes=10, seconds=1))
    with pytest.raises(Refusal, match="CARD_SESSION_EXPIRED"):
        await registry.check(visit)


@pytest.mark.requirement("ENT-07")
async def test_session_expires_after_an_hour_of_use(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    await registry.log_in(visit)
    for _ in range(10):
        registry.pass_time(timedelta(minutes=6))
        await registry.check(visit)
    registry.pass_time(timedelta(seconds=1))
    with pytest.raises(Refusal, match="CARD_SESSION_EXPIRED"):
        await registry.check(visit)


@pytest.mark.requirement("ENT-07")
async def test_ended_session_is_refused(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    await registry.log_in(visit)
    for token in (visit.token, visit.token, "A" * 43, "no token"):
        await registry.stub.EndCardSession(certificate_registry_pb2.EndCardSessionRequest(session_token=token))
    with pytest.raises(Refusal, match="CARD_SESSION_UNKNOWN"):
        await registry.check(visit)


@pytest.mark.requirement("CRD-06")
async def test_registered_card_is_refused_at_log_in(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
        await registry.log_in(Visit(visit.card))


@pytest.mark.requirement("CRD-06")
async def test_card_registered_elsewhere_can_log_in(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    opened = await registry.log_in(Visit(visit.card, agency=CITY))
    assert opened.standing == card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE


@pytest.mark.requirement("ENT-04")
async def test_registered_card_is_new_in_another_category(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    opened = await registry.log_in(Visit(visit.card, category=GOODS))
    assert opened.standing == card_pb2.CARD_STANDING_NEW


@pytest.mark.requirement("CRD-06")
async def test_closed_card_is_refused_and_a_released_one_is_new(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    await registry.end_binding("released", "officer")
    assert (await registry.log_in(Visit(visit.card))).standing == card_pb2.CARD_STANDING_NEW
    await registry.register_new(visit.card)
    await registry.end_binding("closed", "transfer")
    with pytest.raises(Refusal, match="CARD_BINDING_ENDED"):
        await registry.log_in(Visit(visit.card))


@pytest.mark.requirement("REG-05")
async def test_request_id_of_the_registration_opens_a_read_only_session(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    again = Visit(visit.card)
    opened = await registry.log_in(again, resume=visit.request_id)
    assert opened.standing == card_pb2.CARD_STANDING_REGISTERED_HERE
    await registry.check(again)
    with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
        await registry.check_registrable(again)
    # Even if the registration that made it read-only is deleted.
    await registry.execute("DELETE FROM registration")
    with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
        await registry.create_act(again)


async def test_other_request_id_opens_no_read_only_session(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    others, _ = await registry.register_new()
    elsewhere, _ = await registry.register_new(visit.card, agency=CITY)
    for request_id in (str(uuid4()), others.request_id, elsewhere.request_id):
        with pytest.raises(Refusal, match="CARD_ALREADY_REGISTERED"):
            await registry.log_in(Visit(visit.card), resume=request_id)
    with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
        await registry.log_in(Visit(visit.card), resume="1")


async def test_session_is_writable_if_the_request_registered_nothing(
    registry: RunningCertificateRegistry,
) -> None:
    visit = Visit(registry.card())
    opened = await registry.log_in(visit, resume=visit.request_id)
    assert opened.standing == card_pb2.CARD_STANDING_NEW
    await registry.sign_act(visit)
    await registry.register(visit)


async def test_expired_sessions_and_cards_are_deleted(registry: RunningCertificateRegistry) -> None:
    await registry.log_in(Visit(registry.card()))
    registered, _ = await registry.register_new()
    registry.pass_time(timedelta(days=1, minutes=1))
    await registry.run_task("delete_sessions")
    assert await registry.rows("SELECT count(*) FROM card_session") == [(0,)]
    assert await registry.rows("SELECT certificate_sha256 FROM card") == [(registered.card.sha256,)]


async def test_challenge_is_known_for_minutes_after_it_expired(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    log_in = signed(visit.card, (await registry.challenge(visit)).purpose)
    for minutes, reason in ((6, "CHALLENGE_EXPIRED"), (8, "CHALLENGE_EXPIRED"), (2, "CHALLENGE_UNKNOWN")):
        registry.pass_time(timedelta(minutes=minutes))
        await registry.run_task("delete_challenges")
        with pytest.raises(Refusal, match=reason):
            await registry.open(visit, log_in)


async def test_anonymous_calls_leave_nothing_after_minutes(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    await registry.stub.CreateChallenge(
        certificate_registry_pb2.CreateChallengeRequest(
            operation=REGISTRATION,
            agency=visit.agency,
            category=visit.category,
            certificate=visit.card.der,
            # Nothing of this belongs to the card's chain.
            other_certificates=[registry.card().der, b"garbage" * 1000],
        )
    )
    assert await registry.rows("SELECT other_certificates FROM challenge") == [([],)]
    await registry.execute(
        "INSERT INTO challenge SELECT sha256(number::text::bytea), purpose_sha256, certificate_sha256, "
        "other_certificates, created_at FROM challenge, generate_series(1, 9999) number"
    )
    registry.pass_time(timedelta(minutes=14))
    await registry.run_task("delete_challenges")
    assert await registry.rows("SELECT count(*) FROM challenge") == [(10_000,)]
    registry.pass_time(timedelta(minutes=2))
    await registry.run_task("delete_challenges")
    # Nor is there a card or a session of it, or work for anybody.
    assert await registry.rows(
        "SELECT (SELECT count(*) FROM challenge), (SELECT count(*) FROM card), (SELECT count(*) FROM card_session), "
        "(SELECT count(*) FROM history_entry), (SELECT count(*) FROM jobs.procrastinate_jobs)"
    ) == [(0, 0, 0, 0, 0)]


def test_challenges_are_deleted_every_minute(registry: RunningCertificateRegistry) -> None:
    assert [one.cron for one in registry.work.periodics if one.name == "delete_challenges"] == ["* * * * *"]


async def test_only_the_front_door_may_open_sessions(registry: RunningCertificateRegistry) -> None:
    request = certificate_registry_pb2.CreateChallengeRequest(
        operation=REGISTRATION, agency=CITY, category=WORKS, certificate=registry.card().der
    )
    for name, caller in registry.callers.items():
        if name != "front-door":
            with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
                await caller.CreateChallenge(request)


def _whole(moment: datetime, *, days: int) -> datetime:
    return (moment + timedelta(days=days)).replace(microsecond=0)
