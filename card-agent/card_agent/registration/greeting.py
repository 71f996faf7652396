"""What a person reads before it types: where it is, whom to ask, and what is searched for (ENT-06, ENT-08, ENT-09)."""

from datetime import UTC

from card_agent.console import words
from card_agent.console.person import Person, Row
from card_agent.console.place import Place, describe_help_desk
from card_agent.console.words import Words, to_words
from card_agent.signing.certificate import format_japanese_time
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2


def greet(person: Person, instance: front_door_pb2.Instance) -> None:
    """Shows the instance with its clock, hours and help desk, and what a registration is for there."""
    desk = instance.help_desk
    rows: list[Row] = [
        (words.SERVER_TIME, format_japanese_time(instance.opening.now.ToDatetime(tzinfo=UTC))),
        (words.OPENING_HOURS, to_words(instance.opening.hours)),
        (words.HELP_DESK, describe_help_desk(desk)),
        (words.HELP_DESK_MAIL_ADDRESS, desk.mail_address),
        (words.HELP_DESK_PAGE, desk.url),
        (words.HELP_DESK_CHAT, desk.chat_url),
    ]
    rows += [(to_words(system.name), to_words(system.hours)) for system in instance.neighbouring_systems]
    person.show(to_words(instance.name), [(label, value) for label, value in rows if value not in ("", Words("", ""))])
    for guide in instance.operations:
        if guide.operation == card_pb2.OPERATION_REGISTRATION:
            notes = [guide.what_for, *([guide.not_for] if guide.HasField("not_for") else [])]
            person.introduce(to_words(guide.name), *map(to_words, notes))


def introduce_search(person: Person, place: Place) -> None:
    """Shows the title of the category's search, and the agency's own text on it."""
    category = place.category or front_door_pb2.Category()
    title = to_words(category.search_title) if category.HasField("search_title") else words.SEARCH
    notes = [to_words(place.rules.search_text)] if place.rules.HasField("search_text") else []
    person.introduce(title, *notes)
