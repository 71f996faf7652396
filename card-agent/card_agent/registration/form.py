"""The form: typed, checked by the server, shown, corrected, and agreed to (REG-02, REG-04, REG-09)."""

from uuid import uuid4

from card_agent.console import words
from card_agent.console.field_names import CARD_CONTACT, PREDECESSOR_SERIAL, REPRESENTATIVE_CONTACT
from card_agent.console.person import Option, Person, Row
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import to_words
from card_agent.operation.agreement import agree
from card_agent.operation.calls import call_for
from card_agent.operation.company import list_company_rows
from card_agent.operation.contacts import show_contact
from card_agent.operation.sessions import show_card
from card_agent.operation.unfinished import UnfinishedRequest
from card_agent.registration.in_progress import Registration
from card_agent.registration.predecessor import read_serial
from card_agent.registration.typed_contacts import TypedContacts
from refusals import Refusal
from signed_acts.request import hash_canonical
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2, registration_pb2

GIVEN_UP = "REGISTRATION_GIVEN_UP"
# Reasons after which a new request id is needed.
REQUEST_ID_SPENT = {"REQUEST_ID_REUSED", "REQUEST_ID_ABANDONED"}
# The codes of what else can be chosen beside the fields of the form.
_SEARCH_AGAIN, _DONE = "search", "done"


def fill_in(
    registration: Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    previous: UnfinishedRequest | None,
) -> front_door_pb2.RegistrationForm | None:
    """Returns the form that the person agreed to; None if the person wants to search for another bidder.

    Only what is not typed yet is asked. Raises the server's refusals, and REGISTRATION_GIVEN_UP.
    """
    person = registration.person
    _show_company(registration, bidder)
    if not bidder.representative_contact_wanted and bidder.HasField("representative_contact"):
        can_change = card_pb2.OPERATION_CHANGE in registration.category.operations
        stands = (
            words.REPRESENTATIVE_CONTACT_STANDS_UNTIL_CHANGED if can_change else words.REPRESENTATIVE_CONTACT_STANDS
        )
        person.show_message(registration.place.fill(stands))
    contacts.ask_missing(person)
    while True:
        form = _prepare_until_valid(registration, bidder, contacts, previous)
        _show_destination(registration, form)
        show_card(registration.at_agency, registration.session.server_card)
        _show_company(registration, bidder)
        contacts.forms.show(person)
        person.show_message(words.CHECK_COMPANIES)
        if agree(person, words.CONFIRM_VALUES, may_go_back=True, given_up=GIVEN_UP):
            return form
        if not _correct(contacts, person):
            return None


def prepare(
    registration: Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    form: front_door_pb2.RegistrationForm,
    *,
    validate_only: bool,
) -> registration_pb2.PrepareRegistrationResponse:
    """Has the server check the form and, unless `validate_only`, make the act of it."""
    needs_representative = bidder.representative_contact_wanted
    return call_for(
        registration.person,
        registration.front_door.registration.PrepareRegistration,
        registration_pb2.PrepareRegistrationRequest(
            session_token=registration.session.token,
            agency=registration.agency.code,
            category=registration.category.code,
            proof=bidder.proof,
            request_id=form.request_id,
            card_contact=contacts.forms.form(CARD_CONTACT),
            representative_contact=contacts.forms.form(REPRESENTATIVE_CONTACT) if needs_representative else None,
            person_in_charge=form.person_in_charge,
            predecessor_serial=form.predecessor_serial,
            validate_only=validate_only,
        ),
    )


def _show_destination(registration: Registration, form: front_door_pb2.RegistrationForm) -> None:
    rows: list[Row] = [
        (words.CHOOSE_AGENCY, to_words(registration.agency.name)),
        (words.CHOOSE_CATEGORY, to_words(registration.category.name)),
        (registration.place.bidder_id_label, form.bidder_id),
    ]
    if form.person_in_charge:
        rows.append((words.PERSON_IN_CHARGE, form.person_in_charge))
    if form.predecessor_serial:
        rows.append((words.PREDECESSOR_SERIAL, form.predecessor_serial))
    registration.person.show(words.DESTINATION, rows)


def _show_company(registration: Registration, bidder: registration_pb2.FindBidderResponse) -> None:
    person, category = registration.person, registration.category
    person.show(words.COMPANY, list_company_rows(bidder.company, registration.place))
    if not bidder.representative_contact_wanted and bidder.HasField("representative_contact"):
        show_contact(person, REPRESENTATIVE_CONTACT, bidder.representative_contact, category)


def _correct(contacts: TypedContacts, person: Person) -> bool:
    """Asks for the fields that the person chooses, until there are no more; returns whether to go on with the form."""
    while True:
        options = [
            *contacts.list_options(),
            Option(_SEARCH_AGAIN, words.SEARCH_AGAIN),
            Option(_DONE, words.CORRECTED),
        ]
        chosen = person.choose("correction", words.CHOOSE_CORRECTION, options)
        if chosen in (_SEARCH_AGAIN, _DONE):
            return chosen == _DONE
        contacts.ask(person, {chosen})


def _prepare_until_valid(
    registration: Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    previous: UnfinishedRequest | None,
) -> front_door_pb2.RegistrationForm:
    """Validates the form at the server (REG-09); asks again for wrong fields as long as the person wants to retry."""
    while True:
        try:
            form = _make_form(registration, bidder, contacts, previous)
            prepare(registration, bidder, contacts, form, validate_only=True)
        except Refusal as refusal:
            if previous and refusal.reason in REQUEST_ID_SPENT:
                previous = None
                continue
            wrong = {violation.field for violation in refusal.violations} & contacts.paths
            if refusal.reason == "PREDECESSOR_UNKNOWN":
                wrong.add(PREDECESSOR_SERIAL)
            person = registration.person
            if not wrong or not wants_retry(person, refusal, Retry.INPUT):
                raise
            contacts.ask(person, wrong)
        else:
            return form


def _make_form(
    registration: Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    previous: UnfinishedRequest | None,
) -> front_door_pb2.RegistrationForm:
    """Returns the form, as the server has to hash it. A previous request id is reused only for the same form."""
    form = front_door_pb2.RegistrationForm(
        request_id=previous.request_id if previous else str(uuid4()),
        instance=registration.at_agency.instance.id,
        agency=registration.agency.code,
        category=registration.category.code,
        bidder_id=bidder.company.bidder_id,
        certificate_sha256=registration.card.certificate.sha256,
        card_contact=contacts.forms.contact(CARD_CONTACT),
        representative_contact=(
            contacts.forms.contact(REPRESENTATIVE_CONTACT) if bidder.representative_contact_wanted else None
        ),
        person_in_charge=contacts.person_in_charge,
        predecessor_serial=read_serial(contacts.predecessor_serial),
    )
    if previous and hash_canonical(form).hex() != previous.request_sha256:
        form.request_id = str(uuid4())
    return form
