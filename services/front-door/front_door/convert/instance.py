"""The profile as a contractor sees it."""

from datetime import datetime

from cryptography import x509

from front_door.convert.category import write_category
from front_door.convert.operation import write_operation
from front_door.convert.text import write_optional_text, write_text
from instance_profile import model
from instance_profile.hours import Opening, write_hours
from servicekit.messages import write_timestamp
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2

_PROPAGATION = {
    model.Propagation.NONE: front_door_pb2.PROPAGATION_TIME_NONE,
    model.Propagation.AT_ONCE: front_door_pb2.PROPAGATION_TIME_AT_ONCE,
    model.Propagation.NIGHT: front_door_pb2.PROPAGATION_TIME_NIGHT,
}


class InstanceDescription:
    """The instance as a contractor sees it (ENT-01 to 06, 08, CRD-10), built once: only the opening state changes."""

    def __init__(self, profile: model.Profile) -> None:
        self._without_opening = entry_pb2.DescribeInstanceResponse(instance=_without_opening(profile))
        self._hours = write_text(write_hours(profile.opening_hours))

    def at(self, opening: Opening, now: datetime) -> entry_pb2.DescribeInstanceResponse:
        """Returns the instance at `now`."""
        response = entry_pb2.DescribeInstanceResponse()
        response.CopyFrom(self._without_opening)
        response.instance.opening.CopyFrom(_opening(opening, now, self._hours))
        return response


def _without_opening(profile: model.Profile) -> front_door_pb2.Instance:
    usable = {operation for category in profile.categories for operation in category.list_usable_operations()}
    return front_door_pb2.Instance(
        id=profile.id,
        name=write_text(profile.name),
        agencies=[_agency(profile, agency) for agency in profile.agencies],
        categories=[write_category(category) for category in profile.categories],
        help_desk=_help_desk(profile.help_desk),
        operations=[
            front_door_pb2.OperationGuide(
                operation=write_operation(guide.operation),
                name=write_text(guide.name),
                what_for=write_text(guide.what_for),
                not_for=write_optional_text(guide.not_for),
            )
            for guide in profile.operations
            if guide.operation in usable
        ],
        bidder_id_label=write_text(profile.bidder_id.label),
        card_authorities=[_card_authority(authority) for authority in profile.card_authorities],
        pin_page=_pin_page(profile.pin_page),
        neighbouring_systems=[
            front_door_pb2.NeighbouringSystem(name=write_text(system.name), hours=write_text(system.hours))
            for system in profile.neighbouring_systems
        ],
        propagation=_PROPAGATION[profile.propagation],
        propagation_chosen_at=[write_operation(operation) for operation in profile.list_propagation_choices()],
        renewal_differences=[
            front_door_pb2.RenewalDifference(
                aspect=write_text(difference.aspect),
                registration=write_text(difference.registration),
                renewal=write_text(difference.renewal),
            )
            for difference in profile.renewal_differences
            if model.Operation.RENEWAL in usable
        ],
    )


def _agency(profile: model.Profile, agency: model.Agency) -> front_door_pb2.Agency:
    rules = [(code, agency.find_rules(profile.category(code))) for code in agency.categories]
    return front_door_pb2.Agency(
        code=agency.code,
        name=write_text(agency.name),
        categories=agency.categories,
        rules=[
            front_door_pb2.AgencyRules(
                category=code,
                holder_rule=write_text(held.holder_text),
                search_text=write_optional_text(held.search_text),
                required_search_fields=[field.value for field in held.required_search_fields],
            )
            for code, held in rules
        ],
    )


def _card_authority(authority: model.CardAuthority) -> front_door_pb2.CardAuthority:
    return front_door_pb2.CardAuthority(
        id=authority.id,
        name=write_text(authority.name),
        unlocking=write_optional_text(authority.unlocking),
        pin_tries=authority.pin_tries or 0,
        renewal=write_optional_text(authority.renewal),
        help=write_optional_text(authority.help),
        issuers=[_issuer(pem) for pem in authority.certificates],
    )


def _issuer(pem: str) -> front_door_pb2.CardIssuer:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return front_door_pb2.CardIssuer(name=certificate.subject.public_bytes())
    return front_door_pb2.CardIssuer(name=certificate.subject.public_bytes(), key_identifier=extension.value.digest)


def _pin_page(page: model.PinPage) -> front_door_pb2.PinPage:
    return front_door_pb2.PinPage(
        title=write_optional_text(page.title),
        message=write_optional_text(page.message),
        asks_person_in_charge=page.asks_person_in_charge,
        person_in_charge_note=write_optional_text(page.person_in_charge_note),
        help_title=write_optional_text(page.help_title),
        help=write_optional_text(page.help),
    )


def _help_desk(desk: model.HelpDesk) -> front_door_pb2.HelpDesk:
    return front_door_pb2.HelpDesk(
        name=write_text(desk.name),
        telephone=desk.telephone,
        mail_address=desk.mail_address,
        url=desk.url,
        hours=write_text(desk.hours),
        chat_url=desk.chat_url or "",
    )


def _opening(opening: Opening, now: datetime, hours: front_door_pb2.Text) -> front_door_pb2.OpeningState:
    return front_door_pb2.OpeningState(
        now=write_timestamp(now),
        open=opening.open,
        opens_next=write_timestamp(opening.opens_next) if opening.opens_next else None,
        closes_next=write_timestamp(opening.closes_next) if opening.closes_next else None,
        hours=hours,
    )
