"""The states of cards, bidders and contacts' owners, the intentions to propagate, and the agencies' feeds."""

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
            certificate_standing text NOT NULL CHECK (certificate_standing IN ('trusted', 'revoked', 'not trusted')),
            certificate_not_before timestamptz,
            certificate_not_after timestamptz,
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
    create_feed()
    create_snapshots()


def create_feed() -> None:
    """Creates the tables of the feed, and of what it is made from beside cards and bidders."""
    op.execute(
        """
        CREATE TABLE contact_owners (
            owner_id uuid PRIMARY KEY,
            category text NOT NULL,
            bidder_id text NOT NULL,
            certificate_sha256 bytea CHECK (length(certificate_sha256) = 32),
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL,
            contact_version bigint NOT NULL,
            pins jsonb NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX contact_owners_bidder ON contact_owners (bidder_id, category, certificate_sha256)")
    op.execute(
        """
        CREATE TABLE history_heads (
            service text PRIMARY KEY,
            position bigint NOT NULL,
            head text NOT NULL,
            sealed_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE TABLE epoch (one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row), epoch bigint NOT NULL)")
    op.execute("INSERT INTO epoch (epoch) VALUES (1)")
    op.execute(
        """
        CREATE TABLE feed_heads (
            agency text NOT NULL,
            category text NOT NULL,
            epoch bigint NOT NULL,
            number bigint NOT NULL,
            PRIMARY KEY (agency, category)
        ) WITH (fillfactor = 50)
        """
    )
    state = """
            committed_at timestamptz NOT NULL,
            bidder_id text NOT NULL,
            state text NOT NULL
                CHECK (state IN ('good', 'suspended', 'replaced', 'ended', 'revoked', 'under_review')),
            reason text NOT NULL,
            registration_id uuid NOT NULL,
            certificate_not_before timestamptz,
            certificate_not_after timestamptz,
            qualified jsonb NOT NULL,
            replaced_by bytea,
            predecessor bytea,
            card_contact_version bigint NOT NULL,
            representative_contact_version bigint NOT NULL,
    """
    # Rows come by the million, so entries have their key and what deletes them.
    op.execute(
        f"""
        CREATE TABLE feed_entries (
            agency text NOT NULL,
            category text NOT NULL,
            epoch bigint NOT NULL,
            number bigint NOT NULL,
            certificate_sha256 bytea NOT NULL,
            {state}
            PRIMARY KEY (agency, category, epoch, number)
        )
        """
    )
    op.execute("CREATE INDEX feed_entries_oldest ON feed_entries (committed_at)")
    # No indexed column ever changes, so a newer entry takes the place of an older one beside it.
    op.execute(
        f"""
        CREATE TABLE feed_cards (
            agency text NOT NULL,
            category text NOT NULL,
            certificate_sha256 bytea NOT NULL,
            epoch bigint NOT NULL,
            number bigint NOT NULL,
            {state}
            PRIMARY KEY (agency, category, certificate_sha256)
        ) WITH (fillfactor = 80)
        """
    )
    op.execute("CREATE INDEX feed_cards_card ON feed_cards (certificate_sha256, category)")
    op.execute(
        """
        CREATE TABLE feed_pending (
            category text NOT NULL,
            certificate_sha256 bytea NOT NULL,
            is_stop boolean NOT NULL,
            marked_at timestamptz NOT NULL,
            PRIMARY KEY (category, certificate_sha256)
        )
        """
    )
    op.execute("CREATE INDEX feed_pending_next ON feed_pending (category, is_stop DESC, marked_at)")
    op.execute(
        """
        CREATE TABLE feed_subscribers (
            agency text NOT NULL,
            category text NOT NULL,
            subscriber text NOT NULL,
            epoch bigint NOT NULL,
            number bigint NOT NULL,
            acknowledged_at timestamptz NOT NULL,
            PRIMARY KEY (agency, category, subscriber)
        )
        """
    )


def create_snapshots() -> None:
    """Creates the tables of the feed's snapshots."""
    op.execute(
        """
        CREATE TABLE feed_snapshots (
            agency text NOT NULL,
            category text NOT NULL,
            asked_at timestamptz NOT NULL,
            snapshot_id uuid,
            pieces integer,
            issued_at timestamptz,
            manifest bytea,
            signature bytea,
            key_id text,
            PRIMARY KEY (agency, category)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE feed_snapshot_pieces (
            agency text NOT NULL,
            category text NOT NULL,
            snapshot_id uuid NOT NULL,
            place integer NOT NULL,
            content bytea NOT NULL,
            PRIMARY KEY (agency, category, snapshot_id, place)
        )
        """
    )
