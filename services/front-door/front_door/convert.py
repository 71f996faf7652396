"""Profile and domain to messages: the only place where both meet."""

from datetime import UTC, datetime

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from front_door.domain.act_lines import Binding
from instance_profile import model
from instance_profile.hours import opening_state
from refusals import Code, Refusal
from toroku.certificate.v1 import resources_pb2 as certificate_pb2
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2
from toroku.contact.v1 import resources_pb2 as contact_pb2
from toroku.contact.v1 import service_pb2 as contact_service_pb2
from toroku.frontdoor.v1 import registration_pb2, resources_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

_OPERATIONS = {
    model.Operation.REGISTRATION: certificate_pb2.OPERATION_REGISTRATION,
    model.Operation.CHANGE: certificate_pb2.OPERATION_CHANGE,
    model.Operation.RENEWAL: certificate_pb2.OPERATION_RENEWAL,
}


def instance_message(profile: model.Profile, now: datetime) -> resources_pb2.Instance:
    """The instance as a contractor sees it at `now` (ENT-01 to 06, 08, CRD-10)."""
    return resources_pb2.Instance(
        id=profile.id,
        name=_text(profile.name),
        agencies=[
            resources_pb2.Agency(
                code=agency.code,
                name=_text(agency.name),
                categories=agency.categories,
                holder_rule=_text(agency.holder_rule),
            )
            for agency in profile.agencies
        ],
        categories=[_category(category) for category in profile.categories],
        help_desk=resources_pb2.HelpDesk(
            name=_text(profile.help_desk.name),
            telephone=profile.help_desk.telephone,
            mail_address=profile.help_desk.mail_address,
            url=profile.help_desk.url,
            hours=_text(profile.help_desk.hours),
        ),
        opening=_opening(profile.opening_hours, now),
        operations=[
            resources_pb2.OperationGuide(
                operation=_OPERATIONS[guide.operation],
                name=_text(guide.name),
                what_for=_text(guide.what_for),
                not_for=_text(guide.not_for) if guide.not_for else None,
            )
            for guide in profile.operations
        ],
    )


def bidder_statement(proof: qualification_pb2.BidderProof) -> qualification_pb2.BidderStatement:
    """What a bidder proof states. Not verified here: the registries do that before anything comes of it.

    Raises BIDDER_PROOF_INVALID where there is nothing to read.
    """
    try:
        statement = qualification_pb2.BidderStatement.FromString(proof.statement)
    except DecodeError:
        statement = qualification_pb2.BidderStatement()
    if not statement.bidder_id or len(statement.certificate_sha256) != 32:
        raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED)
    return statement


def registration_form(
    request: registration_pb2.PrepareRegistrationRequest, statement: qualification_pb2.BidderStatement, instance: str
) -> resources_pb2.RegistrationForm:
    """Everything that a registration is made from, for the hash that the card signs."""
    form = resources_pb2.RegistrationForm(
        request_id=request.request_id,
        instance=instance,
        agency=request.agency,
        category=request.category,
        bidder_id=statement.bidder_id,
        certificate_sha256=statement.certificate_sha256,
        card_contact=request.card_contact.contact,
    )
    if representative := given(request.representative_contact):
        form.representative_contact.CopyFrom(representative.contact)
    return form


def given(form: contact_pb2.ContactForm) -> contact_pb2.ContactForm | None:
    """The form, or None where nothing was typed into it: an empty form is as good as none."""
    return form if form.ByteSize() and form != contact_pb2.ContactForm(contact=contact_pb2.Contact()) else None


def binding(card: certificate_pb2.Card, company: qualification_pb2.CompanyProfile) -> Binding:
    """The card and the bidder, as the words of the act need them."""
    return Binding(
        serial_decimal=card.serial_decimal,
        issuer=card.issuer,
        not_after=instant(card.not_after),
        bidder_id=company.bidder_id,
        company_name=f"{company.name}　{company.branch}" if company.branch else company.name,
    )


def receipt(
    request_id: str,
    registration: certificate_pb2.Registration,
    card: certificate_pb2.Card,
    staged: contact_service_pb2.GetStagedContactsResponse,
) -> resources_pb2.Receipt:
    """利用者登録の控え (REG-06)."""
    made = resources_pb2.Receipt(
        request_id=request_id,
        registration=registration,
        company=staged.company,
        card=card,
        card_contact=staged.card_contact,
    )
    if staged.HasField("representative_contact"):
        made.representative_contact.CopyFrom(staged.representative_contact)
    return made


def outcome_is_here(outcome: certificate_service_pb2.GetOutcomeResponse, agency: str, category: str) -> bool:
    """Whether a request of the card became a registration at this agency, in this category."""
    registration = outcome.registration.registration
    return (
        outcome.outcome == certificate_service_pb2.GetOutcomeResponse.OUTCOME_REGISTERED
        and registration.agency == agency
        and registration.category == category
    )


def instant(timestamp: Timestamp) -> datetime:
    """A timestamp as an aware moment in UTC."""
    return timestamp.ToDatetime(UTC)


def _category(category: model.Category) -> resources_pb2.Category:
    return resources_pb2.Category(
        code=category.code,
        name=_text(category.name),
        search_fields=[
            resources_pb2.SearchField(
                field=rule.field.value,
                label=_text(rule.label),
                hint=_text(rule.hint),
                secret=rule.field is model.SearchField.PASSWORD,
            )
            for rule in category.search_fields
        ],
        contact_fields=[
            resources_pb2.ContactField(
                field=rule.field,
                label=_text(rule.label),
                hint=_text(rule.hint),
                most_characters=rule.most_characters,
                required=rule.required,
            )
            for rule in category.contact_fields
        ],
        mail_address_typed_twice=category.mail_address_typed_twice,
    )


def _opening(hours: model.OpeningHours, now: datetime) -> resources_pb2.OpeningState:
    state = opening_state(hours, now)
    return resources_pb2.OpeningState(
        now=_timestamp(now),
        open=state.open,
        opens_next=_timestamp(state.opens_next) if state.opens_next else None,
        closes_next=_timestamp(state.closes_next) if state.closes_next else None,
    )


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def _text(text: model.Text) -> resources_pb2.Text:
    return resources_pb2.Text(ja=text.ja, en=text.en)
