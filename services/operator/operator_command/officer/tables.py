"""Tables on an officer's terminal, and lines around them."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from operator_command.speech import Phrase, Speech


def make_table(speech: Speech, headings: Sequence[Phrase]) -> Table:
    """Returns a table whose cells are folded and never cut."""
    table = Table()
    for heading in headings:
        table.add_column(speech.say(heading), overflow="fold")
    return table


def print_table(console: Console, heading: str, table: Table, speech: Speech, *, more: int = 0) -> None:
    """Prints a table below its heading, and above the number of the rows that are not in it."""
    # Not the table's own title, which is folded at the width of the table.
    console.print(heading, style="bold", highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    if more:
        print_line(console, speech, Phrase(f"ほかに{more:,}件あります。", f"And {more:,} more."))


def print_line(console: Console, speech: Speech, phrase: Phrase) -> None:
    """Prints a sentence."""
    console.print(speech.say(phrase), highlight=False, markup=False, soft_wrap=True)
