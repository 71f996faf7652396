"""Registrations, the intentions to propagate them, and the states of the propagations."""

from alembic import op

from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_jobs_schema(op.get_bind())
    op.execute(
        """
        CREATE TABLE registrations (
            registration_id uuid PRIMARY KEY,
            agency text NOT NULL,
            category text NOT NULL,
            certificate_sha256 bytea NOT NULL CHECK (length(certificate_sha256) = 32),
            bidder_id text NOT NULL,
            registered_at timestamptz NOT NULL,
            by_propagation boolean NOT NULL,
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE intentions (
            registration_id uuid PRIMARY KEY REFERENCES registrations,
            timing text NOT NULL CHECK (timing IN ('at_once', 'night')),
            state text NOT NULL CHECK (state IN ('open', 'done')),
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL,
            planned_at timestamptz NOT NULL,
            taken_until timestamptz,
            done_at timestamptz,
            CHECK ((state = 'done') = (done_at IS NOT NULL))
        )
        """
    )
    op.execute("CREATE INDEX intentions_open ON intentions (timing, planned_at) WHERE state = 'open'")
    # Rows come by the million, so this table has its key and nothing else.
    op.execute(
        """
        CREATE TABLE propagations (
            registration_id uuid NOT NULL,
            agency text NOT NULL,
            state text NOT NULL,
            reason text NOT NULL,
            target_id uuid,
            updated_at timestamptz NOT NULL,
            PRIMARY KEY (registration_id, agency)
        )
        """
    )
