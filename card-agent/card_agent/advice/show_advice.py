"""An advice, as it is shown: what stands of the card, what is right, why, by when, and what becomes of tenders."""

from card_agent.clock import JAPAN
from card_agent.console import advice_words
from card_agent.console.person import Person, Row
from card_agent.console.words import Words, to_words
from card_agent.operation.numbers import NUMBERS
from card_agent.signing.certificate import format_japanese_time
from toroku.frontdoor.v1 import advice_pb2, front_door_pb2


def show_advice(person: Person, advice: advice_pb2.GetAdviceResponse, instance: front_door_pb2.Instance) -> None:
    """Shows an advice; operations have the names of the instance."""
    rows: list[Row] = [
        (advice_words.STANDING, to_words(advice.standing)),
        (advice_words.RIGHT, _name_operation(advice, instance)),
    ]
    if advice.HasField("until"):
        rows.append((advice_words.UNTIL, format_japanese_time(advice.until.ToDatetime(tzinfo=JAPAN))))
    person.show(advice_words.ADVICE, rows)
    for title, texts in (
        (advice_words.REASONS, advice.reasons),
        (advice_words.CONSEQUENCES, advice.consequences),
        (advice_words.EXCEPTIONS, advice.exceptions),
    ):
        if texts:
            person.show(title, [], [to_words(text) for text in texts])


def _name_operation(advice: advice_pb2.GetAdviceResponse, instance: front_door_pb2.Instance) -> Words:
    for guide in instance.operations:
        if guide.operation == advice.operation:
            return to_words(guide.name)
    names = {NUMBERS[operation]: name for operation, name in advice_words.OPERATIONS.items()}
    return names.get(advice.operation, advice_words.NONE_IS_RIGHT)
