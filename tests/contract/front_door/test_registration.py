"""The front door over gRPC: its public listener, and its peers over mTLS."""

from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
import rfc8785
from google.protobuf.json_format import MessageToDict

from refusals import Code, Refusal
from servicekit.token_buckets import Rate, TokenBuckets
from tests.support.contractor import Contractor, contact_of, signed
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, VILLAGE, WORKS, example_profile
from tests.support.services.front_door import COMPANY, PASSWORD, RunningFrontDoor, running_front_door
from toroku.certificate.v1 import card_pb2
from toroku.contact.v1.contact_pb2 import ContactForm
from toroku.frontdoor.v1 import entry_pb2, entry_pb2_grpc, front_door_pb2, registration_pb2, registration_pb2_grpc


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


async def refusal_of(step: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await step  # type: ignore[misc]
    return caught.value


async def prepared(contractor: Contractor) -> Contractor:
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()
    return contractor


@pytest.mark.requirement("REG-01")
@pytest.mark.requirement("REG-06")
async def test_registration_runs_from_the_log_in_to_the_receipt(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    receipt = await contractor.whole()
    assert receipt.request_id == contractor.request_id
    assert (receipt.registration.bidder_id, receipt.registration.agency) == (BIDDER, PREFECTURE)
    assert receipt.company.name == COMPANY
    assert receipt.card.certificate_sha256 == contractor.card.sha256
    assert receipt.card_contact == contractor.card_contact
    assert receipt.representative_contact == contractor.representative_contact
    # qualification-registry compares the company name of the certificate.
    assert front_door.bidders.searches[0].certificate_company_name == COMPANY


async def test_registration_asks_each_peer_for_each_thing_once(front_door: RunningFrontDoor) -> None:
    front_door.contacts.representatives[BIDDER, WORKS] = contact_of("代表 次郎")
    await front_door.contractor().whole()
    # One check of the session in each step after the log-in, which also gives the card that the step is about; one
    # confirmation before the act is signed, one at the commit (ADR 21).
    assert front_door.cards.calls == {
        "CreateChallenge": 1,
        "OpenCardSession": 1,
        "CheckCardSession": 3,
        "CheckRegistrable": 1,
        "CreateActChallenge": 1,
        "Register": 1,
    }
    assert front_door.bidders.calls == {"FindBidder": 1, "ConfirmBidder": 2}
    assert front_door.contacts.calls == {"GetRepresentativeContact": 1, "StageContacts": 1, "GetStagedContacts": 1}


@pytest.mark.requirement("REG-09")
async def test_act_contains_the_hash_of_the_form_and_plain_lines(front_door: RunningFrontDoor) -> None:
    contractor = await prepared(front_door.contractor())
    purpose = front_door.cards.challenges[contractor.prepared.purpose]
    form = contractor.prepared.form
    assert form == front_door_pb2.RegistrationForm(
        request_id=contractor.request_id,
        instance="example",
        agency=PREFECTURE,
        category=WORKS,
        bidder_id=BIDDER,
        certificate_sha256=contractor.card.sha256,
        card_contact=contractor.card_contact,
        representative_contact=contractor.representative_contact,
    )
    canonical = rfc8785.dumps(MessageToDict(form, preserving_proto_field_name=True))
    assert purpose["request_sha256"] == sha256(canonical).hexdigest()
    text = "\n".join(purpose["lines"])
    assert BIDDER in text
    assert COMPANY in text
    assert str(contractor.card.certificate.serial_number) in text
    # The act stays in the history for good, so its lines contain nothing of the contacts.
    assert contractor.card_contact.mail_address not in text
    assert contractor.card_contact.person_name not in text


async def test_purpose_is_passed_on_unchanged(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    begun = await contractor.begin()
    assert begun.purpose in front_door.cards.challenges
    assert begun.card.certificate_sha256 == contractor.card.sha256
    assert begun.HasField("expires_at")


@pytest.mark.parametrize(
    ("agency", "category", "reason"),
    [
        ("nowhere", WORKS, "AGENCY_UNKNOWN"),
        (PREFECTURE, "potions", "CATEGORY_UNKNOWN"),
        (VILLAGE, GOODS, "CATEGORY_NOT_OFFERED"),
        ("pre\x00fecture", WORKS, "FIELDS_INVALID"),
    ],
)
@pytest.mark.requirement("ENT-03", "met")
async def test_wrong_agency_or_category_is_refused_before_any_peer_is_called(
    front_door: RunningFrontDoor, agency: str, category: str, reason: str
) -> None:
    refusal = await refusal_of(front_door.contractor(agency=agency, category=category).begin())
    assert refusal.reason == reason
    assert refusal.violations
    assert not front_door.cards.calls


@pytest.mark.requirement("ENT-05")
async def test_refusal_outside_opening_hours_says_when_it_opens(
    front_door: RunningFrontDoor,
) -> None:
    front_door.clock.japan(20, 0)
    refusal = await refusal_of(front_door.contractor().begin())
    assert refusal.reason == "OUTSIDE_OPENING_HOURS"
    assert refusal.metadata["opens_next"] == "2026-11-30T08:30:00+09:00"
    assert not front_door.cards.calls


@pytest.mark.requirement("ENT-05")
@pytest.mark.parametrize(("minute", "registers"), [(9, True), (10, False)])
async def test_registration_begun_in_time_may_finish_within_the_grace(
    front_door: RunningFrontDoor, minute: int, registers: bool
) -> None:
    contractor = front_door.contractor()
    front_door.clock.japan(19, 59)
    await contractor.enter()
    front_door.clock.japan(20, 5)
    await contractor.check_session()
    front_door.clock.japan(20, minute)
    if registers:
        await contractor.find()
        await contractor.prepare()
        assert (await contractor.register()).registration.bidder_id == BIDDER
    else:
        assert (await refusal_of(contractor.find())).reason == "OUTSIDE_OPENING_HOURS"


@pytest.mark.requirement("ENT-05")
async def test_act_signed_in_time_is_refused_after_the_grace(front_door: RunningFrontDoor) -> None:
    front_door.clock.japan(19, 55)
    contractor = await prepared(front_door.contractor())
    front_door.clock.japan(20, 4)
    await contractor.check_session()
    front_door.clock.japan(20, 11)
    assert (await refusal_of(contractor.register())).reason == "OUTSIDE_OPENING_HOURS"
    assert (await refusal_of(contractor.prepare())).reason == "OUTSIDE_OPENING_HOURS"
    assert front_door.cards.calls["Register"] == 0


@pytest.mark.requirement("ENT-05")
@pytest.mark.requirement("REG-05")
async def test_existing_outcome_is_returned_at_any_hour(front_door: RunningFrontDoor) -> None:
    front_door.clock.japan(19, 55)
    contractor = await prepared(front_door.contractor())
    first = await contractor.register()
    # The same again in the old session while it lasts, after the grace, and from a new session of the same card.
    front_door.clock.japan(20, 4)
    assert await contractor.register() == first
    front_door.clock.japan(20, 11)
    assert await contractor.register() == first
    front_door.clock.japan(22, 0)
    await contractor.begin(resume=contractor.request_id)
    opened = await contractor.log_in(resume=contractor.request_id)
    assert opened.standing == card_pb2.CARD_STANDING_REGISTERED_HERE
    assert await contractor.receipt() == first


@pytest.mark.requirement("ENT-05")
async def test_session_resumed_outside_opening_hours_registers_nothing(front_door: RunningFrontDoor) -> None:
    front_door.clock.japan(22, 0)
    contractor = front_door.contractor()
    await contractor.begin(resume=contractor.request_id)
    await contractor.log_in(resume=contractor.request_id)
    assert (await refusal_of(contractor.receipt())).reason == "REGISTRATION_NOT_FOUND"
    assert (await refusal_of(contractor.find())).reason == "OUTSIDE_OPENING_HOURS"
    assert not front_door.bidders.calls


@pytest.mark.requirement("REG-05")
async def test_registration_is_repeatable_after_a_lost_answer(front_door: RunningFrontDoor) -> None:
    contractor = await prepared(front_door.contractor())

    def lose() -> None:
        front_door.cards.before_answer = None
        raise Refusal("PEER_FAILED")

    front_door.cards.before_answer = lose
    assert (await refusal_of(contractor.register())).reason == "PEER_FAILED"
    again = await contractor.register()
    assert again.registration == next(iter(front_door.cards.outcomes.values())).registration
    assert len(front_door.cards.outcomes) == 1


@pytest.mark.requirement("REG-05")
async def test_registration_is_repeatable_while_contacts_are_unavailable(front_door: RunningFrontDoor) -> None:
    contractor = await prepared(front_door.contractor())

    def fail() -> None:
        front_door.contacts.before_answer = None
        raise Refusal("PEER_FAILED")

    front_door.contacts.before_answer = fail
    assert (await refusal_of(contractor.register())).reason == "PEER_FAILED"
    assert (await contractor.register()).card_contact == contractor.card_contact


@pytest.mark.requirement("LIF-05")
async def test_receipt_has_the_promised_digest_and_its_proof_once_there_is_one(front_door: RunningFrontDoor) -> None:
    contractor = await prepared(front_door.contractor())
    promised = await contractor.register()
    assert len(promised.history_digest) == 32
    assert promised.history_receipt == ""
    assert await contractor.receipt() == promised
    front_door.cards.outcomes[contractor.card.sha256, contractor.request_id].history_receipt = "the proof"
    receipt = await contractor.receipt()
    assert (receipt.history_digest, receipt.history_receipt) == (promised.history_digest, "the proof")


async def test_receipt_of_another_agency_or_card_is_not_found(front_door: RunningFrontDoor) -> None:
    contractor = await prepared(front_door.contractor())
    await contractor.register()
    other_card = front_door.contractor(request_id=contractor.request_id)
    await other_card.enter()
    assert (await refusal_of(other_card.receipt())).reason == "REGISTRATION_NOT_FOUND"
    elsewhere = front_door.contractor(contractor.card, agency=CITY, request_id=contractor.request_id)
    await elsewhere.enter()
    assert (await refusal_of(elsewhere.receipt())).reason == "REGISTRATION_NOT_FOUND"


@pytest.mark.requirement("CRD-06")
async def test_card_of_another_bidder_is_refused_at_the_search(front_door: RunningFrontDoor) -> None:
    first = front_door.contractor()
    await first.whole()
    front_door.bidders.add(OTHER_BIDDER, "別の建設株式会社", PASSWORD)
    second = front_door.contractor(first.card, agency=CITY, bidder_id=OTHER_BIDDER, company_name="別の建設株式会社")
    await second.enter()
    assert (await refusal_of(second.find())).reason == "CARD_BOUND_TO_ANOTHER_BIDDER"
    assert front_door.cards.calls["CreateActChallenge"] == 1


@pytest.mark.requirement("CRD-06")
async def test_same_card_and_bidder_register_at_a_further_agency(
    front_door: RunningFrontDoor,
) -> None:
    first = front_door.contractor()
    await first.whole()
    again = front_door.contractor(first.card, agency=CITY)
    await again.begin()
    assert (await again.log_in()).standing == card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE
    await again.find()
    await again.prepare()
    assert (await again.register()).registration.agency == CITY


@pytest.mark.requirement("REG-03")
async def test_existing_representative_contact_is_shown_and_not_required(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    assert (await contractor.find()).representative_contact_wanted
    existing = contact_of("代表 次郎")
    front_door.contacts.representatives[BIDDER, WORKS] = existing
    result = await contractor.find()
    assert not result.representative_contact_wanted
    assert result.representative_contact == existing
    response = await contractor.prepare()
    assert response.representative_contact == existing
    assert not response.form.HasField("representative_contact")
    assert (await contractor.register()).representative_contact == existing


async def test_empty_representative_contact_counts_as_none(front_door: RunningFrontDoor) -> None:
    front_door.contacts.representatives[BIDDER, WORKS] = contact_of("代表 次郎")
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    empty = await contractor.prepare(lambda request: request.representative_contact.contact.SetInParent())
    assert not empty.form.HasField("representative_contact")


@pytest.mark.requirement("REG-09")
async def test_dry_run_checks_the_form_and_stores_nothing(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    response = await contractor.prepare(lambda request: setattr(request, "validate_only", True))
    assert response.purpose == b""
    assert response.form.card_contact == contractor.card_contact
    assert response.company.name == COMPANY
    assert front_door.stored_counts() == (0, 0, 0)
    contractor.card_contact = contact_of("土" * 21)
    refusal = await refusal_of(contractor.prepare(lambda request: setattr(request, "validate_only", True)))
    assert [violation.field for violation in refusal.violations] == ["card_contact.person_name"]


@pytest.mark.requirement("REG-02")
async def test_wrong_form_is_refused_at_its_fields_and_stores_nothing(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    contractor.card_contact = contact_of("土木 一郎", mail_address="nobody", postal_code="1234567")
    await contractor.enter()
    await contractor.find()
    refusal = await refusal_of(contractor.prepare())
    assert refusal.reason == "FIELDS_INVALID"
    assert {violation.field for violation in refusal.violations} == {
        "card_contact.mail_address",
        "card_contact.postal_code",
    }
    assert front_door.stored_counts() == (0, 0, 0)


async def test_refused_act_stages_no_contacts(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    front_door.cards.bindings[WORKS, contractor.card.sha256] = OTHER_BIDDER
    assert (await refusal_of(contractor.prepare())).reason == "CARD_BOUND_TO_ANOTHER_BIDDER"
    assert front_door.stored_counts()[0] == 0


@pytest.mark.parametrize("validate_only", [False, True])
async def test_refusal_of_the_card_is_said_before_that_of_the_bidder(
    front_door: RunningFrontDoor, validate_only: bool
) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    del front_door.bidders.companies[BIDDER]
    refusal = await refusal_of(contractor.prepare(lambda request: setattr(request, "validate_only", validate_only)))
    assert refusal.reason == "BIDDER_NOT_QUALIFIED"
    front_door.cards.bindings[WORKS, contractor.card.sha256] = OTHER_BIDDER
    refusal = await refusal_of(contractor.prepare(lambda request: setattr(request, "validate_only", validate_only)))
    assert refusal.reason == "CARD_BOUND_TO_ANOTHER_BIDDER"
    assert not front_door.contacts.staged


async def test_proof_for_another_card_is_refused_and_shows_no_company(front_door: RunningFrontDoor) -> None:
    owner, thief = front_door.contractor(), front_door.contractor()
    await owner.enter()
    await owner.find()
    await thief.enter()
    thief.found = owner.found
    assert (await refusal_of(thief.prepare())).reason == "BIDDER_PROOF_FOR_ANOTHER_CARD"
    assert front_door.stored_counts()[0] == 0


@pytest.mark.parametrize("statement", [b"", b"\xff\xff\xff", b"\x12\x03abc"])
async def test_unreadable_proof_is_refused(front_door: RunningFrontDoor, statement: bytes) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    contractor.found.proof.statement = statement
    assert (await refusal_of(contractor.prepare())).reason == "BIDDER_PROOF_INVALID"


@pytest.mark.parametrize("request_id", ["", "not a uuid", "x" * 200, "{8d8ac610-566d-4ef0-9c22-186b2a5ed793}"])
async def test_malformed_request_id_is_refused(front_door: RunningFrontDoor, request_id: str) -> None:
    contractor = await prepared(front_door.contractor())
    contractor.request_id = request_id
    assert (await refusal_of(contractor.prepare())).reason == "REQUEST_ID_INVALID"
    assert (await refusal_of(contractor.register())).reason == "REQUEST_ID_INVALID"
    assert (await refusal_of(contractor.receipt())).reason == "REQUEST_ID_INVALID"


@pytest.mark.requirement("ENT-07")
async def test_ended_session_is_refused(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    stub = entry_pb2_grpc.EntryStub(front_door.channel)
    for _ in range(2):
        await stub.EndSession(entry_pb2.EndSessionRequest(session_token=contractor.session_token))
    assert (await refusal_of(contractor.find())).reason == "CARD_SESSION_UNKNOWN"
    assert not front_door.bidders.calls


async def test_search_without_a_session_is_refused(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    assert (await refusal_of(contractor.find())).reason == "CARD_SESSION_UNKNOWN"
    assert not front_door.bidders.calls


@pytest.mark.requirement("QUA-06")
async def test_refused_search_calls_no_other_peer(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    refusal = await refusal_of(contractor.find(password="zzzzzzzz"))
    assert refusal.reason == "BIDDER_NOT_FOUND"
    assert not front_door.contacts.calls
    assert front_door.cards.calls["CheckRegistrable"] == 0


async def test_oversized_message_is_refused_unread(front_door: RunningFrontDoor) -> None:
    stub = registration_pb2_grpc.RegistrationStub(front_door.channel)
    request = registration_pb2.BeginRegistrationRequest(agency=PREFECTURE, category=WORKS, certificate=bytes(70_000))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.BeginRegistration(request)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not front_door.cards.calls


async def test_deadline_of_a_peer_call_is_the_callers(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    stub = registration_pb2_grpc.RegistrationStub(front_door.channel)
    request = registration_pb2.BeginRegistrationRequest(
        agency=PREFECTURE, category=WORKS, certificate=contractor.card.der
    )
    await stub.BeginRegistration(request, timeout=3)
    await stub.BeginRegistration(request)
    with_deadline, without_deadline = front_door.cards.seconds_left
    # gRPC rounds what is left by a tenth of a second or so.
    assert 0 < with_deadline < 4 < without_deadline < 11


async def test_sampled_call_has_a_span_for_every_peer_call(front_door: RunningFrontDoor) -> None:
    contractor = await prepared(front_door.contractor())
    trace_id = uuid4().hex
    stub = registration_pb2_grpc.RegistrationStub(front_door.channel)
    await stub.Register(
        registration_pb2.RegisterRequest(
            session_token=contractor.session_token,
            agency=PREFECTURE,
            category=WORKS,
            proof=contractor.found.proof,
            request_id=contractor.request_id,
            act=signed(contractor.card, contractor.prepared.purpose),
        ),
        metadata=(("traceparent", f"00-{trace_id}-{'1' * 16}-01"),),
    )
    spans = {span.name: span for span in front_door.spans.get_finished_spans()}
    entry = spans["/toroku.frontdoor.v1.Registration/Register"]
    assert entry.context is not None
    for name in (
        "call certificate-registry CheckCardSession",
        "call certificate-registry Register",
        "call contact-notification GetStagedContacts",
    ):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == entry.context.span_id
        assert f"{entry.context.trace_id:032x}" == trace_id


async def test_logs_contain_no_secrets(front_door: RunningFrontDoor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    contractor = await prepared(front_door.contractor())
    front_door.clock.now += timedelta(hours=20)
    await refusal_of(contractor.find(password="geheim77"))
    assert PASSWORD not in caplog.text
    assert "geheim77" not in caplog.text
    assert contractor.session_token not in caplog.text


async def test_differing_second_mail_address_is_refused(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()

    def differ(request: registration_pb2.PrepareRegistrationRequest) -> None:
        request.card_contact.CopyFrom(
            ContactForm(contact=contractor.card_contact, mail_address_again="other@contractor.example")
        )

    refusal = await refusal_of(contractor.prepare(differ))
    assert [violation.reason for violation in refusal.violations] == ["MAIL_ADDRESSES_DIFFER"]


async def test_one_certificate_that_comes_too_often_is_refused_and_others_are_not(tmp_path: Path) -> None:
    log_ins = TokenBuckets(Rate(burst=3, per_second=0.01))
    async with running_front_door(example_profile(), tmp_path, log_ins=log_ins) as front_door:
        repeated = front_door.contractor()
        for _ in range(3):
            await repeated.begin()
        refusal = await refusal_of(repeated.begin())
        assert (refusal.reason, refusal.code) == ("TOO_MANY_CALLS", Code.RESOURCE_EXHAUSTED)
        assert 0 < int(refusal.metadata["retry_after_seconds"]) <= 100
        await front_door.contractor().enter()
        # What was begun goes on.
        await repeated.log_in()
