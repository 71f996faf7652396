"""Rosters with all their versions, bidders, passwords, and the counts that slow guessing."""

from alembic import op

from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates all tables."""
    create_jobs_schema(op.get_bind())
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
    # Pieces are small enough to stay in the table's own pages: TOAST takes twice as long for the same bytes.
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
            representative_title text,
            telephone text,
            fax text,
            department text,
            branch text,
            region text,
            permit_number text,
            grade_kinds integer NOT NULL,
            grades text NOT NULL,
            agencies text[] NOT NULL,
            valid_from date,
            valid_until date,
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
            bidder_id text COLLATE "C" PRIMARY KEY,
            first_import integer NOT NULL,
            status smallint NOT NULL DEFAULT 1 CHECK (status IN (1, 2, 3)),
            version_epoch bigint NOT NULL,
            version_number bigint NOT NULL DEFAULT 1
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
