"""Asks the registry how a name compares with a bidder's in the roster, and prints by which rules."""

import grpc
from rich.console import Console
from rich.table import Table
from rich.text import Text

from instance_profile.characters import replace_invisible
from instance_profile.name_rules import NAME_RULES, NameRule
from operator_command.client.connection import Connection, open_channel
from operator_command.officer.roster_progress import make_console
from refusals.status import from_rpc_error
from toroku.qualification.v1 import qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2 import (
    NAME_VERDICT_DIFFERENT,
    NAME_VERDICT_PERHAPS_SAME,
    NAME_VERDICT_SAME,
)
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

SERVICE = "qualification-registry"
SECONDS = 30.0
# Of the names as a whole, and of one difference.
VERDICTS = {
    NAME_VERDICT_SAME: "一致します（検索で見つかります）。 The same: a search finds it.",
    NAME_VERDICT_PERHAPS_SAME: (
        "同じ名称かもしれませんが、検索では見つかりません。担当者が確認してください。\n"
        "      Perhaps the same: a search refuses it, and a person has to tell."
    ),
    NAME_VERDICT_DIFFERENT: "異なります（検索では見つかりません）。 Different: a search refuses it.",
}
DIFFERENCES = {
    NAME_VERDICT_SAME: "同じ same",
    NAME_VERDICT_PERHAPS_SAME: "要確認 perhaps",
    NAME_VERDICT_DIFFERENT: "異なる different",
}
# Longest piece that is shown with its code points: a character with its marks.
_MOST_POINTS = 3


def compare_name(connection: Connection, request: qualification_registry_pb2.CompareNameRequest) -> None:
    """Prints both names, how they compare, and each difference with its rule. Raises the registry's refusals."""
    try:
        with open_channel(SERVICE, connection) as channel:
            response = QualificationRegistryStub(channel).CompareName(request, timeout=SECONDS)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None
    show_comparison(make_console(), request.name, response)


def show_comparison(console: Console, name: str, response: qualification_registry_pb2.CompareNameResponse) -> None:
    """Prints a comparison: the names, the verdict, and a table of the differences."""
    for line in (
        f"入力 name: {replace_invisible(name)}",
        f"名簿 roster: {replace_invisible(response.roster_name)}",
        f"判定 verdict: {VERDICTS[response.verdict]}",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if response.differences:
        table = Table(title="異なる部分と規則 differences and rules", title_justify="left")
        for heading in ("入力 name", "名簿 roster", "判定 verdict", "規則 rule"):
            table.add_column(heading, overflow="fold")
        for difference in response.differences:
            pieces = (_show_piece(difference.name), _show_piece(difference.roster_name))
            table.add_row(*map(Text, (*pieces, DIFFERENCES[difference.verdict], _describe_rule(difference.rule))))
        console.print(table)


def _show_piece(piece: str) -> str:
    """Returns a piece with the code points of a character, because variants look alike in many fonts."""
    if not piece:
        return "―"
    points = " ".join(f"U+{ord(character):04X}" for character in piece)
    return f"{replace_invisible(piece)}（{points}）" if len(piece) <= _MOST_POINTS else replace_invisible(piece)


def _describe_rule(code: str) -> str:
    """Returns the words of a rule, or the code where a newer registry has a rule that this command does not know."""
    rule = next((rule for rule in NameRule if rule == code), None)
    if rule is None:
        return replace_invisible(code)
    words = NAME_RULES[rule].words
    return f"{words.ja}\n{words.en}"
