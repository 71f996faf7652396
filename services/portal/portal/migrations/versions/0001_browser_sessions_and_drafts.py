"""Browser sessions, and sealed drafts of what they are about."""

from alembic import op

from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_jobs_schema(op.get_bind())
    op.execute(
        """
        CREATE TABLE browser_session (
            session_sha256 bytea PRIMARY KEY CHECK (length(session_sha256) = 32),
            last_used_at timestamptz NOT NULL,
            port integer NOT NULL CHECK (port BETWEEN 0 AND 65535),
            hand_off text NOT NULL,
            hand_offs text[] NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX browser_session_used ON browser_session (last_used_at)")
    op.execute(
        """
        CREATE TABLE draft (
            draft_id text PRIMARY KEY,
            session_sha256 bytea NOT NULL,
            version bigint NOT NULL,
            busy_until timestamptz,
            stored_at timestamptz NOT NULL,
            sealed bytea NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX draft_of_session ON draft (session_sha256, stored_at)")
    op.execute("CREATE INDEX draft_stored ON draft (stored_at)")
