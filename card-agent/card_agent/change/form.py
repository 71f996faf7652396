"""The form of a change: typed over what is registered, checked by the server, shown, corrected, agreed to (CHG-01)."""

from card_agent.change.in_progress import Change, find_version
from card_agent.change.registered import (
    list_destination_rows,
    name_other_agencies,
    show_company,
    show_section,
)
from card_agent.console import change_words, words
from card_agent.console.field_names import CARD_CONTACT, name_field, name_section
from card_agent.console.person import Option, Row
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import Words
from card_agent.operation.agreement import agree
from card_agent.operation.calls import call_for
from card_agent.operation.contacts import order_sections
from card_agent.operation.propagations import name_choice
from card_agent.signing.card_use import choose_display, list_identity_rows
from card_agent.signing.certificate import describe_card
from refusals import Refusal
from signed_acts.request import hash_canonical
from toroku.certificate.v1 import card_pb2
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import change_pb2, front_door_pb2

# Paths of questions, which a form file answers.
SECTIONS, PROPAGATE = "change", "propagate"
# Codes of what can be chosen.
BOTH, NOTHING = "both", "nothing"
EVERYWHERE, HERE_ONLY = "everywhere", "here"
_DONE = "done"
GIVEN_UP = "CHANGE_GIVEN_UP"


def choose_sections(change: Change) -> tuple[str, ...]:
    """Returns the sections that the person wants to change; none if it leaves (CHG-05)."""
    category, sections = change.category, order_sections(change.category)
    options = [Option(section, name_section(section, category)) for section in sections]
    options += [Option(BOTH, change_words.BOTH_SECTIONS), Option(NOTHING, change_words.NOTHING)]
    chosen = change.person.choose(SECTIONS, change_words.CHOOSE_SECTIONS, options)
    return {BOTH: tuple(sections), NOTHING: ()}.get(chosen, (chosen,))


def fill_in(change: Change) -> change_pb2.ChangeForm | None:
    """Returns the form that the person agreed to; None where nothing differs from what is registered.

    Only what is not typed yet is asked. Raises the server's refusals, and CHANGE_GIVEN_UP.
    """
    person, contacts = change.person, change.draft.contacts
    for section in contacts.sections:
        contacts.ask(person, [path for path in contacts.list_paths(section) if path not in contacts.values])
    while True:
        form = _prepare_until_valid(change)
        if form is None:
            return None
        _show_check(change, form)
        if agree(person, change_words.PRESS_TO_CHANGE, may_go_back=True, given_up=GIVEN_UP, yes=change_words.CHANGE):
            return form
        _correct(change)


def make_form(change: Change) -> change_pb2.ChangeForm:
    """Returns the form, as the server has to hash it, with those sections only that differ from what is registered.

    The request id of an earlier run is used again for the same form only.
    """
    draft, registered = change.draft, change.registered
    form = change_pb2.ChangeForm(
        request_id=draft.request_id,
        instance=change.at_agency.instance.id,
        agency=change.at_agency.agency.code,
        category=change.category.code,
        bidder_id=registered.company.bidder_id,
        certificate_sha256=change.card.certificate.sha256,
        propagate=bool(draft.propagate),
    )
    for section in draft.contacts.sections:
        present, contact = find_version(registered, section), draft.contacts.contact(section)
        if contact != present.contact:
            getattr(form, section).CopyFrom(contact)
            setattr(form, f"{section}_version", present.version)
    if change.previous is not None:
        again = change_pb2.ChangeForm()
        again.CopyFrom(form)
        again.request_id = change.previous.request_id
        if hash_canonical(again).hex() == change.previous.request_sha256:
            return again
    return form


def prepare(change: Change, form: change_pb2.ChangeForm, *, validate_only: bool) -> change_pb2.PrepareChangeResponse:
    """Has the server check the form and, unless `validate_only`, make the act of it."""
    contacts = change.draft.contacts
    typed = {
        section: contacts.form(section)
        for section in contacts.sections
        if form.HasField(section)  # type: ignore[arg-type]  # a field's name
    }
    request = change_pb2.PrepareChangeRequest(
        session_token=change.session.token,
        agency=form.agency,
        category=form.category,
        request_id=form.request_id,
        change=contact_pb2.ContactChange(
            **typed,
            card_contact_version=form.card_contact_version,
            representative_contact_version=form.representative_contact_version,
        ),
        propagate=form.propagate,
        validate_only=validate_only,
    )
    return call_for(change.person, change.at_agency.front_door.change.PrepareChange, request)


def list_changed_fields(change: Change, form: change_pb2.ChangeForm) -> list[str]:
    """Returns the paths of the fields that the form changes, in the order of the screen."""
    paths = []
    for section in order_sections(change.category):
        if form.HasField(section):  # type: ignore[arg-type]  # a field's name
            new, old = getattr(form, section), find_version(change.registered, section).contact
            names = [field.field for field in change.category.contact_fields]
            paths += [f"{section}.{name}" for name in names if getattr(new, name) != getattr(old, name)]
    return paths


def _prepare_until_valid(change: Change) -> change_pb2.ChangeForm | None:
    """Validates the form at the server; asks again for wrong fields as long as the person wants to retry."""
    contacts, person = change.draft.contacts, change.person
    while True:
        form = make_form(change)
        if not list_changed_fields(change, form):
            return None
        if change.draft.propagate is None:
            change.draft.propagate = _choose_propagation(change)
            continue
        try:
            prepare(change, form, validate_only=True)
        except Refusal as refusal:
            wrong = {violation.field.removeprefix("change.") for violation in refusal.violations} & contacts.paths
            if not wrong or not wants_retry(person, refusal, Retry.INPUT):
                raise
            contacts.ask(person, wrong)
        else:
            return form


def _choose_propagation(change: Change) -> bool:
    """Returns whether the other agencies follow: what the person says, or what the instance does (CHG-02)."""
    instance, sections = change.at_agency.instance, change.draft.contacts.sections
    if card_pb2.OPERATION_CHANGE not in instance.propagation_chosen_at:
        return instance.propagation not in (
            front_door_pb2.PROPAGATION_TIME_UNSPECIFIED,
            front_door_pb2.PROPAGATION_TIME_NONE,
        )
    if not change.registered.other_agencies and list(sections) == [CARD_CONTACT]:
        # There is no other agency where this card's contact counts.
        return True
    options = [Option(EVERYWHERE, change_words.EVERYWHERE), Option(HERE_ONLY, change_words.HERE_ONLY)]
    return change.person.choose(PROPAGATE, change_words.CHOOSE_PROPAGATION, options) == EVERYWHERE


def _show_check(change: Change, form: change_pb2.ChangeForm) -> None:
    """Shows all that the manual's 変更内容確認 has, and before it what changes, where and from when."""
    person, contacts, category = change.person, change.draft.contacts, change.category
    instance = change.at_agency.instance
    follow = name_choice(instance, change_words.PROPAGATED, change_words.NOT_PROPAGATED, propagate=form.propagate)
    destination: list[Row] = [
        *list_destination_rows(change, form.bidder_id),
        (change_words.OTHER_AGENCIES, name_other_agencies(change.registered.other_agencies, change)),
        (change_words.CHOOSE_PROPAGATION, follow),
    ]
    person.show(change_words.DESTINATION, destination)
    changes = [_show_difference(change, form, path) for path in list_changed_fields(change, form)]
    person.show(change_words.CHANGED_FIELDS, changes)
    show_company(change, change.registered.company)
    for section in order_sections(category):
        is_typed = section in contacts.sections
        present = find_version(change.registered, section).contact
        show_section(change, section, contacts.contact(section) if is_typed else present)
    card = describe_card(change.session.server_card)
    person.show(words.CARD, list_identity_rows(card, choose_display(category)))
    person.show_message(change_words.COUNTS_FROM_COMMIT)
    person.show_message(change_words.NOT_IN_APPLICATIONS)


def _show_difference(change: Change, form: change_pb2.ChangeForm, path: str) -> Row:
    section, _, name = path.partition(".")
    old = getattr(find_version(change.registered, section).contact, name)
    new = getattr(getattr(form, section), name)
    return name_field(path, change.place), fill_values(change_words.OLD_AND_NEW, old=old, new=new)


def fill_values(text: Words, **values: str) -> Words:
    """Returns a text with values of a contact in its placeholders; an empty one is marked as such."""
    ja = {name: value or words.NOT_GIVEN.ja for name, value in values.items()}
    en = {name: value or words.NOT_GIVEN.en for name, value in values.items()}
    return Words(text.ja.format(**ja), text.en.format(**en))


def _correct(change: Change) -> None:
    """Asks for the fields that the person chooses, until there are no more."""
    contacts, person = change.draft.contacts, change.person
    may_choose = card_pb2.OPERATION_CHANGE in change.at_agency.instance.propagation_chosen_at
    while True:
        options = contacts.list_options()
        if may_choose:
            options.append(Option(PROPAGATE, change_words.CHOOSE_PROPAGATION))
        options.append(Option(_DONE, words.CORRECTED))
        chosen = person.choose("correction", words.CHOOSE_CORRECTION, options)
        if chosen == _DONE:
            return
        if chosen == PROPAGATE:
            change.draft.propagate = _choose_propagation(change)
        else:
            contacts.ask(person, {chosen})
