"""What the benchmark counts in PostgreSQL's log."""

from benchmarks.statement_log import Executed, Kind, StatementCounts, count_statements

LOG = """\
starting PostgreSQL
executed|||9|1000.0|LOG:  database system is ready to accept connections
executed|toroku_administrator|contacts|10|1000.1|LOG:  statement: SELECT 1
executed|contacts|contacts|11|1000.100|LOG:  statement:\x20
executed|contacts|contacts|11|1000.200|LOG:  statement: ;
executed|contacts|contacts|11|1000.300|LOG:  statement: BEGIN; SELECT now()
executed|contacts|contacts|11|1000.400|LOG:  execute _pg3_0: SELECT a,
\t    b
\tFROM c
executed|contacts|contacts|11|1000.500|LOG:  execute <unnamed>: SELECT a, b FROM c
executed|contacts|contacts|11|1000.600|ERROR:  duplicate key value
executed|contacts|contacts|11|1000.700|STATEMENT:  INSERT INTO c VALUES ($1)
executed|contacts|contacts|11|1000.800|LOG:  statement: ROLLBACK
executed|cards|cards|12|1000.900|LOG:  statement: BEGIN ISOLATION LEVEL READ COMMITTED
executed|cards|cards|12|1001.000|LOG:  execute _pg3_1: UPDATE d SET e = $1
executed|cards|cards|12|1001.100|LOG:  statement: COMMIT
executed|cards|cards|12|1001.200|LOG:  disconnection: session time
"""


def test_statements_are_counted_by_database_and_text() -> None:
    assert count_statements(LOG).counts == {
        Executed("contacts", "", after_idleness=True): 1,
        Executed("contacts", ";"): 1,
        Executed("contacts", "BEGIN; SELECT now()"): 1,
        Executed("contacts", "SELECT a, b FROM c"): 2,
        Executed("contacts", "ROLLBACK"): 1,
        Executed("cards", "BEGIN ISOLATION LEVEL READ COMMITTED"): 1,
        Executed("cards", "UPDATE d SET e = $1"): 1,
        Executed("cards", "COMMIT"): 1,
    }


def test_what_does_nothing_is_told_from_what_does_something() -> None:
    counts = count_statements(LOG)
    assert [counts.total(kind) for kind in Kind] == [3, 1, 1, 2, 2]
    assert counts.total(Kind.USEFUL, "cards") == 1
    assert counts.total() == 9


def test_ping_is_due_after_a_second_without_use() -> None:
    pings = [(11, 1000.0), (11, 1000.999), (12, 1001.5), (11, 1002.0)]
    log = "".join(f"executed|jobs|jobs|{session}|{at:.3f}|LOG:  statement: \n" for session, at in pings)
    counts = count_statements(log)
    assert (counts.total(Kind.PING), counts.total(Kind.IDLE_PING)) == (1, 3)


def test_what_is_executed_at_rest_is_not_a_runs() -> None:
    heartbeat, insert = Executed("jobs", "SELECT heartbeat()"), Executed("jobs", "INSERT INTO job")
    at_rest = StatementCounts({heartbeat: 30}).per_second(10)
    run = StatementCounts({heartbeat: 7, insert: 12}).per_run(4, 2, at_rest)
    assert run.counts == {insert: 3}


def test_purge_of_a_minute_is_no_runs_but_its_transaction_counts() -> None:
    purge, begin = Executed("jobs", "DELETE FROM job"), Executed("jobs", "BEGIN")
    assert StatementCounts({purge: 1, begin: 13}).per_run(4, 2, StatementCounts()).counts == {begin: 3.25}
