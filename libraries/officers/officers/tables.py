"""The tables of officers. A service's migration creates them: `create_officers(op.execute)`.

A certificate belongs to one person for ever. A withdrawn one stays, so that its holder is told why it is refused. A
proposal is written once and decided once, which triggers see to.
"""

from collections.abc import Callable

_DIRECTORY = (
    """
    CREATE TABLE officer (
        person_id text PRIMARY KEY,
        agency text NOT NULL,
        roles text[] NOT NULL,
        version_epoch bigint NOT NULL,
        version_number bigint NOT NULL
    )
    """,
    """
    CREATE TABLE officer_certificate (
        certificate_sha256 bytea PRIMARY KEY CHECK (length(certificate_sha256) = 32),
        person_id text NOT NULL REFERENCES officer,
        certificate bytea NOT NULL,
        valid_until timestamptz NOT NULL,
        is_withdrawn boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE INDEX officer_certificate_of_person ON officer_certificate (person_id)",
)

_ACTS = (
    """
    CREATE TABLE officer_challenge (
        nonce_sha256 bytea PRIMARY KEY CHECK (length(nonce_sha256) = 32),
        purpose_sha256 bytea NOT NULL CHECK (length(purpose_sha256) = 32),
        created_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX officer_challenge_by_age ON officer_challenge (created_at)",
    """
    CREATE TABLE officer_outcome (
        person_id text NOT NULL,
        method text NOT NULL,
        request_id uuid NOT NULL,
        request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
        response jsonb NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (person_id, method, request_id)
    )
    """,
    "CREATE INDEX officer_outcome_by_age ON officer_outcome (recorded_at)",
    # What the hash covers are texts, as they are hashed.
    """
    CREATE TABLE proposal (
        proposal_id uuid PRIMARY KEY,
        proposal_sha256 bytea NOT NULL CHECK (length(proposal_sha256) = 32),
        method text NOT NULL,
        request text NOT NULL,
        agency text NOT NULL,
        lines text[] NOT NULL,
        target_version text NOT NULL,
        proposer text NOT NULL,
        proposed_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        purpose bytea NOT NULL,
        algorithm text NOT NULL,
        signature bytea NOT NULL,
        certificate bytea NOT NULL,
        state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected', 'void')),
        because text NOT NULL DEFAULT '',
        decided_by text NOT NULL DEFAULT '',
        decided_at timestamptz,
        CHECK ((state = 'open') = (decided_at IS NULL))
    )
    """,
    "CREATE INDEX proposal_of_agency ON proposal (agency, proposed_at DESC, proposal_id)",
    "CREATE INDEX proposal_open ON proposal (expires_at) WHERE state = 'open'",
    """
    CREATE FUNCTION proposal_is_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a proposal is written once and decided once';
    END $$
    """,
    """
    CREATE TRIGGER proposal_is_decided_once BEFORE UPDATE ON proposal
        FOR EACH ROW WHEN (
            OLD.state <> 'open' OR (
                OLD.proposal_id, OLD.proposal_sha256, OLD.method, OLD.request, OLD.agency, OLD.lines,
                OLD.target_version, OLD.proposer, OLD.proposed_at, OLD.expires_at, OLD.purpose, OLD.algorithm,
                OLD.signature, OLD.certificate
            ) IS DISTINCT FROM (
                NEW.proposal_id, NEW.proposal_sha256, NEW.method, NEW.request, NEW.agency, NEW.lines,
                NEW.target_version, NEW.proposer, NEW.proposed_at, NEW.expires_at, NEW.purpose, NEW.algorithm,
                NEW.signature, NEW.certificate
            )
        ) EXECUTE FUNCTION proposal_is_decided_once()
    """,
    """
    CREATE TRIGGER proposal_is_kept BEFORE DELETE OR TRUNCATE ON proposal
        FOR EACH STATEMENT EXECUTE FUNCTION proposal_is_decided_once()
    """,
)


def create_officers(execute: Callable[[str], object]) -> None:
    """Creates all tables with their triggers, by a function that runs one SQL statement (PostgreSQL 15 or newer)."""
    create_directory(execute)
    for statement in _ACTS:
        execute(statement)


def create_directory(execute: Callable[[str], object]) -> None:
    """Creates the tables of who is an officer, for a service that officers only read from."""
    for statement in _DIRECTORY:
        execute(statement)
