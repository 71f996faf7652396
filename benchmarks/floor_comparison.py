"""What a registration does, held against the list of what it must do."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.registration_floor.entries import Call, Step
from benchmarks.statement_log import Executed, Kind, StatementCounts

# What a registration may do more than the list: counts are means, and what the services' clocks asked for meanwhile (a
# purge, a look at dead workers) is in those of transactions.
TOLERANCE = 0.5


@dataclass(frozen=True, slots=True)
class Counted:
    """What one registration did with its jobs, on average, or what it must do."""

    statements: Mapping[str, float]
    # BEGIN … COMMIT.
    blocks: float
    # Transactions that wrote something: blocks, and statements for themselves.
    writing_transactions: float
    calls: Mapping[str, float]
    validations: float
    verifications: float
    # Empty statements on connections that had just been used; the list has none.
    pings: float = 0
    # Statements, BEGIN, COMMIT and all pings; printed, and not compared beyond its parts.
    round_trips: float = 0
    # Each one that did something by database, for whoever looks for what is too many.
    texts: Mapping[Executed, float] = field(default_factory=dict)

    def list_totals(self) -> Mapping[str, float]:
        """Returns the numbers that are compared, by name."""
        return {
            "round trips": self.round_trips,
            "statements": sum(self.statements.values()),
            "pings": self.pings,
            "blocks BEGIN … COMMIT": self.blocks,
            "writing transactions": self.writing_transactions,
            "calls": sum(self.calls.values()),
            "validations": self.validations,
            "argon2": self.verifications,
        }


def sum_up(steps: Sequence[Step], calls: Sequence[Call], *, validations: int, verifications: int) -> Counted:
    """Returns what the list says of one registration."""
    statements: Counter[str] = Counter()
    for step in steps:
        statements[step.database] += len(step.statements)
    blocks = sum(step.has_block for step in steps)
    return Counted(
        statements,
        blocks=blocks,
        round_trips=statements.total() + 2 * blocks,
        writing_transactions=sum(step.writes for step in steps),
        calls={call.method: call.times for call in calls},
        validations=validations,
        verifications=verifications,
    )


def count(
    executed: StatementCounts,
    *,
    writing_transactions: float,
    calls: Mapping[str, float],
    validations: float,
    verifications: float,
) -> Counted:
    """Returns what one registration did."""
    databases = sorted({statement.database for statement in executed.counts})
    return Counted(
        {database: executed.total(Kind.USEFUL, database) for database in databases},
        blocks=executed.total(Kind.BEGIN),
        writing_transactions=writing_transactions,
        calls=calls,
        validations=validations,
        verifications=verifications,
        pings=executed.total(Kind.PING),
        round_trips=executed.total(),
        texts={each: times for each, times in executed.counts.items() if each.kind is Kind.USEFUL},
    )


def list_excess(done: Counted, floor: Counted) -> Iterator[str]:
    """Yields a sentence for everything of which a registration does more than it must."""
    for database in dict.fromkeys([*floor.statements, *done.statements]):
        yield from _exceed(
            f"statements in {database}", done.statements.get(database, 0), floor.statements.get(database, 0)
        )
    yield from _exceed("statements that do nothing", done.pings, floor.pings)
    yield from _exceed("blocks of BEGIN and COMMIT", done.blocks, floor.blocks)
    yield from _exceed("transactions that write", done.writing_transactions, floor.writing_transactions)
    for method in dict.fromkeys([*floor.calls, *done.calls]):
        yield from _exceed(f"calls of {method}", done.calls.get(method, 0), floor.calls.get(method, 0))
    yield from _exceed("path validations", done.validations, floor.validations)
    yield from _exceed("argon2 verifications", done.verifications, floor.verifications)


def _exceed(what: str, done: float, must: float) -> Iterator[str]:
    if done > must + TOLERANCE:
        yield f"a registration does {done:.1f} {what}, {done - must:.1f} more than the {must:.0f} of the list"
