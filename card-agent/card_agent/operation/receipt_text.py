"""The receipt of an operation as text: sections of rows, for the screen, the printer and a file (REG-06)."""

from collections.abc import Sequence

from card_agent.console import words
from card_agent.console.person import Row
from card_agent.console.place import Place
from card_agent.console.words import Words, say, to_words
from refusals.language import Language
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2

Section = tuple[Words, list[Row]]
# Between a label and its value.
_COLONS = {"ja": "：", "en": ": "}


def compose_text(sections: Sequence[Section], history_receipt: str, language: Language) -> str:
    """Returns sections as plain text in a language, with the proof of the record in the history as it is."""
    parts = []
    for title, rows in sections:
        lines = [f"  {label.say(language)}{_COLONS[language]}{say(value, language)}" for label, value in rows]
        parts.append("\n".join([f"【{title.say(language)}】", *lines]))
    if history_receipt:
        # For a program, and so as it is.
        parts.append(f"【{words.HISTORY_RECEIPT.say(language)}】\n{history_receipt}")
    return "\n\n".join(parts) + "\n"


def must_print(category: front_door_pb2.Category, operation: "card_pb2.Operation.ValueType") -> bool:
    """Returns whether the user is asked to print the receipt of an operation."""
    return any(rule.must_print for rule in _find_rules(category, operation))


def name_receipt(category: front_door_pb2.Category, operation: "card_pb2.Operation.ValueType", usual: Words) -> Words:
    """Returns the category's title of the receipt of an operation, `usual` where it has none."""
    titles = [to_words(rule.title) for rule in _find_rules(category, operation) if rule.HasField("title")]
    return titles[0] if titles else usual


def find_place(instance: front_door_pb2.Instance, agency: str, category: str) -> Place:
    """Returns the place with these codes, as far as the instance knows them."""
    agencies = [known for known in instance.agencies if known.code == agency]
    categories = [known for known in instance.categories if known.code == category]
    return Place(instance, next(iter(agencies), None), next(iter(categories), None))


def _find_rules(
    category: front_door_pb2.Category, operation: "card_pb2.Operation.ValueType"
) -> list[front_door_pb2.ReceiptRule]:
    return [rule for rule in category.receipts if rule.operation == operation]
