"""Counts the statements that PostgreSQL executed, from its own log: also those that do nothing.

The embedded server has no pg_stat_statements, which would not count empty statements either. Logging costs CPU, so what
is counted in this way is never timed.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from operator_command.launcher.postgresql import ADMINISTRATOR

# Settings of a server whose log this module reads. Parameters are left out: they may be anybody's data.
LOG_SETTINGS: Mapping[str, str] = {
    "log_statement": "all",
    "log_line_prefix": "executed|%u|%d|%p|%n|",
    "log_parameter_max_length": "0",
}
_ENTRY = re.compile(
    r"^executed\|([^|\n]*)\|([^|\n]*)\|(\d+)\|([0-9.]+)\|LOG:  (?:statement|execute [^:\n]*): ?((?:.*)(?:\n\t.*)*)",
    re.MULTILINE,
)
# Seconds without use after which a connection may have been cut, and is asked whether it is alive.
IDLE = 1.0
# Of the runs of an operation, in which something must have been executed to count as a part of it.
LEAST_SHARE = 0.5
_SPACE = re.compile(r"\s+")


class Kind(StrEnum):
    """What a statement is for."""

    USEFUL = "useful"
    # Empty: only asks whether the connection is alive, which had just been used.
    PING = "ping"
    # The same of a connection that nothing had used for a while.
    IDLE_PING = "ping after idleness"
    # A BEGIN that asks for the time in the same round trip is one too.
    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True, order=True)
class Executed:
    """A statement's text with single spaces, and the database in which it was executed; whether a ping was due."""

    database: str
    text: str
    after_idleness: bool = False

    @property
    def kind(self) -> Kind:
        """What it is for."""
        first = self.text.replace(";", " ").split(" ", 1)[0].upper()
        match first:
            case "":
                return Kind.IDLE_PING if self.after_idleness else Kind.PING
            case "BEGIN" | "START":
                return Kind.BEGIN
            case "COMMIT" | "ROLLBACK":
                return Kind.END
            case _:
                return Kind.USEFUL


@dataclass(frozen=True, slots=True)
class StatementCounts:
    """How often each statement was executed, for one operation or in one second."""

    counts: Mapping[Executed, float] = field(default_factory=dict)

    def total(self, kind: Kind | None = None, database: str | None = None) -> float:
        """Returns the executions, of one kind and in one database where these are given; each is a round trip."""
        return sum(
            count
            for executed, count in self.counts.items()
            if kind in (None, executed.kind) and database in (None, executed.database)
        )

    def count_with(self, part: str) -> float:
        """Returns the executions of statements that contain a text."""
        return sum(count for executed, count in self.counts.items() if part in executed.text)

    def per_second(self, seconds: float) -> "StatementCounts":
        """Returns the counts of one of so many seconds."""
        return StatementCounts({executed: count / seconds for executed, count in self.counts.items()})

    def per_run(self, runs: int, seconds: float, at_rest: "StatementCounts") -> "StatementCounts":
        """Returns the counts of each of `runs` runs, without what a second `at_rest` executes anyway.

        Nor what has to do something and was executed in less than half of the runs: the services' clocks asked for it.
        """
        each = {
            executed: (count - at_rest.counts.get(executed, 0) * seconds) / runs
            for executed, count in self.counts.items()
        }
        return StatementCounts(
            {
                executed: count
                for executed, count in each.items()
                if count >= LEAST_SHARE or (executed.kind is not Kind.USEFUL and count > 0)
            }
        )


def count_statements(log: str) -> StatementCounts:
    """Returns the executions in a server's log with LOG_SETTINGS, without the administrator's, which are ours."""
    counted: Counter[Executed] = Counter()
    used_at: dict[str, float] = {}
    for role, database, session, at, text in _ENTRY.findall(log):
        if role == ADMINISTRATOR:
            continue
        executed = Executed(database, _SPACE.sub(" ", text).strip())
        # What a session did before this log is not known.
        if executed.kind is Kind.PING and float(at) - used_at.get(session, 0) >= IDLE:
            executed = replace(executed, after_idleness=True)
        used_at[session] = float(at)
        counted[executed] += 1
    return StatementCounts(counted)
