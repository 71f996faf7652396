"""What comes before the card: the instance, whether it is open, and where to go (ENT-01 to ENT-03, ENT-05)."""

from datetime import datetime

from card_agent.clock import JAPAN
from card_agent.console import words
from card_agent.console.person import Option, Person
from card_agent.console.place import Place
from card_agent.console.words import to_words
from card_agent.operation.calls import FrontDoor, call_for
from card_agent.operation.greeting import greet
from card_agent.operation.numbers import NUMBERS
from refusals import Code, Refusal
from signed_acts.purpose import Operation
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2

_WEEKDAYS_JA = "月火水木金土日"
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def enter_instance(
    front_door: FrontDoor, person: Person, operation: Operation | None, instance_id: str | None
) -> front_door_pb2.Instance:
    """Returns the instance at the front door, and greets the person; raises INSTANCE_DIFFERS for another id."""
    instance = call_for(person, front_door.entry.DescribeInstance, entry_pb2.DescribeInstanceRequest()).instance
    if instance_id is not None and instance.id != instance_id:
        raise Refusal("INSTANCE_DIFFERS", Code.FAILED_PRECONDITION, {"found": instance.id, "expected": instance_id})
    person.enter(Place(instance))
    greet(person, instance, operation)
    return instance


def check_opening(opening: front_door_pb2.OpeningState) -> None:
    """Raises OUTSIDE_OPENING_HOURS with the next opening, as the front door would at the first step."""
    if opening.open:
        return
    opens_next = opening.opens_next.ToDatetime(tzinfo=JAPAN) if opening.HasField("opens_next") else None
    metadata = {
        "opens_next": opens_next.isoformat() if opens_next else "",
        "opens_next_ja": _write_ja(opens_next) if opens_next else "未定",
        "opens_next_en": _write_en(opens_next) if opens_next else "not known yet",
    }
    raise Refusal("OUTSIDE_OPENING_HOURS", Code.FAILED_PRECONDITION, metadata)


def choose_agency(instance: front_door_pb2.Instance, person: Person, operation: Operation) -> front_door_pb2.Agency:
    """Returns the agency that the person chooses of those that offer the operation.

    Raises OPERATION_NOT_OFFERED if there is none.
    """
    offered = {category.code for category in instance.categories if _offers(category, operation)}
    agencies = [agency for agency in instance.agencies if offered.intersection(agency.categories)]
    if not agencies:
        name, operation_name = instance.name, words.OPERATION_NAMES[operation]
        metadata = {"category_ja": name.ja, "category_en": name.en}
        metadata |= {"operation_ja": operation_name.ja, "operation_en": operation_name.en}
        raise Refusal("OPERATION_NOT_OFFERED", Code.FAILED_PRECONDITION, metadata)
    options = [Option(agency.code, to_words(agency.name)) for agency in agencies]
    code = person.choose("agency", words.CHOOSE_AGENCY, options)
    return next(agency for agency in agencies if agency.code == code)


def choose_category(
    instance: front_door_pb2.Instance, agency: front_door_pb2.Agency, person: Person, operation: Operation
) -> front_door_pb2.Category:
    """Returns the category that the person chooses of those of the agency that offer the operation."""
    categories = [
        category
        for category in instance.categories
        if category.code in agency.categories and _offers(category, operation)
    ]
    options = [Option(category.code, to_words(category.name)) for category in categories]
    code = person.choose("category", words.CHOOSE_CATEGORY, options)
    return next(category for category in categories if category.code == code)


def _offers(category: front_door_pb2.Category, operation: Operation) -> bool:
    # What is looked at changes nothing, and so is offered wherever there is a category.
    return operation is Operation.VIEW or NUMBERS[operation] in category.operations


def _write_ja(instant: datetime) -> str:
    day = f"{instant.year}年{instant.month}月{instant.day}日({_WEEKDAYS_JA[instant.weekday()]})"
    return f"{day} {instant.hour}時{instant.minute:02}分"


def _write_en(instant: datetime) -> str:
    return f"{_WEEKDAYS_EN[instant.weekday()]} {instant:%Y-%m-%d %H:%M} (Japan time)"
