"""登録, from the choice of the agency to the receipt (REG-01), over the front door.

Two signatures: the log-in opens a session, the act agrees to the registration. Before the second one, what is signed
is held against what was typed here, so that nobody on the way can make a card agree to something else.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

import grpc

from card_agent.console import words
from card_agent.console.person import Answer, Option, Person, Question
from card_agent.console.words import Words
from card_agent.media.token import TokenMedium
from card_agent.registration.contacts import (
    CARD_CONTACT,
    REPRESENTATIVE_CONTACT,
    TypedContacts,
    contact_rows,
    request_sha256,
)
from card_agent.registration.receipt import company_rows, receipt_sections
from card_agent.registration.unfinished import Place, Unfinished, UnfinishedRegistrations
from card_agent.signing.card_use import CardInUse, certificate_rows, purpose_rows, read_card
from card_agent.signing.certificate import shown_card
from card_agent.signing.purpose import ACT, LOG_IN, Expected, Purpose
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.certificate.v1 import resources_pb2 as certificate_pb2
from toroku.frontdoor.v1 import entry_pb2, registration_pb2, resources_pb2
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub

if TYPE_CHECKING:
    from toroku.frontdoor.v1.entry_pb2_grpc import EntryAsyncStub
    from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationAsyncStub

CALL_SECONDS = 30.0
# How often a registration is sent whose answer was lost, before the person has to look at the network.
TRIES = 3
# Reasons that leave open whether a registration was made.
_ANSWER_LOST = {"PEER_UNREACHABLE", "PEER_FAILED", "INTERNAL_FAILURE", "DATABASE_UNAVAILABLE"}
_REQUEST_ID_SPENT = {"REQUEST_ID_REUSED", "REQUEST_ID_ABANDONED"}

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
class Registered:
    """What a registration ends with; `instance` has the names that the receipt's codes stand for."""

    receipt: resources_pb2.Receipt
    instance: resources_pb2.Instance


@dataclass(frozen=True, slots=True)
class _Registration:
    """One registration under way: what every step needs."""

    front_door: FrontDoor
    person: Person
    unfinished: UnfinishedRegistrations
    instance: resources_pb2.Instance
    agency: resources_pb2.Agency
    category: resources_pb2.Category
    card: CardInUse
    # The card as the server reads it.
    shown_card: certificate_pb2.Card = field(default_factory=certificate_pb2.Card)
    session_token: str = field(default="", repr=False)

    @property
    def place(self) -> Place:
        return Place(self.instance.id, self.agency.code, self.category.code, self.card.certificate.sha256.hex())

    def expected(self, type_: str) -> Expected:
        card = self.card.certificate.sha256
        return Expected(type_, self.instance.id, self.agency.code, self.category.code, card)


async def register(
    front_door: FrontDoor,
    medium: TokenMedium,
    person: Person,
    unfinished: UnfinishedRegistrations,
    *,
    instance_id: str | None = None,
) -> Registered:
    """Registers the card with the person's answers and gives the receipt; a lost answer is asked for again first.

    `instance_id` refuses any other instance. Raises every refusal of the token (see `token.TokenMedium`), of the
    purpose (`purpose.check_purpose`), of the server, and REGISTRATION_GIVEN_UP where the person does not go on.
    """
    described = await _call(front_door.entry.DescribeInstance, entry_pb2.DescribeInstanceRequest())
    instance = described.instance
    if instance_id is not None and instance.id != instance_id:
        raise Refusal("INSTANCE_DIFFERS", Code.FAILED_PRECONDITION, {"found": instance.id, "expected": instance_id})
    agency, category = _choose_place(instance, person)
    card = await read_card(medium, person)
    registration = _Registration(front_door, person, unfinished, instance, agency, category, card)
    before = unfinished.find(registration.place)
    registration = await _log_in(registration, before)
    try:
        receipt = await _receipt_of(registration, before) or await _register(registration, before)
    finally:
        await _end_session(registration)
    unfinished.forget(registration.place)
    for title, rows in receipt_sections(receipt, instance):
        person.show(title, rows)
    person.tell(words.REGISTERED)
    return Registered(receipt, instance)


def _choose_place(
    instance: resources_pb2.Instance, person: Person
) -> tuple[resources_pb2.Agency, resources_pb2.Category]:
    person.show(words.INSTANCE, [(_words(instance.name), instance.id)])
    options = [Option(agency.code, _words(agency.name)) for agency in instance.agencies]
    code = person.choose("agency", words.CHOOSE_AGENCY, options)
    agency = next(agency for agency in instance.agencies if agency.code == code)
    if agency.HasField("holder_rule"):
        person.tell(_words(agency.holder_rule))
    offered = [category for category in instance.categories if category.code in agency.categories]
    options = [Option(category.code, _words(category.name)) for category in offered]
    code = person.choose("category", words.CHOOSE_CATEGORY, options)
    return agency, next(category for category in offered if category.code == code)


async def _log_in(registration: _Registration, before: Unfinished | None) -> _Registration:
    certificate = registration.card.certificate
    resume = before.request_id if before else ""
    begun = await _call(
        registration.front_door.registration.BeginRegistration,
        registration_pb2.BeginRegistrationRequest(
            agency=registration.agency.code,
            category=registration.category.code,
            certificate=certificate.der,
            other_certificates=certificate.chain_der,
            resume_request_id=resume,
        ),
    )
    registration.person.show(words.CARD, certificate_rows(shown_card(begun.card)))
    purpose = registration.card.expected_purpose(begun.purpose, registration.expected(LOG_IN))
    registration.person.show(words.PURPOSE, purpose_rows(purpose))
    opened = await _call(
        registration.front_door.registration.OpenSession,
        registration_pb2.OpenSessionRequest(
            agency=registration.agency.code,
            category=registration.category.code,
            certificate=certificate.der,
            log_in=await registration.card.sign(purpose),
            resume_request_id=resume,
        ),
    )
    if opened.standing == certificate_pb2.CARD_STANDING_REGISTERED_ELSEWHERE:
        registration.person.tell(words.REGISTERED_ELSEWHERE)
    return replace(registration, shown_card=begun.card, session_token=opened.session_token)


async def _receipt_of(registration: _Registration, before: Unfinished | None) -> resources_pb2.Receipt | None:
    if before is None:
        return None
    registration.person.tell(words.LOOKING_FOR_RECEIPT)
    request = registration_pb2.GetReceiptRequest(
        session_token=registration.session_token,
        agency=registration.agency.code,
        category=registration.category.code,
        request_id=before.request_id,
    )
    try:
        return (await _call(registration.front_door.registration.GetReceipt, request)).receipt
    except Refusal as refusal:
        if refusal.reason != "REGISTRATION_NOT_FOUND":
            raise
    registration.person.tell(words.NOT_REGISTERED_BEFORE)
    return None


async def _register(registration: _Registration, before: Unfinished | None) -> resources_pb2.Receipt:
    found = await _find_bidder(registration)
    person, category = registration.person, registration.category
    _show_company(registration, found)
    if not found.representative_contact_wanted and found.HasField("representative_contact"):
        person.tell(words.REPRESENTATIVE_CONTACT_STANDS)
    contacts = TypedContacts(category, found.representative_contact_wanted)
    contacts.ask(person)
    while True:
        form = await _prepare_until_right(registration, found, contacts, before)
        person.show(words.CARD, certificate_rows(shown_card(registration.shown_card)))
        _show_company(registration, found)
        contacts.show(person)
        person.tell(words.CHECK_COMPANIES)
        if _go_on(person.confirm(words.CONFIRM_VALUES, may_go_back=True)):
            break
        contacts.ask(person)
    act, form = await _act(registration, found, contacts, form)
    person.show(words.PURPOSE, purpose_rows(act), act.lines)
    if not _go_on(person.confirm(words.CONFIRM_ACT, may_go_back=False)):
        raise _given_up()
    signed = await registration.card.sign(act)
    request = registration_pb2.RegisterRequest(
        session_token=registration.session_token,
        agency=registration.agency.code,
        category=category.code,
        proof=found.proof,
        request_id=form.request_id,
        act=signed,
    )
    registration.unfinished.remember(Unfinished(registration.place, form.request_id, act.request_sha256.hex()))
    return await _send_until_answered(registration, request)


def _show_company(registration: _Registration, found: registration_pb2.FindBidderResponse) -> None:
    person, category = registration.person, registration.category
    person.show(words.COMPANY, company_rows(found.company, category))
    if not found.representative_contact_wanted and found.HasField("representative_contact"):
        person.show(words.REPRESENTATIVE_CONTACT, contact_rows(found.representative_contact, category))


async def _find_bidder(registration: _Registration) -> registration_pb2.FindBidderResponse:
    typed: dict[str, str] = {}
    person = registration.person
    while True:
        person.show(words.SEARCH, [])
        for asked in registration.category.search_fields:
            question = Question(
                f"search.{asked.field}",
                _words(asked.label),
                _words(asked.hint),
                secret=asked.secret,
                typed="" if asked.secret else typed.get(asked.field, ""),
            )
            typed[asked.field] = person.ask(question)
        request = registration_pb2.FindBidderRequest(
            session_token=registration.session_token,
            agency=registration.agency.code,
            category=registration.category.code,
            name=typed.get("name", ""),
            bidder_id=typed.get("bidder_id", ""),
            password=typed.get("password", ""),
        )
        try:
            return await _call(registration.front_door.registration.FindBidder, request)
        except Refusal as refusal:
            if not person.again(refusal):
                raise


def _form(
    registration: _Registration,
    found: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    before: Unfinished | None,
) -> resources_pb2.RegistrationForm:
    """What was typed, as the server has to hash it. A request id that was sent before is for the same form only."""
    form = resources_pb2.RegistrationForm(
        request_id=before.request_id if before else str(uuid4()),
        instance=registration.instance.id,
        agency=registration.agency.code,
        category=registration.category.code,
        bidder_id=found.company.bidder_id,
        certificate_sha256=registration.card.certificate.sha256,
        card_contact=contacts.contact(CARD_CONTACT),
        representative_contact=(
            contacts.contact(REPRESENTATIVE_CONTACT) if found.representative_contact_wanted else None
        ),
    )
    if before and request_sha256(form).hex() != before.request_sha256:
        form.request_id = str(uuid4())
    return form


async def _prepare_until_right(
    registration: _Registration,
    found: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    before: Unfinished | None,
) -> resources_pb2.RegistrationForm:
    """The dry run (REG-09); asks again for what is wrong, field by field, as long as the person wants."""
    while True:
        form = _form(registration, found, contacts, before)
        try:
            await _prepare(registration, found, contacts, form.request_id, validate_only=True)
        except Refusal as refusal:
            if before and refusal.reason in _REQUEST_ID_SPENT:
                before = None
                continue
            wrong = {violation.field for violation in refusal.violations}
            if not wrong or not registration.person.again(refusal) or not contacts.ask(registration.person, wrong):
                raise
        else:
            return form


async def _prepare(
    registration: _Registration,
    found: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    request_id: str,
    *,
    validate_only: bool,
) -> registration_pb2.PrepareRegistrationResponse:
    wanted = found.representative_contact_wanted
    return await _call(
        registration.front_door.registration.PrepareRegistration,
        registration_pb2.PrepareRegistrationRequest(
            session_token=registration.session_token,
            agency=registration.agency.code,
            category=registration.category.code,
            proof=found.proof,
            request_id=request_id,
            card_contact=contacts.form(CARD_CONTACT),
            representative_contact=contacts.form(REPRESENTATIVE_CONTACT) if wanted else None,
            validate_only=validate_only,
        ),
    )


async def _act(
    registration: _Registration,
    found: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    form: resources_pb2.RegistrationForm,
) -> tuple[Purpose, resources_pb2.RegistrationForm]:
    """The act to be signed, after it was found to be over this form. The request id is new where it was spent."""
    try:
        prepared = await _prepare(registration, found, contacts, form.request_id, validate_only=False)
    except Refusal as refusal:
        if refusal.reason not in _REQUEST_ID_SPENT:
            raise
        form.request_id = str(uuid4())
        prepared = await _prepare(registration, found, contacts, form.request_id, validate_only=False)
    expected = replace(
        registration.expected(ACT),
        bidder_id=found.company.bidder_id,
        request_id=form.request_id,
        request_sha256=request_sha256(form),
    )
    return registration.card.expected_purpose(prepared.purpose, expected), form


async def _send_until_answered(
    registration: _Registration, request: registration_pb2.RegisterRequest
) -> resources_pb2.Receipt:
    for left in reversed(range(TRIES)):
        first = left == TRIES - 1
        try:
            answered = await _call(registration.front_door.registration.Register, request, wait_for_ready=not first)
        except Refusal as refusal:
            if refusal.reason not in _ANSWER_LOST:
                # After a lost answer a refusal says nothing about the first try; the next run will ask for its receipt.
                if first:
                    registration.unfinished.forget(registration.place)
                raise
            if not left:
                raise
            registration.person.tell(words.ASKING_AGAIN)
        else:
            return answered.receipt
    raise AssertionError("the last try either answers or raises")


async def _end_session(registration: _Registration) -> None:
    # It ends by itself ten minutes later; an error here must not hide what went before.
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
        # gRPC has no code for it, so its words have to do; an acceptance test would notice other ones.
        if "CERTIFICATE_VERIFY_FAILED" in (error.details() or "").upper():
            raise Refusal("ENDPOINT_NOT_TRUSTED", Code.UNAUTHENTICATED) from error
        raise from_rpc_error(error) from error


def _go_on(answer: Answer) -> bool:
    if answer is Answer.NO:
        raise _given_up()
    return answer is Answer.YES


def _given_up() -> Refusal:
    return Refusal("REGISTRATION_GIVEN_UP", Code.ABORTED)


def _words(text: resources_pb2.Text) -> Words:
    return Words(text.ja, text.en)
