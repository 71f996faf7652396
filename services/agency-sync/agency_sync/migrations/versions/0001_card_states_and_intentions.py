"""The states of cards and bidders, the intentions to propagate registrations, and the states of the propagations."""

from alembic import op

from officers.tables import create_directory
from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_jobs_schema(op.get_bind())
    create_directory(op.execute)
    op.execute(
        """
        CREATE TABLE card_states (
            certificate_sha256 bytea NOT NULL CHECK (length(certificate_sha256) = 32),
            category text NOT NULL,
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL,
            bidder_id text NOT NULL,
            is_live boolean NOT NULL,
            is_suspended boolean NOT NULL,
            proven_password boolean NOT NULL,
            proven_company text NOT NULL CHECK (proven_company IN ('same', 'unreadable', 'different')),
            proven_holder text NOT NULL
                CHECK (proven_holder IN ('contract party', 'representative', 'unreadable', 'different')),
            registrations jsonb NOT NULL,
            PRIMARY KEY (certificate_sha256, category)
        )
        """
    )
    op.execute("CREATE INDEX card_states_bidder ON card_states (bidder_id, category)")
    op.execute(
        """
        CREATE TABLE bidder_states (
            bidder_id text NOT NULL,
            category text NOT NULL,
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL,
            is_suspended boolean NOT NULL,
            suspended_agencies text[] NOT NULL,
            approved_cards jsonb NOT NULL,
            is_ended boolean NOT NULL,
            qualified jsonb NOT NULL,
            reviews jsonb NOT NULL,
            PRIMARY KEY (bidder_id, category)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE intentions (
            registration_id uuid PRIMARY KEY,
            certificate_sha256 bytea NOT NULL,
            category text NOT NULL,
            agency text NOT NULL,
            state text NOT NULL CHECK (state IN ('open', 'waiting', 'done')),
            epoch bigint NOT NULL,
            planned_at timestamptz NOT NULL,
            taken_until timestamptz,
            done_at timestamptz,
            refusals integer NOT NULL DEFAULT 0,
            refused_for text NOT NULL DEFAULT '',
            due_at timestamptz,
            kind text NOT NULL DEFAULT 'registration' CHECK (kind IN ('registration', 'renewal', 'change')),
            agencies text[],
            made_at timestamptz NOT NULL DEFAULT now(),
            run_began_at timestamptz,
            CHECK ((state = 'done') = (done_at IS NOT NULL)),
            CHECK ((kind = 'change') = (agencies IS NOT NULL))
        )
        """
    )
    op.execute("CREATE INDEX intentions_card ON intentions (certificate_sha256, category)")
    op.execute("CREATE INDEX intentions_open ON intentions (planned_at) WHERE state = 'open'")
    # What an agency's officers see of the last day; what is not done is first.
    op.execute("CREATE INDEX intentions_agency ON intentions (agency, done_at DESC)")
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
