"""The operation 登録 at the front door, from the choice of the agency to the receipt (REG-01).

The card signs twice: the log-in opens a session, the act registers. Before the second signature the act is compared
with the values typed here, and the bidder with the one searched for, so that no attacker in between can have another
act signed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import grpc

from card_agent.console import words
from card_agent.console.field_names import CARD_CONTACT, REPRESENTATIVE_CONTACT
from card_agent.console.person import Answer, Option, Person, Question, Row
from card_agent.console.place import Place
from card_agent.console.words import Words, to_words
from card_agent.media.token import TokenMedium
from card_agent.registration.company import list_company_rows, name_company
from card_agent.registration.contacts import TypedContacts, show_contact
from card_agent.registration.greeting import greet, introduce_search
from card_agent.registration.receipt import list_receipt_sections, must_print
from card_agent.registration.unfinished import RegistrationKey, UnfinishedRegistration, UnfinishedRegistrations
from card_agent.signing.card_use import (
    SigningCard,
    choose_display,
    list_certificate_rows,
    read_card,
    show_purpose,
)
from card_agent.signing.certificate import describe_card
from card_agent.signing.purpose import ExpectedPurpose, ExpectedRequest, ShownPurpose
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from signed_acts.request import hash_canonical
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2, registration_pb2
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub

if TYPE_CHECKING:
    from toroku.frontdoor.v1.entry_pb2_grpc import EntryAsyncStub
    from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationAsyncStub

CALL_SECONDS = 30.0
# Attempts to send a registration whose answer is lost, before the person has to check the network.
ATTEMPTS = 3
# Reasons after which it is unknown whether the registration was made.
_OUTCOME_UNKNOWN = {"PEER_UNREACHABLE", "PEER_FAILED", "INTERNAL_FAILURE", "DATABASE_UNAVAILABLE"}
# Reasons after which a new request id is needed.
_REQUEST_ID_SPENT = {"REQUEST_ID_REUSED", "REQUEST_ID_ABANDONED"}

# Characters of a bidder id in a refusal.
_MOST_CHARACTERS = 40

_Response = TypeVar("_Response")


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The gRPC services of the front door that a registration calls."""

    entry: "EntryAsyncStub"
    registration: "RegistrationAsyncStub"

    @classmethod
    def at(cls, channel: grpc.aio.Channel) -> "FrontDoor":
        """Returns the services at the other end of a channel."""
        return cls(EntryStub(channel), RegistrationStub(channel))


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """The receipt of a registration, and the instance, which has the names for the receipt's codes."""

    receipt: front_door_pb2.Receipt
    instance: front_door_pb2.Instance


@dataclass(frozen=True, slots=True)
class _Registration:
    """The state of a registration in progress, which every step needs."""

    front_door: FrontDoor
    person: Person
    unfinished: UnfinishedRegistrations
    instance: front_door_pb2.Instance
    agency: front_door_pb2.Agency
    category: front_door_pb2.Category
    card: SigningCard
    # The card as read by the server.
    server_card: card_pb2.Card = field(default_factory=card_pb2.Card)
    session_token: str = field(default="", repr=False)
    # Whether a purpose is shown with all its values.
    details: bool = False

    @property
    def key(self) -> RegistrationKey:
        return RegistrationKey(
            self.instance.id, self.agency.code, self.category.code, self.card.certificate.sha256.hex()
        )

    @property
    def place(self) -> Place:
        return Place(self.instance, self.agency, self.category, self.server_card.authority)

    def expect_purpose(self, request: ExpectedRequest | None = None) -> ExpectedPurpose:
        card = self.card.certificate.sha256
        return ExpectedPurpose(self.instance.id, self.agency.code, self.category.code, card, request)


async def register(
    front_door: FrontDoor,
    medium: TokenMedium,
    person: Person,
    unfinished: UnfinishedRegistrations,
    *,
    instance_id: str | None = None,
    details: bool = False,
) -> RegistrationResult:
    """Registers the card with the person's answers, and returns the receipt.

    If the answer of an earlier registration was lost, its receipt is fetched first. With `instance_id`, any other
    instance is refused. With `details`, all values of what the card signs are shown, and its lines in every language.
    Raises the refusals of the token (`token.TokenMedium`), of the purpose (`purpose.check_purpose`) and of the server,
    BIDDER_DIFFERS for another bidder than the one typed if nobody can be asked, and REGISTRATION_GIVEN_UP if the person
    cancels.
    """
    instance = (await _call(front_door.entry.DescribeInstance, entry_pb2.DescribeInstanceRequest())).instance
    if instance_id is not None and instance.id != instance_id:
        raise Refusal("INSTANCE_DIFFERS", Code.FAILED_PRECONDITION, {"found": instance.id, "expected": instance_id})
    person.enter(Place(instance))
    greet(person, instance)
    agency, category = _choose_agency_and_category(instance, person)
    card = await read_card(medium, person)
    registration = _Registration(front_door, person, unfinished, instance, agency, category, card, details=details)
    previous = unfinished.find(registration.key)
    registration = await _log_in(registration, previous)
    try:
        receipt = await _fetch_receipt(registration, previous) or await _register(registration, previous)
    finally:
        await _end_session(registration)
    unfinished.delete(registration.key)
    for title, rows in list_receipt_sections(receipt, instance):
        person.show(title, rows)
    person.show_message(words.REGISTERED)
    if must_print(category):
        person.show_message(words.MUST_PRINT)
    return RegistrationResult(receipt, instance)


def _choose_agency_and_category(
    instance: front_door_pb2.Instance, person: Person
) -> tuple[front_door_pb2.Agency, front_door_pb2.Category]:
    options = [Option(agency.code, to_words(agency.name)) for agency in instance.agencies]
    code = person.choose("agency", words.CHOOSE_AGENCY, options)
    agency = next(agency for agency in instance.agencies if agency.code == code)
    categories = [category for category in instance.categories if category.code in agency.categories]
    options = [Option(category.code, to_words(category.name)) for category in categories]
    code = person.choose("category", words.CHOOSE_CATEGORY, options)
    category = next(category for category in categories if category.code == code)
    place = Place(instance, agency, category)
    person.enter(place)
    if place.rules.HasField("holder_rule"):
        person.show_message(to_words(place.rules.holder_rule))
    return agency, category


async def _log_in(registration: _Registration, previous: UnfinishedRegistration | None) -> _Registration:
    certificate = registration.card.certificate
    resume = previous.request_id if previous else ""
    log_in = await _call(
        registration.front_door.registration.BeginRegistration,
        registration_pb2.BeginRegistrationRequest(
            agency=registration.agency.code,
            category=registration.category.code,
            certificate=certificate.der,
            other_certificates=certificate.chain_der,
            resume_request_id=resume,
        ),
    )
    registration = replace(registration, server_card=log_in.card)
    registration.person.enter(registration.place)
    _show_card(registration)
    purpose = registration.card.accept_purpose(log_in.purpose, registration.expect_purpose())
    show_purpose(registration.person, purpose, registration.place, details=registration.details)
    session = await _call(
        registration.front_door.registration.OpenSession,
        registration_pb2.OpenSessionRequest(
            agency=registration.agency.code,
            category=registration.category.code,
            certificate=certificate.der,
            log_in=await registration.card.sign(purpose),
            resume_request_id=resume,
        ),
    )
    if session.standing == card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE:
        registration.person.show_message(registration.place.fill(words.REGISTERED_ELSEWHERE))
    return replace(registration, session_token=session.session_token)


async def _fetch_receipt(
    registration: _Registration, previous: UnfinishedRegistration | None
) -> front_door_pb2.Receipt | None:
    if previous is None:
        return None
    registration.person.show_message(words.LOOKING_FOR_RECEIPT)
    request = registration_pb2.GetReceiptRequest(
        session_token=registration.session_token,
        agency=registration.agency.code,
        category=registration.category.code,
        request_id=previous.request_id,
    )
    try:
        return (await _call(registration.front_door.registration.GetReceipt, request)).receipt
    except Refusal as refusal:
        if refusal.reason != "REGISTRATION_NOT_FOUND":
            raise
    registration.person.show_message(words.NOT_REGISTERED_BEFORE)
    return None


async def _register(registration: _Registration, previous: UnfinishedRegistration | None) -> front_door_pb2.Receipt:
    bidder = await _find_bidder(registration)
    person, category = registration.person, registration.category
    _show_company(registration, bidder)
    if not bidder.representative_contact_wanted and bidder.HasField("representative_contact"):
        person.show_message(registration.place.fill(words.REPRESENTATIVE_CONTACT_STANDS))
    contacts = TypedContacts(category, bidder.representative_contact_wanted)
    contacts.ask(person)
    while True:
        form = await _prepare_until_valid(registration, bidder, contacts, previous)
        _show_destination(registration, bidder)
        _show_card(registration)
        _show_company(registration, bidder)
        contacts.show(person)
        person.show_message(words.CHECK_COMPANIES)
        if _confirm(person, words.CONFIRM_VALUES, may_go_back=True):
            break
        contacts.ask(person)
    act, form = await _prepare_act(registration, bidder, contacts, form)
    show_purpose(person, act, registration.place, details=registration.details)
    _confirm(person, words.CONFIRM_ACT, may_go_back=False)
    signed_act = await registration.card.sign(act)
    request = registration_pb2.RegisterRequest(
        session_token=registration.session_token,
        agency=registration.agency.code,
        category=category.code,
        proof=bidder.proof,
        request_id=form.request_id,
        act=signed_act,
    )
    registration.unfinished.save(UnfinishedRegistration(registration.key, form.request_id, hash_canonical(form).hex()))
    return await _send_until_answered(registration, request)


def _show_destination(registration: _Registration, bidder: registration_pb2.FindBidderResponse) -> None:
    place = registration.place
    rows: list[Row] = [
        (words.CHOOSE_AGENCY, to_words(registration.agency.name)),
        (words.CHOOSE_CATEGORY, to_words(registration.category.name)),
        (place.bidder_id_label, bidder.company.bidder_id),
    ]
    registration.person.show(words.DESTINATION, rows)


def _show_card(registration: _Registration) -> None:
    rows = list_certificate_rows(describe_card(registration.server_card), choose_display(registration.category))
    registration.person.show(words.CARD, rows)


def _show_company(registration: _Registration, bidder: registration_pb2.FindBidderResponse) -> None:
    person, category = registration.person, registration.category
    person.show(words.COMPANY, list_company_rows(bidder.company, registration.place))
    if not bidder.representative_contact_wanted and bidder.HasField("representative_contact"):
        show_contact(person, REPRESENTATIVE_CONTACT, bidder.representative_contact, category)


async def _find_bidder(registration: _Registration) -> registration_pb2.FindBidderResponse:
    values: dict[str, str] = {}
    person = registration.person
    while True:
        introduce_search(person, registration.place)
        for search_field in registration.category.search_fields:
            question = Question(
                f"search.{search_field.field}",
                to_words(search_field.label),
                to_words(search_field.hint),
                search_field.field in registration.place.rules.required_search_fields,
                secret=search_field.secret,
                previous="" if search_field.secret else values.get(search_field.field, ""),
            )
            values[search_field.field] = person.ask(question)
        request = registration_pb2.FindBidderRequest(
            session_token=registration.session_token,
            agency=registration.agency.code,
            category=registration.category.code,
            name=values.get("name", ""),
            bidder_id=values.get("bidder_id", ""),
            password=values.get("password", ""),
        )
        try:
            bidder = await _call(registration.front_door.registration.FindBidder, request)
        except Refusal as refusal:
            if not person.offer_retry(refusal):
                raise
        else:
            _compare_bidder(registration, values.get("bidder_id", ""), bidder)
            return bidder


def _compare_bidder(registration: _Registration, typed: str, bidder: registration_pb2.FindBidderResponse) -> None:
    """Checks that the search returned the bidder that was typed, or that the person agrees to the other one.

    Raises BIDDER_DIFFERS if nobody can be asked, REGISTRATION_GIVEN_UP if the person does not agree.
    """
    found = bidder.company.bidder_id
    # A category may have no number among its search fields; then the person compares the company alone.
    if typed in ("", found):
        return
    metadata = {"typed": typed[:_MOST_CHARACTERS], "found": found[:_MOST_CHARACTERS]}
    person, place = registration.person, registration.place
    rows = [
        (place.fill(words.TYPED_NUMBER), typed),
        (place.fill(words.FOUND_NUMBER), found),
        (words.FOUND_NAME, name_company(bidder.company)),
    ]
    person.show(place.fill(words.OTHER_BIDDER), rows)
    refusal = Refusal("BIDDER_DIFFERS", Code.FAILED_PRECONDITION, metadata)
    if person.confirm_unexpected(place.fill(words.CONFIRM_OTHER_BIDDER), refusal) is not Answer.YES:
        raise Refusal("REGISTRATION_GIVEN_UP", Code.ABORTED)


def _make_form(
    registration: _Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    previous: UnfinishedRegistration | None,
) -> front_door_pb2.RegistrationForm:
    """Returns the form, as the server has to hash it. A previous request id is reused only for the same form."""
    form = front_door_pb2.RegistrationForm(
        request_id=previous.request_id if previous else str(uuid4()),
        instance=registration.instance.id,
        agency=registration.agency.code,
        category=registration.category.code,
        bidder_id=bidder.company.bidder_id,
        certificate_sha256=registration.card.certificate.sha256,
        card_contact=contacts.contact(CARD_CONTACT),
        representative_contact=(
            contacts.contact(REPRESENTATIVE_CONTACT) if bidder.representative_contact_wanted else None
        ),
    )
    if previous and hash_canonical(form).hex() != previous.request_sha256:
        form.request_id = str(uuid4())
    return form


async def _prepare_until_valid(
    registration: _Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    previous: UnfinishedRegistration | None,
) -> front_door_pb2.RegistrationForm:
    """Validates the form at the server (REG-09); asks again for wrong fields as long as the person wants to retry."""
    while True:
        form = _make_form(registration, bidder, contacts, previous)
        try:
            await _prepare(registration, bidder, contacts, form.request_id, validate_only=True)
        except Refusal as refusal:
            if previous and refusal.reason in _REQUEST_ID_SPENT:
                previous = None
                continue
            fields = {violation.field for violation in refusal.violations}
            person = registration.person
            if not fields or not person.offer_retry(refusal) or not contacts.ask(person, fields):
                raise
        else:
            return form


async def _prepare(
    registration: _Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    request_id: str,
    *,
    validate_only: bool,
) -> registration_pb2.PrepareRegistrationResponse:
    needs_representative = bidder.representative_contact_wanted
    return await _call(
        registration.front_door.registration.PrepareRegistration,
        registration_pb2.PrepareRegistrationRequest(
            session_token=registration.session_token,
            agency=registration.agency.code,
            category=registration.category.code,
            proof=bidder.proof,
            request_id=request_id,
            card_contact=contacts.form(CARD_CONTACT),
            representative_contact=contacts.form(REPRESENTATIVE_CONTACT) if needs_representative else None,
            validate_only=validate_only,
        ),
    )


async def _prepare_act(
    registration: _Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    form: front_door_pb2.RegistrationForm,
) -> tuple[ShownPurpose, front_door_pb2.RegistrationForm]:
    """Returns the act, checked to be about this form, and the form, with a new request id if the old one was spent."""
    try:
        response = await _prepare(registration, bidder, contacts, form.request_id, validate_only=False)
    except Refusal as refusal:
        if refusal.reason not in _REQUEST_ID_SPENT:
            raise
        form.request_id = str(uuid4())
        response = await _prepare(registration, bidder, contacts, form.request_id, validate_only=False)
    _compare_answer(response, form)
    expected = ExpectedRequest(bidder.company.bidder_id, form.request_id, hash_canonical(form))
    return registration.card.accept_purpose(response.purpose, registration.expect_purpose(expected)), form


def _compare_answer(
    response: registration_pb2.PrepareRegistrationResponse, form: front_door_pb2.RegistrationForm
) -> None:
    """Checks that all parts of the answer are about this form.

    Raises PURPOSE_FOR_ANOTHER_BIDDER and PURPOSE_FOR_ANOTHER_REQUEST, as for the act itself.
    """
    for bidder_id in (response.form.bidder_id, response.company.bidder_id):
        if bidder_id != form.bidder_id:
            metadata = {"found": bidder_id[:_MOST_CHARACTERS], "expected": form.bidder_id[:_MOST_CHARACTERS]}
            raise Refusal("PURPOSE_FOR_ANOTHER_BIDDER", Code.FAILED_PRECONDITION, metadata)
    returned, expected = hash_canonical(response.form), hash_canonical(form)
    if returned != expected:
        metadata = {"found": returned.hex(), "expected": expected.hex()}
        raise Refusal("PURPOSE_FOR_ANOTHER_REQUEST", Code.FAILED_PRECONDITION, metadata)


async def _send_until_answered(
    registration: _Registration, request: registration_pb2.RegisterRequest
) -> front_door_pb2.Receipt:
    for attempts_left in reversed(range(ATTEMPTS)):
        is_first = attempts_left == ATTEMPTS - 1
        try:
            response = await _call(registration.front_door.registration.Register, request, wait_for_ready=not is_first)
        except Refusal as refusal:
            if refusal.reason not in _OUTCOME_UNKNOWN:
                # A refusal after a lost answer leaves open whether the earlier attempt succeeded; the next run asks for
                # its receipt.
                if is_first:
                    registration.unfinished.delete(registration.key)
                raise
            if not attempts_left:
                raise
            registration.person.show_message(words.ASKING_AGAIN)
        else:
            return response.receipt
    raise AssertionError("the last attempt either returns or raises")


async def _end_session(registration: _Registration) -> None:
    # The session expires after ten minutes anyway; an error here must not hide an earlier one.
    try:
        request = entry_pb2.EndSessionRequest(session_token=registration.session_token)
        await _call(registration.front_door.entry.EndSession, request, seconds=5.0)
    except Refusal:
        return


async def _call(
    method: Callable[..., Awaitable[_Response]],
    request: object,
    *,
    wait_for_ready: bool = False,
    seconds: float = CALL_SECONDS,
) -> _Response:
    try:
        return await method(request, timeout=seconds, wait_for_ready=wait_for_ready)
    except grpc.aio.AioRpcError as error:
        # gRPC has no code for it, only this message; an acceptance test would notice a change.
        if "CERTIFICATE_VERIFY_FAILED" in (error.details() or "").upper():
            raise Refusal("ENDPOINT_NOT_TRUSTED", Code.UNAUTHENTICATED) from error
        raise from_rpc_error(error) from error


def _confirm(person: Person, question: Words, *, may_go_back: bool) -> bool:
    """Returns whether the person agrees or, with `may_go_back`, goes back; raises REGISTRATION_GIVEN_UP."""
    answer = person.confirm(question, may_go_back=may_go_back)
    if answer is Answer.YES:
        return True
    if answer is Answer.BACK and may_go_back:
        return False
    raise Refusal("REGISTRATION_GIVEN_UP", Code.ABORTED)
