"""The statements of each operation's floor, in the schemas of today: a list that can't be run says nothing."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from benchmarks.floor.entries import CERTIFICATES, CONTACTS, PROPAGATIONS, QUALIFICATIONS, Floor
from benchmarks.floor_statements import run_statements, write_script
from benchmarks.floors import FLOORS
from operator_command.launcher.postgresql import EmbeddedPostgreSQL

OPERATIONS, AGENCIES, CLIENTS = 32, 3, 8
# The path on which the cards of the list rest.
TRUST_PATH = """
    INSERT INTO trust_path (path_sha256, authority, issuers, authorities, lists, valid_until)
    VALUES (sha256('path'), 'test-ca', '{}', '{}', '{}', now() + interval '5 years')
"""
# What must be there of each operation afterwards, by floor and database.
LEFT = {
    ("registration", CERTIFICATES): ("SELECT count(*) FROM registration WHERE binding_number = 1", AGENCIES),
    ("registration", QUALIFICATIONS): ("SELECT count(*) FROM search_counts WHERE tries = 0", 3),
    ("registration", CONTACTS): ("SELECT count(*) FROM mails WHERE state = 'sent'", 2),
    ("registration", PROPAGATIONS): ("SELECT count(*) FROM propagations WHERE state = 'done'", AGENCIES - 1),
    ("change", CERTIFICATES): (
        "SELECT count(*) FROM card_session JOIN challenge USING (certificate_sha256) "
        "WHERE operation = 'change' AND challenge.used_at = last_used_at",
        1,
    ),
    # It only reads there; what the registration left stays.
    ("change", QUALIFICATIONS): ("SELECT count(*) FROM search_counts WHERE tries = 0", 3),
    ("change", CONTACTS): (
        "SELECT count(*) FROM contact_changes JOIN contact_owners ON contact_id = card_contact_id AND version = 2 "
        "JOIN mails USING (contact_id) WHERE state = 'sent'",
        1,
    ),
    ("change", PROPAGATIONS): (
        "SELECT count(*) FROM feed_cards JOIN contact_owners USING (certificate_sha256) WHERE contact_version = 2",
        AGENCIES,
    ),
    ("renewal", CERTIFICATES): (
        "SELECT count(*) FROM registration old JOIN registration new ON new.predecessor = old.certificate_sha256 "
        "AND new.certificate_sha256 = old.replaced_by AND new.agency = old.agency "
        "JOIN binding ON binding.certificate_sha256 = old.certificate_sha256 AND ended_as = 'closed' "
        "WHERE (old.state, new.state) = ('replaced', 'good')",
        AGENCIES,
    ),
    ("renewal", QUALIFICATIONS): ("SELECT count(*) FROM search_counts WHERE tries = 0", 3),
    ("renewal", CONTACTS): (
        "SELECT count(*) FROM contact_owners old JOIN contact_owners new USING (contact_id) "
        "JOIN notices ON new.certificate_sha256 = notices.certificate_sha256 JOIN mails USING (notice_id) "
        "WHERE old.has_successor AND NOT new.has_successor AND mails.state = 'sent'",
        2,
    ),
    ("renewal", PROPAGATIONS): (
        "SELECT count(*) FROM propagations JOIN intentions USING (registration_id) "
        "WHERE kind = 'renewal' AND (propagations.state, intentions.state) = ('done', 'done')",
        AGENCIES - 1,
    ),
}


@pytest.mark.parametrize(("name", "database"), LEFT)
async def test_list_leaves_what_its_operation_leaves_and_no_job(
    postgresql: EmbeddedPostgreSQL,
    migrated_database: Callable[[str], str],
    tmp_path: Path,
    name: str,
    database: str,
) -> None:
    dsn = migrated_database(database)

    async def run(floor: Floor) -> None:
        script = tmp_path / f"{database}.pgbench"
        steps = [step for step in floor.steps if step.database == database]
        script.write_text(write_script(steps, first_bidder=1, bidders=1), "utf-8")
        cost = await run_statements(
            postgresql, dsn, script, first=1, agencies=AGENCIES, clients=CLIENTS, operations=OPERATIONS
        )
        assert cost.seconds > 0

    with psycopg.connect(dsn, autocommit=True) as connection:
        if database == CERTIFICATES:
            connection.execute(TRUST_PATH)
        floor = FLOORS[name]
        if floor.after is not None:
            await run(floor.after)
        await run(floor)
        question, each = LEFT[name, database]
        assert connection.execute(question).fetchone() == (each * OPERATIONS,)
        assert connection.execute("SELECT count(*) FROM jobs.procrastinate_jobs").fetchone() == (0,)


def test_every_database_of_a_floor_is_looked_at() -> None:
    assert LEFT.keys() == {(name, step.database) for name, floor in FLOORS.items() for step in floor.steps}


async def test_statement_that_the_schema_does_not_have_is_said(
    postgresql: EmbeddedPostgreSQL, database: str, tmp_path: Path
) -> None:
    script = tmp_path / "agency_sync.pgbench"
    script.write_text("SELECT * FROM no_such_table;\n")
    with pytest.raises(RuntimeError, match=r"failed in agency_sync:\n[^ ].*no_such_table"):
        await run_statements(postgresql, database, script, first=1, agencies=1, clients=1, operations=1)
