"""What a person reads before it types: where it is, whom to ask, and what it does (ENT-06, ENT-08)."""

from datetime import UTC

from card_agent.console import words
from card_agent.console.person import Person, Row
from card_agent.console.place import describe_help_desk
from card_agent.console.words import Words, to_words
from card_agent.operation.numbers import NUMBERS
from card_agent.signing.certificate import format_japanese_time
from signed_acts.purpose import Operation
from toroku.frontdoor.v1 import front_door_pb2


def greet(person: Person, instance: front_door_pb2.Instance, operation: Operation | None) -> None:
    """Shows the instance with its clock, hours and help desk, and what the operation is for there, if there is one."""
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
        if operation is not None and guide.operation == NUMBERS[operation]:
            notes = [guide.what_for, *([guide.not_for] if guide.HasField("not_for") else [])]
            person.introduce(to_words(guide.name), *map(to_words, notes))
