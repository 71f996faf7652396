"""The menu: what each operation is for and when not to use it, and the choice of one (ENT-06)."""

from collections.abc import Collection

from card_agent.console import advice_words
from card_agent.console.person import Option, Person
from card_agent.console.words import Words, to_words
from card_agent.operation.calls import FrontDoor
from card_agent.operation.entry import enter_instance
from card_agent.operation.numbers import NUMBERS
from signed_acts.purpose import Operation
from toroku.frontdoor.v1 import front_door_pb2

_LEAVE = "leave"


def choose_operation(
    front_door: FrontDoor, person: Person, known: Collection[Operation], *, instance_id: str | None = None
) -> Operation | None:
    """Shows the operations of the instance, and returns the one that the person chooses; None if it leaves.

    Of the `known` operations, VIEW is the advice, which every instance gives.
    """
    instance = enter_instance(front_door, person, None, instance_id)
    guides = {guide.operation: guide for guide in instance.operations}
    offered = {operation: guides[NUMBERS[operation]] for operation in known if NUMBERS[operation] in guides}
    for guide in offered.values():
        _show_guide(person, guide)
    if instance.renewal_differences:
        person.show(advice_words.DIFFERENCES, [], [_show_difference(each) for each in instance.renewal_differences])
    options = [Option(operation, to_words(guide.name)) for operation, guide in offered.items()]
    options += [Option(Operation.VIEW, advice_words.ADVISE), Option(_LEAVE, advice_words.LEAVE)]
    chosen = person.choose("operation", advice_words.CHOOSE_OPERATION, options)
    return None if chosen == _LEAVE else Operation(chosen)


def _show_guide(person: Person, guide: front_door_pb2.OperationGuide) -> None:
    person.show(to_words(guide.name), [])
    person.show_message(to_words(guide.what_for))
    if guide.HasField("not_for"):
        person.show_message(to_words(guide.not_for))


def _show_difference(difference: front_door_pb2.RenewalDifference) -> Words:
    ja, en = (
        {part: getattr(getattr(difference, part), language) for part in ("aspect", "registration", "renewal")}
        for language in ("ja", "en")
    )
    return Words(advice_words.DIFFERENCE.ja.format_map(ja), advice_words.DIFFERENCE.en.format_map(en))
