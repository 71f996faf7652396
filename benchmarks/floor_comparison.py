"""What an operation does, held against the list of what it must do."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.floor.entries import Floor
from benchmarks.statement_log import Executed, Kind, StatementCounts

# What an operation may do more than the list: counts are means, and what the services' clocks asked for meanwhile (a
# purge, a look at dead workers) is in those of transactions.
TOLERANCE = 0.5


@dataclass(frozen=True, slots=True)
class Counted:
    """What one operation did with its jobs, on average, or what it must do."""

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


def sum_up(floor: Floor) -> Counted:
    """Returns what the list says of one operation."""
    statements: Counter[str] = Counter()
    for step in floor.steps:
        statements[step.database] += len(step.statements)
    blocks = sum(step.has_block for step in floor.steps)
    return Counted(
        statements,
        blocks=blocks,
        round_trips=statements.total() + 2 * blocks,
        writing_transactions=sum(step.writes for step in floor.steps),
        calls={call.method: call.times for call in floor.calls},
        validations=floor.validations,
        verifications=floor.verifications,
    )


def count(
    executed: StatementCounts,
    *,
    writing_transactions: float,
    calls: Mapping[str, float],
    validations: float,
    verifications: float,
    seals: float = 0,
) -> Counted:
    """Returns what one operation did. Seals of the history are none of it: one is of all entries of some seconds."""
    databases = sorted({statement.database for statement in executed.counts})
    return Counted(
        {database: executed.total(Kind.USEFUL, database) for database in databases},
        blocks=executed.total(Kind.BEGIN) - seals,
        writing_transactions=writing_transactions - seals,
        calls=calls,
        validations=validations,
        verifications=verifications,
        pings=executed.total(Kind.PING),
        round_trips=executed.total(),
        texts={each: times for each, times in executed.counts.items() if each.kind is Kind.USEFUL},
    )


def list_excess(operation: str, done: Counted, must: Counted) -> Iterator[str]:
    """Yields a sentence for everything of which an operation, as "a registration", does more than it must."""
    for what, did, least in _compare(done, must):
        if did > least + TOLERANCE:
            yield f"{operation} does {did:.1f} {what}, {did - least:.1f} more than the {least:.0f} of the list"


def _compare(done: Counted, must: Counted) -> Iterator[tuple[str, float, float]]:
    """Yields what is compared, how much of it was done, and how much must be."""
    for database in dict.fromkeys([*must.statements, *done.statements]):
        yield f"statements in {database}", done.statements.get(database, 0), must.statements.get(database, 0)
    yield "statements that do nothing", done.pings, must.pings
    yield "blocks of BEGIN and COMMIT", done.blocks, must.blocks
    yield "transactions that write", done.writing_transactions, must.writing_transactions
    for method in dict.fromkeys([*must.calls, *done.calls]):
        yield f"calls of {method}", done.calls.get(method, 0), must.calls.get(method, 0)
    yield "path validations", done.validations, must.validations
    yield "argon2 verifications", done.verifications, must.verifications
