"""The profile as a contractor sees it."""

from datetime import datetime

from instance_profile import model
from instance_profile.base import Text
from instance_profile.hours import Opening
from refusals import Code, Refusal
from servicekit.messages import write_timestamp
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2

_OPERATIONS = {
    model.Operation.REGISTRATION: card_pb2.OPERATION_REGISTRATION,
    model.Operation.CHANGE: card_pb2.OPERATION_CHANGE,
    model.Operation.RENEWAL: card_pb2.OPERATION_RENEWAL,
}


def write_operation(operation: model.Operation) -> "card_pb2.Operation.ValueType":
    """Returns the interface's value of an operation."""
    return _OPERATIONS[operation]


def read_operation(value: "card_pb2.Operation.ValueType") -> model.Operation:
    """Returns the operation with this value of the interface; raises OPERATION_UNKNOWN."""
    for operation, known in _OPERATIONS.items():
        if known == value:
            return operation
    raise Refusal("OPERATION_UNKNOWN", Code.INVALID_ARGUMENT, {"operation": str(value)})


class InstanceDescription:
    """The instance as a contractor sees it (ENT-01 to 06, 08, CRD-10), built once: only the opening state changes."""

    def __init__(self, profile: model.Profile) -> None:
        self._without_opening = entry_pb2.DescribeInstanceResponse(instance=_without_opening(profile))

    def at(self, opening: Opening, now: datetime) -> entry_pb2.DescribeInstanceResponse:
        """Returns the instance at `now`."""
        response = entry_pb2.DescribeInstanceResponse()
        response.CopyFrom(self._without_opening)
        response.instance.opening.CopyFrom(_opening(opening, now))
        return response


def _without_opening(profile: model.Profile) -> front_door_pb2.Instance:
    return front_door_pb2.Instance(
        id=profile.id,
        name=_text(profile.name),
        agencies=[
            front_door_pb2.Agency(
                code=agency.code,
                name=_text(agency.name),
                categories=agency.categories,
                rules=[
                    front_door_pb2.AgencyRules(category=code, holder_rule=_text(agency.holder_rule))
                    for code in agency.categories
                ],
            )
            for agency in profile.agencies
        ],
        categories=[_category(category) for category in profile.categories],
        help_desk=front_door_pb2.HelpDesk(
            name=_text(profile.help_desk.name),
            telephone=profile.help_desk.telephone,
            mail_address=profile.help_desk.mail_address,
            url=profile.help_desk.url,
            hours=_text(profile.help_desk.hours),
        ),
        operations=[
            front_door_pb2.OperationGuide(
                operation=write_operation(guide.operation),
                name=_text(guide.name),
                what_for=_text(guide.what_for),
                not_for=_text(guide.not_for) if guide.not_for else None,
            )
            for guide in profile.operations
        ],
    )


def _category(category: model.Category) -> front_door_pb2.Category:
    return front_door_pb2.Category(
        code=category.code,
        name=_text(category.name),
        search_fields=[
            front_door_pb2.SearchField(
                field=rule.field.value,
                label=_text(rule.label),
                hint=_text(rule.hint),
                secret=rule.field is model.SearchField.PASSWORD,
            )
            for rule in category.search_fields
        ],
        contact_fields=[
            front_door_pb2.ContactField(
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


def _opening(opening: Opening, now: datetime) -> front_door_pb2.OpeningState:
    return front_door_pb2.OpeningState(
        now=write_timestamp(now),
        open=opening.open,
        opens_next=write_timestamp(opening.opens_next) if opening.opens_next else None,
        closes_next=write_timestamp(opening.closes_next) if opening.closes_next else None,
    )


def _text(text: Text) -> front_door_pb2.Text:
    return front_door_pb2.Text(ja=text.ja, en=text.en)
