"""The statements of a registration's floor, in the schemas of today: a list that can't be run says nothing."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from benchmarks.floor_statements import run_statements, write_script
from benchmarks.registration_floor import STEPS
from benchmarks.registration_floor.entries import CERTIFICATES, CONTACTS, DATABASES, PROPAGATIONS, QUALIFICATIONS
from operator_command.launcher.postgresql import EmbeddedPostgreSQL

REGISTRATIONS, AGENCIES, CLIENTS = 32, 3, 8
# The path on which the cards of the list rest.
TRUST_PATH = """
    INSERT INTO trust_path (path_sha256, authority, issuers, authorities, lists, valid_until)
    VALUES (sha256('path'), 'test-ca', '{}', '{}', '{}', now() + interval '5 years')
"""
# What must be there of each registration afterwards.
LEFT = {
    CERTIFICATES: ("SELECT count(*) FROM registration WHERE binding_number = 1", AGENCIES),
    QUALIFICATIONS: ("SELECT count(*) FROM search_counts WHERE tries = 0", 3),
    CONTACTS: ("SELECT count(*) FROM mails WHERE state = 'sent'", 2),
    PROPAGATIONS: ("SELECT count(*) FROM propagations WHERE state = 'done'", AGENCIES - 1),
}


@pytest.mark.parametrize("database", DATABASES)
async def test_list_leaves_what_a_registration_leaves_and_no_job(
    postgresql: EmbeddedPostgreSQL, migrated_database: Callable[[str], str], tmp_path: Path, database: str
) -> None:
    dsn = migrated_database(database)
    script = tmp_path / f"{database}.pgbench"
    script.write_text(write_script([step for step in STEPS if step.database == database], first_bidder=1, bidders=1))
    with psycopg.connect(dsn, autocommit=True) as connection:
        if database == CERTIFICATES:
            connection.execute(TRUST_PATH)
        cost = await run_statements(
            postgresql, dsn, script, agencies=AGENCIES, clients=CLIENTS, registrations=REGISTRATIONS
        )
        question, each = LEFT[database]
        assert connection.execute(question).fetchone() == (each * REGISTRATIONS,)
        assert connection.execute("SELECT count(*) FROM jobs.procrastinate_jobs").fetchone() == (0,)
    assert cost.seconds > 0


async def test_statement_that_the_schema_does_not_have_is_said(
    postgresql: EmbeddedPostgreSQL, database: str, tmp_path: Path
) -> None:
    script = tmp_path / "agency_sync.pgbench"
    script.write_text("SELECT * FROM no_such_table;\n")
    with pytest.raises(RuntimeError, match=r"failed in agency_sync:\n[^ ].*no_such_table"):
        await run_statements(postgresql, database, script, agencies=1, clients=1, registrations=1)
