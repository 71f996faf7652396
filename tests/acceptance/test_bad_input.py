"""Invalid requests are refused with a specific reason, and change nothing."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes

from instance_profile.name_pieces import spell_out
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_rsa_key
from tests.support.contractor import Contractor, altered, contact_of, signed
from tests.support.running_instance import RunningInstance
from toroku.act.v1 import signed_purpose_pb2
from toroku.frontdoor.v1 import registration_pb2

DAY = timedelta(days=1)


async def refusal_of(step: object) -> Refusal:
    """The refusal of a step."""
    with pytest.raises(Refusal) as caught:
        await step  # type: ignore[misc]
    return caught.value


@pytest.mark.requirement("ENT-03")
@pytest.mark.parametrize(
    ("agency", "category", "reason"),
    [
        ("atlantis-city", "works", "AGENCY_UNKNOWN"),
        ("saitama-prefecture", "potions", "CATEGORY_UNKNOWN"),
        ("without-goods", "goods", "CATEGORY_NOT_OFFERED"),
        ("", "", "AGENCY_UNKNOWN"),
        ("saitama-prefecture\x00", "works", "FIELDS_INVALID"),
    ],
)
async def test_invalid_entry_is_refused(instance: RunningInstance, agency: str, category: str, reason: str) -> None:
    contractor = instance.contractor()
    contractor.agency = instance.agency_without("goods") if agency == "without-goods" else agency
    contractor.category = category
    refusal = await refusal_of(contractor.begin())
    assert refusal.reason == reason


def _expired(instance: RunningInstance) -> IssuedCard:
    return instance.ca.issue(not_before=datetime.now(UTC) - 40 * DAY, not_after=datetime.now(UTC) - DAY)


def _not_yet_valid(instance: RunningInstance) -> IssuedCard:
    return instance.ca.issue(not_before=datetime.now(UTC) + DAY, not_after=datetime.now(UTC) + 40 * DAY)


@pytest.mark.requirement("CRD-05")
@pytest.mark.requirement("LIF-01")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: CertificateAuthority.create("Somebody Else CA").issue(), "CERTIFICATE_AUTHORITY_UNKNOWN"),
        # The same name as the instance's CA, but another key: the key is pinned.
        (lambda _: CertificateAuthority.create().issue(), "CERTIFICATE_AUTHORITY_UNKNOWN"),
        (_expired, "CERTIFICATE_EXPIRED"),
        (_not_yet_valid, "CERTIFICATE_NOT_YET_VALID"),
        (lambda instance: instance.ca.issue(hash_algorithm=hashes.SHA1()), "CERTIFICATE_KEY_WEAK"),  # noqa: S303
        (lambda instance: instance.ca.issue(key=new_rsa_key(1024)), "CERTIFICATE_KEY_WEAK"),
        (lambda instance: instance.ca.issue(key_usage=("key_encipherment",)), "CERTIFICATE_NOT_FOR_SIGNING"),
        (lambda instance: instance.revoked_card, "CERTIFICATE_REVOKED"),
    ],
    ids=["unknown CA", "CA of the same name", "expired", "not yet valid", "SHA-1", "RSA-1024", "no signing", "revoked"],
)
async def test_unacceptable_card_is_refused(
    instance: RunningInstance, make: Callable[[RunningInstance], IssuedCard], reason: str
) -> None:
    contractor = instance.contractor(card=make(instance))
    assert (await refusal_of(contractor.begin())).reason == reason


@pytest.mark.requirement("CRD-05")
async def test_malformed_certificate_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    for content in (b"", b"not a certificate", contractor.card.der[:-7], b"\x30\x82" + b"\xff" * 4000):
        request = registration_pb2.BeginRegistrationRequest(
            agency=contractor.agency, category=contractor.category, certificate=content
        )
        refusal = await refusal_of(contractor.call("BeginRegistration", request))
        assert refusal.reason in {"CERTIFICATE_MALFORMED", "FIELDS_INVALID"}


async def test_signature_over_another_nonce_is_refused(instance: RunningInstance) -> None:
    contractor, other = instance.contractor(), instance.contractor()
    await contractor.begin()
    await other.begin()
    purpose = altered(contractor.log_in_purpose, nonce=json.loads(other.log_in_purpose)["nonce"])
    assert (await refusal_of(contractor.log_in(signed(contractor.card, purpose)))).reason == "PURPOSE_ALTERED"


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("instance", "aomori", "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ("operation", "change", "PURPOSE_FOR_ANOTHER_OPERATION"),
        ("operation", "renewal", "PURPOSE_MALFORMED"),
        ("operation", "withdrawal", "PURPOSE_OPERATION_UNKNOWN"),
        ("agency", "kawagoe-city", "PURPOSE_FOR_ANOTHER_AGENCY"),
        ("category", "goods", "PURPOSE_FOR_ANOTHER_CATEGORY"),
        ("certificate_sha256", "00" * 32, "PURPOSE_FOR_ANOTHER_CARD"),
    ],
)
async def test_purpose_for_another_scope_is_refused(
    instance: RunningInstance, key: str, value: str, reason: str
) -> None:
    contractor = instance.contractor(agency="saitama-prefecture")
    await contractor.begin()
    purpose = altered(contractor.log_in_purpose, **{key: value})
    assert (await refusal_of(contractor.log_in(signed(contractor.card, purpose)))).reason == reason


async def test_nonce_is_accepted_once(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    assert (await refusal_of(contractor.log_in())).reason == "CHALLENGE_USED"


async def test_signature_by_another_card_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.begin()
    forged = signed(instance.ca.issue(), contractor.log_in_purpose)
    assert (await refusal_of(contractor.log_in(forged))).reason == "SIGNATURE_INVALID"


async def test_session_is_valid_for_its_scope_only(instance: RunningInstance) -> None:
    contractor, other = instance.contractor(agency="saitama-prefecture"), instance.contractor()
    await contractor.enter()
    token = contractor.session_token

    contractor.agency = instance.other_agencies(contractor)[0]
    assert (await refusal_of(contractor.find())).reason == "CARD_SESSION_FOR_ANOTHER_AGENCY"
    contractor.agency, contractor.category = "saitama-prefecture", "goods"
    assert (await refusal_of(contractor.find())).reason == "CARD_SESSION_FOR_ANOTHER_CATEGORY"
    contractor.category, contractor.session_token = "works", token[:-2] + "AA"
    assert (await refusal_of(contractor.find())).reason == "CARD_SESSION_UNKNOWN"

    # The session of another card with the proof of the first one.
    contractor.session_token = token
    await contractor.find()
    other.agency, other.category = contractor.agency, contractor.category
    await other.enter()
    other.found = contractor.found
    assert (await refusal_of(other.prepare())).reason == "BIDDER_PROOF_FOR_ANOTHER_CARD"


async def test_forged_bidder_proof_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    signature = contractor.found.proof.signature
    contractor.found.proof.signature = signature[:-1] + bytes([signature[-1] ^ 1])
    assert (await refusal_of(contractor.prepare())).reason == "BIDDER_PROOF_INVALID"


@pytest.mark.requirement("REG-09")
@pytest.mark.parametrize(
    "change",
    [
        {"lines": ["このカードで何も行いません。"]},
        {"bidder_id": "9999999999"},
        {"request_sha256": "00" * 32},
    ],
    ids=["text", "bidder", "form"],
)
async def test_altered_act_is_refused(instance: RunningInstance, change: dict[str, object]) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()
    act = signed(contractor.card, altered(contractor.prepared.purpose, **change))
    assert (await refusal_of(contractor.register(act))).reason.startswith("PURPOSE_")
    assert (await instance.resolve(contractor)).bidder_id == ""
    # The issued act is still valid.
    await contractor.register()


async def test_act_signed_by_another_card_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()
    act = signed(instance.ca.issue(), contractor.prepared.purpose)
    assert (await refusal_of(contractor.register(act))).reason == "SIGNATURE_INVALID"


@pytest.mark.requirement("REG-05")
async def test_request_id_with_other_content_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()
    contractor.card_contact = contact_of("別人 一郎")
    assert (await refusal_of(contractor.prepare())).reason == "REQUEST_ID_REUSED"
    contractor.request_id = "not a uuid"
    assert (await refusal_of(contractor.prepare())).reason == "REQUEST_ID_INVALID"
    # A corrected form is a new request.
    contractor.request_id = str(uuid4())
    await contractor.prepare()
    assert (await contractor.register()).card_contact.person_name == "別人 一郎"


@pytest.mark.requirement("QUA-02")
@pytest.mark.requirement("QUA-06")
async def test_wrong_name_id_and_password_give_the_same_refusal(instance: RunningInstance) -> None:
    answers = []
    for changes in ({"name": "架空工業株式会社"}, {"bidder_id": "9999999999"}, {"password": "zzzzzzzz"}):
        contractor = instance.contractor()
        await contractor.enter()
        refusal = await refusal_of(contractor.find(**changes))
        answers.append((refusal.reason, refusal.code, refusal.metadata, refusal.violations))
    assert answers[0][0] == "BIDDER_NOT_FOUND"
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.requirement("QUA-02", "met")
async def test_search_takes_the_manuals_shapes_only_and_all_three_fields(instance: RunningInstance) -> None:
    wrong = {
        "name": ("", "（株）架空工業", "株式会社ｶｸｳ工業"),
        "bidder_id": ("", "100000001", "10000000011", "１０００００００００１", "A000000001"),
        "password": ("", "Ab3dE6g", "Ab3dE6gHi", "Ａb3dE6gH", "Ab3-E6gH"),
    }
    contractor = instance.contractor()
    await contractor.enter()
    for field, values in wrong.items():
        for value in values:
            refusal = await refusal_of(contractor.find(**{field: value}))
            assert refusal.reason == "FIELDS_INVALID", value
            assert {violation.field for violation in refusal.violations} == {field}, value
    # None of them counted as a try. The name is the head office's, without a branch.
    branch = f"{spell_out(contractor.company_name)}関東支社"
    assert (await refusal_of(contractor.find(name=branch))).reason == "BIDDER_NOT_FOUND"
    await contractor.find()


@pytest.mark.requirement("QUA-06")
async def test_too_many_tries_throttle_only_that_card(instance: RunningInstance) -> None:
    guesser = instance.contractor()
    await guesser.enter()
    reasons = [(await refusal_of(guesser.find(password="zzzzzzzz"))).reason for _ in range(6)]
    assert reasons == ["BIDDER_NOT_FOUND"] * 5 + ["TOO_MANY_TRIES"]

    owner = instance.contractor(bidder=instance.bidder_of(guesser))
    await owner.enter()
    await owner.find()


@pytest.mark.requirement("REG-02")
@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("department", "あ" * 61, "FIELD_TOO_LONG"),
        ("address", "あ" * 61, "FIELD_TOO_LONG"),
        ("person_name", "あ" * 21, "FIELD_TOO_LONG"),
        ("mail_address", "a" * 95 + "@b.example", "FIELD_TOO_LONG"),
        ("person_name", "", "FIELD_REQUIRED"),
        ("person_name", "山田\x00太郎", "FIELD_HAS_CONTROL_CHARACTERS"),
        ("person_name", "山田\r\nBcc: everybody@example.com", "FIELD_HAS_CONTROL_CHARACTERS"),
        ("postal_code", "１２３-４５６７", "FIELD_NOT_HALF_WIDTH"),
        ("postal_code", "1234567", "POSTAL_CODE_INVALID"),
        ("telephone", "０４８-０００-００００", "FIELD_NOT_HALF_WIDTH"),
        ("telephone", "tel 048", "TELEPHONE_INVALID"),
        ("mail_address", "not-an-address", "MAIL_ADDRESS_INVALID"),
    ],
)
async def test_invalid_contact_field_is_refused(instance: RunningInstance, field: str, value: str, reason: str) -> None:
    contractor = instance.contractor()
    contractor.card_contact = contact_of("土木 一郎", **{field: value})
    await contractor.enter()
    await contractor.find()
    refusal = await refusal_of(contractor.prepare())
    assert refusal.reason == "FIELDS_INVALID"
    assert (f"card_contact.{field}", reason) in [
        (violation.field, violation.reason) for violation in refusal.violations
    ]


@pytest.mark.requirement("REG-02")
async def test_differing_mail_addresses_are_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    refusal = await refusal_of(
        contractor.prepare(lambda request: setattr(request.card_contact, "mail_address_again", "other@x.example"))
    )
    assert [violation.reason for violation in refusal.violations] == ["MAIL_ADDRESSES_DIFFER"]


async def test_oversized_message_is_refused(instance: RunningInstance) -> None:
    contractor: Contractor = instance.contractor()
    request = registration_pb2.BeginRegistrationRequest(agency="saitama-prefecture", certificate=b"\x30" * 1_000_000)
    assert (await refusal_of(contractor.call("BeginRegistration", request))).reason == "PEER_FAILED"


async def test_load_by_strangers_does_not_affect_others(instance: RunningInstance) -> None:
    strangers = [instance.contractor(card=CertificateAuthority.create().issue()) for _ in range(3)]
    reasons = await asyncio.gather(*(refusal_of(stranger.begin()) for stranger in strangers for _ in range(10)))
    # Strangers have sixteen places; who finds none is told to come again (ADR 10).
    refused = {refusal.reason for refusal in reasons}
    assert {"CERTIFICATE_AUTHORITY_UNKNOWN"} <= refused <= {"CERTIFICATE_AUTHORITY_UNKNOWN", "CERTIFICATE_CHECKS_BUSY"}
    await instance.contractor().whole()


def test_signature_algorithms_below_sha_256_do_not_exist() -> None:
    names = signed_purpose_pb2.SignatureAlgorithm.keys()
    assert not [name for name in names if "SHA1" in name or "MD5" in name]
