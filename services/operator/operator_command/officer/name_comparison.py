"""Asks the registry how a name compares with a bidder's in the roster, and prints by which rules."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from instance_profile.character_forms import FORM_IN_KEY, SAME_KANA, SMALL_KANA
from instance_profile.characters import replace_invisible
from instance_profile.name_rules import NAME_RULES, NameRule
from operator_command.officer.acts.session import QUALIFICATION_REGISTRY, ActingSession, ask_service
from operator_command.officer.tables import make_table, print_line, print_table
from operator_command.speech import Phrase, Speech
from toroku.qualification.v1 import qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2 import (
    NAME_VERDICT_DIFFERENT,
    NAME_VERDICT_PERHAPS_SAME,
    NAME_VERDICT_SAME,
)
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

# Of the names as a whole, and of one difference.
VERDICTS = {
    NAME_VERDICT_SAME: Phrase(
        "一致します（この名称の検索で見つかります）。", "The same: a search with this name finds it."
    ),
    NAME_VERDICT_PERHAPS_SAME: Phrase(
        "同じ名称かもしれませんが、この名称の検索では見つかりません。担当者が確認してください。",
        "Perhaps the same: a search with this name finds nothing, and a person has to tell.",
    ),
    NAME_VERDICT_DIFFERENT: Phrase(
        "異なります（この名称の検索では見つかりません）。", "Different: a search with this name finds nothing."
    ),
}
DIFFERENCES = {
    NAME_VERDICT_SAME: Phrase("同じとみなす", "counts as the same"),
    NAME_VERDICT_PERHAPS_SAME: Phrase("要確認", "to be checked"),
    NAME_VERDICT_DIFFERENT: Phrase("異なる", "different"),
}
_HEADINGS = (
    Phrase("何文字目", "place"),
    Phrase("入力した名称", "name as typed"),
    Phrase("名簿の名称", "name in the roster"),
    Phrase("判定", "verdict"),
    Phrase("違い", "difference"),
)
# Longest piece that is shown with its code points: a character with its marks.
_MOST_POINTS = 3


def compare_name(session: ActingSession, request: qualification_registry_pb2.CompareNameRequest) -> None:
    """Prints both names, how they compare, and each difference with its rule. Raises the registry's refusals."""
    with session.open(QUALIFICATION_REGISTRY) as channel:
        response = ask_service(QualificationRegistryStub(channel).CompareName, request)
    show_comparison(session.console, request.name, response, session.speech)


def show_comparison(
    console: Console, name: str, response: qualification_registry_pb2.CompareNameResponse, speech: Speech
) -> None:
    """Prints a comparison: the names, the verdict, and a table of the differences."""
    typed, listed = replace_invisible(name), replace_invisible(response.roster_name)
    verdict = speech.say(VERDICTS[response.verdict])
    print_line(console, speech, Phrase(f"入力した名称：{typed}", f"Name as typed:      {typed}"))
    print_line(console, speech, Phrase(f"名簿の名称　：{listed}", f"Name in the roster: {listed}"))
    print_line(console, speech, Phrase(f"判定　　　　：{verdict}", f"Verdict:            {verdict}"))
    show_differences(console, response.differences, speech)


def show_differences(
    console: Console, differences: Sequence[qualification_registry_pb2.NameDifference], speech: Speech
) -> None:
    """Prints a table of the pieces in which two names differ, each with its rule; nothing where none does."""
    if not differences:
        return
    table = make_table(speech, _HEADINGS)
    for difference in differences:
        table.add_row(
            str(difference.name_position),
            Text(_show_piece(difference.name, speech)),
            Text(_show_piece(difference.roster_name, speech)),
            speech.say(DIFFERENCES[difference.verdict]),
            Text(_describe_difference(difference, speech)),
        )
    print_table(console, speech.say(Phrase("異なる文字", "Where they differ")), table, speech)


def _show_piece(piece: str, speech: Speech) -> str:
    """Returns a piece with the code points of a character, because variants look alike in many fonts."""
    if not piece:
        return speech.say(Phrase("（なし）", "(none)"))
    points = " ".join(f"U+{ord(character):04X}" for character in piece)
    shown = replace_invisible(piece)
    return f"{shown}{speech.say(Phrase(f'（{points}）', f' ({points})'))}" if len(piece) <= _MOST_POINTS else shown


def _describe_difference(difference: qualification_registry_pb2.NameDifference, speech: Speech) -> str:
    """Returns the words of a rule, or the code where a newer registry has a rule that this command does not know.

    Of a variant they say of which usual form it is one.
    """
    rule = next((rule for rule in NameRule if rule == difference.rule), None)
    if rule is None:
        return replace_invisible(difference.rule)
    words = speech.say(NAME_RULES[rule].words)
    forms = [form for form in map(_describe_form, (difference.name, difference.roster_name)) if form is not None]
    return "\n".join([words, *map(speech.say, forms)])


def _describe_form(piece: str) -> Phrase | None:
    """Returns of which character an old or other form is one; None where a piece is no such form."""
    usual = FORM_IN_KEY.get(ord(piece)) if len(piece) == 1 else None
    if usual is None or piece in SMALL_KANA or piece in SAME_KANA:
        return None
    return Phrase(f"「{piece}」は「{usual}」の旧字体などの異体字", f"{piece} is an old or other form of {usual}")
