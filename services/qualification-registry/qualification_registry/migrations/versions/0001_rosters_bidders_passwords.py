"""Rosters with all their versions, bidders, passwords, the history, and the counts that slow guessing."""

from alembic import op

from history.tables import create_history
from officers.tables import create_officers
from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates all tables."""
    create_jobs_schema(op.get_bind())
    create_history(op.execute)
    create_officers(op.execute)
    op.execute(
        """
        CREATE TABLE registry_state (
            only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            epoch bigint NOT NULL DEFAULT 1,
            next_assigned bigint NOT NULL DEFAULT 1
        )
        """
    )
    op.execute("INSERT INTO registry_state DEFAULT VALUES")
    op.execute(
        """
        CREATE TABLE rosters (
            name text PRIMARY KEY,
            category text NOT NULL,
            version integer NOT NULL DEFAULT 0
        )
        """
    )
    op.execute(
        """
        CREATE TABLE roster_terms (
            number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            roster text NOT NULL,
            term_from date,
            term_until date,
            holds_until date,
            current_import integer NOT NULL,
            CHECK (term_until >= term_from)
        )
        """
    )
    # NULL, which is the only term of a roster without terms, is one value here.
    op.execute("CREATE UNIQUE INDEX roster_terms_begin ON roster_terms (roster, coalesce(term_from, '-infinity'))")
    op.execute(
        """
        CREATE TABLE roster_imports (
            number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            import_id uuid NOT NULL UNIQUE,
            mapping text NOT NULL,
            roster text NOT NULL,
            category text NOT NULL,
            responsible_agency text NOT NULL,
            term integer,
            term_from date,
            term_until date,
            base_version integer NOT NULL,
            mapping_sha256 bytea NOT NULL,
            file_name text NOT NULL,
            file_sha256 bytea NOT NULL CHECK (length(file_sha256) = 32),
            same_as_current boolean NOT NULL DEFAULT false,
            ids_are_assigned boolean NOT NULL,
            rows integer NOT NULL DEFAULT 0,
            error_count integer NOT NULL DEFAULT 0,
            new integer NOT NULL DEFAULT 0,
            changed integer NOT NULL DEFAULT 0,
            identity_changed integer NOT NULL DEFAULT 0,
            grades_changed integer NOT NULL DEFAULT 0,
            unchanged integer NOT NULL DEFAULT 0,
            gone integer NOT NULL DEFAULT 0,
            not_named text[] NOT NULL DEFAULT '{}',
            named_agencies text[] NOT NULL DEFAULT '{}',
            asked text[] NOT NULL DEFAULT '{}',
            confirmed text[] NOT NULL DEFAULT '{}',
            previewed_by text NOT NULL,
            previewed_at timestamptz NOT NULL,
            committed_by text,
            committed_at timestamptz,
            made_version integer,
            result_version integer,
            UNIQUE (roster, made_version),
            CHECK ((committed_at IS NULL) = (result_version IS NULL)),
            CHECK (made_version IS NULL OR error_count = 0),
            CHECK (made_version IS NULL OR term IS NOT NULL)
        )
        """
    )
    op.execute("CREATE INDEX roster_imports_previewed ON roster_imports (previewed_at) WHERE committed_at IS NULL")
    # Pieces are compressed already, and small enough to stay in the table's own pages: TOAST takes twice as long.
    op.execute(
        """
        CREATE TABLE roster_file_pieces (
            import_number integer NOT NULL,
            position integer NOT NULL,
            content bytea NOT NULL,
            PRIMARY KEY (import_number, position)
        )
        """
    )
    op.execute("ALTER TABLE roster_file_pieces ALTER COLUMN content SET STORAGE PLAIN")
    op.execute(
        """
        CREATE TABLE grade_kinds (
            number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kinds text[] NOT NULL UNIQUE
        )
        """
    )
    # Rows come by the hundred thousand, so this table has its key and nothing else.
    op.execute(
        """
        CREATE TABLE roster_lines (
            import_number integer NOT NULL,
            kind smallint NOT NULL,
            row integer NOT NULL,
            bidder_id text COLLATE "C" NOT NULL,
            name text NOT NULL,
            corporate_number text,
            postal_code text,
            address text,
            representative_name text,
            contract_party_name text,
            representative_title text,
            telephone text,
            fax text,
            department text,
            branch text,
            region text,
            permit_number text,
            grade_kinds integer NOT NULL,
            grades text NOT NULL,
            agencies text NOT NULL,
            valid_from date,
            valid_until date,
            predecessor text,
            predecessor_kind text,
            review text,
            superseded_by integer,
            PRIMARY KEY (bidder_id, import_number)
        )
        """
    )
    # Lines come import by import, so that this index costs an import nothing, and finds the lines of a preview.
    op.execute(
        """
        CREATE INDEX roster_lines_of_import ON roster_lines USING brin (import_number)
            WITH (pages_per_range = 32, autosummarize = on)
        """
    )
    op.execute(
        """
        CREATE TABLE company_reviews (
            bidder_id text COLLATE "C" NOT NULL,
            term integer NOT NULL,
            began_at timestamptz NOT NULL,
            shown_import integer NOT NULL,
            ended_agencies text[] NOT NULL,
            PRIMARY KEY (bidder_id, term)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE undecided_lines (
            import_number integer NOT NULL,
            row integer NOT NULL,
            reason text NOT NULL,
            suggested_bidder_id text NOT NULL,
            alike jsonb NOT NULL,
            line text NOT NULL,
            PRIMARY KEY (import_number, row)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE bidders (
            bidder_id text COLLATE "C" PRIMARY KEY
        )
        """
    )
    op.execute(
        """
        CREATE TABLE bidder_states (
            bidder_id text COLLATE "C" NOT NULL,
            category text NOT NULL,
            has_ended boolean NOT NULL DEFAULT false,
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL,
            PRIMARY KEY (bidder_id, category)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE bidder_suspensions (
            bidder_id text COLLATE "C" NOT NULL,
            category text NOT NULL,
            agency text NOT NULL,
            reason text NOT NULL,
            suspended_by text NOT NULL,
            suspended_at timestamptz NOT NULL,
            lapses_at timestamptz,
            confirmed_by text,
            confirmed_at timestamptz,
            PRIMARY KEY (bidder_id, category, agency),
            CHECK ((lapses_at IS NULL) = (confirmed_by IS NOT NULL)),
            CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
        )
        """
    )
    op.execute("CREATE INDEX bidder_suspensions_lapse ON bidder_suspensions (lapses_at) WHERE lapses_at IS NOT NULL")
    op.execute("CREATE INDEX bidder_suspensions_listed ON bidder_suspensions (agency, bidder_id, category)")
    op.execute(
        """
        CREATE TABLE predecessors (
            category text NOT NULL,
            predecessor text COLLATE "C" NOT NULL,
            bidder_id text COLLATE "C" NOT NULL,
            kind text NOT NULL CHECK (kind IN ('reapplication', 'transfer', 'merger')),
            since timestamptz NOT NULL,
            import_number integer,
            PRIMARY KEY (category, predecessor),
            CHECK (predecessor <> bidder_id)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE assigned_numbers (
            corporate_number text COLLATE "C" PRIMARY KEY,
            bidder_id text COLLATE "C" NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE passwords (
            category text NOT NULL,
            bidder_id text COLLATE "C" NOT NULL,
            encoded text NOT NULL,
            issued_at timestamptz NOT NULL,
            issued_by text NOT NULL,
            changed_at timestamptz,
            PRIMARY KEY (category, bidder_id)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE search_counts (
            scope text NOT NULL,
            key bytea NOT NULL CHECK (length(key) = 32),
            tries integer NOT NULL,
            window_ends timestamptz NOT NULL,
            PRIMARY KEY (scope, key)
        )
        """
    )
    op.execute("CREATE INDEX search_counts_oldest ON search_counts (window_ends)")
    op.execute(
        """
        CREATE TABLE card_approvals (
            number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            agency text NOT NULL,
            category text NOT NULL,
            bidder_id text COLLATE "C" NOT NULL,
            certificate_sha256 bytea NOT NULL CHECK (length(certificate_sha256) = 32),
            company boolean NOT NULL,
            holder boolean NOT NULL,
            has_names boolean NOT NULL DEFAULT true,
            company_name text,
            holder_name text,
            mail_address text,
            state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'refused')),
            asked_at timestamptz NOT NULL,
            reason text NOT NULL DEFAULT '',
            decided_by text,
            decided_at timestamptz,
            notice_id uuid,
            history_number bigint,
            CHECK (company OR holder),
            CHECK ((state = 'open') = (decided_at IS NULL)),
            CHECK ((state = 'open') = (decided_by IS NULL)),
            CHECK ((state = 'open') = (notice_id IS NULL)),
            CHECK ((state = 'open') = (history_number IS NULL))
        )
        """
    )
    op.execute("CREATE INDEX card_approvals_of_card ON card_approvals (certificate_sha256, asked_at)")
    op.execute("CREATE INDEX card_approvals_of_agency ON card_approvals (agency, number)")
    op.execute("CREATE INDEX card_approvals_of_bidder ON card_approvals (bidder_id, category) WHERE state = 'approved'")
    # One officer is asked once about the same.
    op.execute(
        """
        CREATE UNIQUE INDEX card_approvals_open
            ON card_approvals (certificate_sha256, agency, category, bidder_id) WHERE state = 'open'
        """
    )
    op.execute("CREATE INDEX card_approvals_unanswered ON card_approvals (asked_at) WHERE state = 'open'")
    op.execute("CREATE INDEX card_approvals_refused ON card_approvals (decided_at) WHERE state = 'refused'")
    op.execute(
        "CREATE INDEX card_approvals_named ON card_approvals (decided_at) WHERE state = 'approved' AND has_names"
    )
