"""What comes before the card: whether the instance is open, and where to register (ENT-01 to ENT-03, ENT-05)."""

from datetime import datetime

from card_agent.console import words
from card_agent.console.person import Option, Person
from card_agent.console.words import to_words
from card_agent.signing.certificate import JAPAN
from refusals import Code, Refusal
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2

_WEEKDAYS_JA = "月火水木金土日"
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


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


def choose_agency(instance: front_door_pb2.Instance, person: Person) -> front_door_pb2.Agency:
    """Returns the agency that the person chooses of those where a card can be registered.

    Raises OPERATION_NOT_OFFERED if there is none.
    """
    offered = {category.code for category in instance.categories if _can_register(category)}
    agencies = [agency for agency in instance.agencies if offered.intersection(agency.categories)]
    if not agencies:
        name, operation = instance.name, words.OPERATION_NAMES["registration"]
        metadata = {"category_ja": name.ja, "category_en": name.en}
        metadata |= {"operation_ja": operation.ja, "operation_en": operation.en}
        raise Refusal("OPERATION_NOT_OFFERED", Code.FAILED_PRECONDITION, metadata)
    options = [Option(agency.code, to_words(agency.name)) for agency in agencies]
    code = person.choose("agency", words.CHOOSE_AGENCY, options)
    return next(agency for agency in agencies if agency.code == code)


def choose_category(
    instance: front_door_pb2.Instance, agency: front_door_pb2.Agency, person: Person
) -> front_door_pb2.Category:
    """Returns the category that the person chooses of those of the agency in which a card can be registered."""
    categories = [
        category for category in instance.categories if category.code in agency.categories and _can_register(category)
    ]
    options = [Option(category.code, to_words(category.name)) for category in categories]
    code = person.choose("category", words.CHOOSE_CATEGORY, options)
    return next(category for category in categories if category.code == code)


def _can_register(category: front_door_pb2.Category) -> bool:
    return card_pb2.OPERATION_REGISTRATION in category.operations


def _write_ja(instant: datetime) -> str:
    day = f"{instant.year}年{instant.month}月{instant.day}日({_WEEKDAYS_JA[instant.weekday()]})"
    return f"{day} {instant.hour}時{instant.minute:02}分"


def _write_en(instant: datetime) -> str:
    return f"{_WEEKDAYS_EN[instant.weekday()]} {instant:%Y-%m-%d %H:%M} (Japan time)"
