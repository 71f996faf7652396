"""What a benchmark says of an operation that does more than it must."""

import pytest

from benchmarks.floor.entries import DATABASES, Call, Floor, Statement, change, job, reads
from benchmarks.floor_comparison import Counted, count, list_excess, sum_up
from benchmarks.floor_statements import write_script
from benchmarks.floors import FLOORS
from benchmarks.statement_log import Executed, StatementCounts

SELECT, INSERT = Statement("it must", "SELECT 1"), Statement("it must", "INSERT INTO t VALUES (:n)")
STEPS = (reads("begin", "cards", SELECT), change("commit", "cards", SELECT, INSERT), change("send", "mails", INSERT))
FLOOR = Floor(
    operation="a registration",
    steps=STEPS,
    calls=[Call("Cards/Register", 1, 10, 10)],
    validations=1,
    verifications=1,
    card_signatures=2,
    statements_signed=1,
    statements_verified=1,
)
MUST = sum_up(FLOOR)


def _do(**more: float) -> Counted:
    """What a registration did that does exactly what it must, and `more`."""
    executed = {
        Executed("cards", "SELECT 1"): 2 + more.get("statements", 0),
        Executed("cards", "INSERT INTO t VALUES ($1)"): 1,
        Executed("mails", "INSERT INTO t VALUES ($1)"): 1,
        Executed("cards", "BEGIN"): 1 + more.get("blocks", 0) + more.get("seals", 0),
        Executed("cards", "COMMIT"): 1,
        Executed("mails", ""): more.get("pings", 0),
    }
    return count(
        StatementCounts(executed),
        writing_transactions=2 + more.get("writes", 0) + more.get("seals", 0),
        calls={"Cards/Register": 1 + more.get("calls", 0)},
        validations=1 + more.get("validations", 0),
        verifications=1 + more.get("verifications", 0),
        seals=more.get("seals", 0),
    )


def test_list_is_summed_up() -> None:
    assert Counted({"cards": 3, "mails": 1}, 1, 2, {"Cards/Register": 1}, 1, 1, round_trips=6) == MUST


def test_registration_that_does_what_it_must_has_no_excess() -> None:
    assert not list(list_excess("a registration", _do(), MUST))


def test_purge_that_fell_into_the_run_is_no_excess() -> None:
    assert not list(list_excess("a registration", _do(statements=0.4, writes=0.3, pings=0.2), MUST))


def test_seal_of_the_history_is_no_excess() -> None:
    assert not list(list_excess("a registration", _do(seals=0.8), MUST))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("statements", "a registration does 5.0 statements in cards, 2.0 more than the 3 of the list"),
        ("pings", "a registration does 2.0 statements that do nothing, 2.0 more than the 0 of the list"),
        ("blocks", "a registration does 3.0 blocks of BEGIN and COMMIT, 2.0 more than the 1 of the list"),
        ("writes", "a registration does 4.0 transactions that write, 2.0 more than the 2 of the list"),
        ("calls", "a registration does 3.0 calls of Cards/Register, 2.0 more than the 1 of the list"),
        ("validations", "a registration does 3.0 path validations, 2.0 more than the 1 of the list"),
        ("verifications", "a registration does 3.0 argon2 verifications, 2.0 more than the 1 of the list"),
    ],
)
def test_excess_is_said(more: str, said: str) -> None:
    assert list(list_excess("a registration", _do(**{more: 2}), MUST)) == [said]


def test_call_that_the_list_does_not_have_is_an_excess() -> None:
    done = Counted(MUST.statements, 1, 2, {"Cards/Register": 1, "Cards/Look": 1}, 1, 1)
    assert list(list_excess("a registration", done, MUST)) == [
        "a registration does 1.0 calls of Cards/Look, 1.0 more than the 0 of the list"
    ]


def test_single_statement_needs_no_block() -> None:
    claim, finish = job("send", "mails")
    script = write_script([*STEPS, claim, finish], first_bidder=7, bidders=3)
    assert script.splitlines() == [
        r"\set done :done + 1",
        r"\set n :first + :client_id * 1000000 + :done",
        r"\set bidder 7 + :n % 3",
        "-- begin",
        "SELECT 1;",
        "-- commit",
        "BEGIN;",
        "SELECT 1;",
        "INSERT INTO t VALUES (:n);",
        "COMMIT;",
        "-- send",
        "INSERT INTO t VALUES (:n);",
        "-- send",
        f"{claim.statements[0].sql} \\gset",
        "-- send",
        f"{finish.statements[0].sql};",
    ]


@pytest.mark.parametrize("floor", FLOORS.values(), ids=FLOORS)
def test_every_entry_of_a_list_says_why(floor: Floor) -> None:
    for step in floor.steps:
        assert step.database in DATABASES
        assert all(statement.why and ";" not in statement.sql for statement in step.statements), step.name
    assert len({call.method for call in floor.calls}) == len(floor.calls)
