"""Cards, their sessions, bindings and registrations; bidders' status; revocation lists; the history."""

from alembic import op

from servicekit.migrations import create_jobs_schema

revision = "0001"
down_revision = None

STATEMENTS = (
    # Raised by one when this database was restored, so that consumers take what was numbered anew.
    "CREATE TABLE epoch (one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row), epoch bigint NOT NULL)",
    "INSERT INTO epoch (epoch) VALUES (1)",
    # The CAs and rules of the profile by which cards are judged; the worker that started last says which.
    """
    CREATE TABLE trust_rules (
        one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
        sha256 bytea NOT NULL,
        began_at timestamptz NOT NULL
    )
    """,
    # The certificate paths that cards rest on, each without the card itself: a few rows.
    """
    CREATE TABLE trust_path (
        path_sha256 bytea PRIMARY KEY CHECK (length(path_sha256) = 32),
        authority text NOT NULL,
        -- Hashes of the issuers of the card and of the CAs below the pinned one; these CAs by issuer and serial.
        issuers bytea[] NOT NULL,
        authorities bytea[] NOT NULL,
        -- The scopes of the CRLs.
        lists bytea[] NOT NULL,
        valid_until timestamptz NOT NULL,
        revocation_as_of timestamptz,
        lists_until timestamptz,
        trusted_until timestamptz,
        -- A hash of what its cards were last judged by: when that changes, they are judged anew.
        judged_by bytea
    )
    """,
    """
    CREATE TABLE card (
        certificate_sha256 bytea PRIMARY KEY CHECK (length(certificate_sha256) = 32),
        -- Of the signed part: a second encoding of the same signature is the same card.
        tbs_sha256 bytea NOT NULL UNIQUE,
        certificate bytea NOT NULL,
        -- What the card brought along of the CAs between it and the pinned one, in DER.
        other_certificates bytea[] NOT NULL,
        authority text NOT NULL,
        issuer text NOT NULL,
        -- The issuer's name in the form in which names are compared, hashed: with the serial it finds a revoked card.
        issuer_sha256 bytea NOT NULL,
        serial bytea NOT NULL CHECK (length(serial) BETWEEN 1 AND 20),
        company_name text,
        company_address text,
        holder_name text,
        holder_address text,
        not_before timestamptz NOT NULL,
        not_after timestamptz NOT NULL,
        revocation_status text NOT NULL CHECK (revocation_status IN ('good', 'unknown')),
        crl_this_update timestamptz,
        checked_at timestamptz NOT NULL,
        revoked_at timestamptz,
        first_seen_at timestamptz NOT NULL,
        path_sha256 bytea NOT NULL REFERENCES trust_path,
        -- Copies of the path's, so that a lookup joins nothing more.
        revocation_as_of timestamptz,
        trusted_until timestamptz,
        -- Counts, so that of two judgements at a time the later one fails.
        judgements integer NOT NULL DEFAULT 0,
        distrusted_at timestamptz,
        distrusted_because text,
        CHECK ((distrusted_at IS NULL) = (distrusted_because IS NULL))
    )
    -- A newer CRL updates all cards of a path: room for that in each page.
    WITH (fillfactor = 80)
    """,
    "CREATE INDEX card_by_serial ON card (issuer_sha256, serial)",
    "CREATE INDEX card_revoked ON card (issuer_sha256) WHERE revoked_at IS NOT NULL",
    "CREATE INDEX card_of_path ON card (path_sha256, certificate_sha256)",
    "CREATE INDEX card_distrusted ON card (authority) WHERE distrusted_at IS NOT NULL",
    """
    CREATE TABLE challenge (
        nonce_sha256 bytea PRIMARY KEY,
        purpose_sha256 bytea NOT NULL,
        certificate_sha256 bytea NOT NULL,
        other_certificates bytea[] NOT NULL,
        created_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX challenge_created ON challenge (created_at)",
    """
    CREATE TABLE card_session (
        token_sha256 bytea PRIMARY KEY,
        operation text NOT NULL,
        agency text NOT NULL,
        category text NOT NULL,
        certificate_sha256 bytea NOT NULL REFERENCES card,
        read_only boolean NOT NULL,
        opened_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX card_session_opened ON card_session (opened_at)",
    "CREATE INDEX card_session_of_card ON card_session (certificate_sha256)",
    # `number` counts the bindings that one card had in one category.
    """
    CREATE TABLE binding (
        certificate_sha256 bytea NOT NULL REFERENCES card,
        category text NOT NULL,
        number integer NOT NULL,
        bidder_id text NOT NULL,
        began_at timestamptz NOT NULL,
        began_because text NOT NULL,
        ended_at timestamptz,
        ended_because text,
        PRIMARY KEY (certificate_sha256, category, number),
        CHECK ((ended_at IS NULL) = (ended_because IS NULL))
    )
    """,
    """
    CREATE UNIQUE INDEX binding_live ON binding (certificate_sha256, category) INCLUDE (bidder_id)
        WHERE ended_at IS NULL
    """,
    """
    CREATE FUNCTION binding_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
            AND (OLD.certificate_sha256, OLD.category, OLD.number, OLD.bidder_id, OLD.began_at, OLD.began_because)
              = (NEW.certificate_sha256, NEW.category, NEW.number, NEW.bidder_id, NEW.began_at, NEW.began_because)
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a binding begins and ends, nothing else happens to it';
    END $$
    """,
    """
    CREATE TRIGGER binding_only_ends BEFORE UPDATE OR DELETE ON binding
        FOR EACH ROW EXECUTE FUNCTION binding_only_ends()
    """,
    # Without foreign keys: rows come by the million, set by set.
    """
    CREATE TABLE registration (
        agency text NOT NULL,
        category text NOT NULL,
        certificate_sha256 bytea NOT NULL,
        registration_id uuid NOT NULL,
        bidder_id text NOT NULL,
        registered_at timestamptz NOT NULL,
        origin text NOT NULL CHECK (origin IN ('contractor', 'propagation')),
        version_epoch bigint NOT NULL,
        version_number bigint NOT NULL,
        PRIMARY KEY (agency, category, certificate_sha256)
    )
    """,
    # Only contractors' registrations are asked for by id; they are one in sixty.
    "CREATE UNIQUE INDEX registration_by_id ON registration (registration_id) WHERE origin = 'contractor'",
    """
    CREATE TABLE bidder (
        bidder_id text PRIMARY KEY,
        status text NOT NULL CHECK (status IN ('active', 'suspended', 'ended')),
        version_epoch bigint NOT NULL,
        version_number bigint NOT NULL,
        recorded_at timestamptz NOT NULL
    )
    """,
    # What became of a request: a registration, or a tombstone.
    """
    CREATE TABLE request_outcome (
        certificate_sha256 bytea NOT NULL,
        method text NOT NULL,
        request_id uuid NOT NULL,
        payload_sha256 bytea,
        request_sha256 bytea,
        registration_id uuid,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (certificate_sha256, method, request_id),
        CHECK ((registration_id IS NULL) = (payload_sha256 IS NULL)),
        CHECK ((registration_id IS NULL) = (request_sha256 IS NULL))
    )
    """,
    """
    CREATE TABLE history (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        happened_at timestamptz NOT NULL,
        who text NOT NULL,
        what text NOT NULL,
        certificate_sha256 bytea NOT NULL,
        category text,
        agencies text[] NOT NULL,
        bidder_id text,
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        -- The act that the card signed, and the certificate that its signature is checked with.
        purpose bytea,
        algorithm text,
        signature bytea,
        certificate bytea,
        CHECK ((purpose IS NULL) = (signature IS NULL)),
        CHECK ((purpose IS NULL) = (algorithm IS NULL)),
        CHECK ((purpose IS NULL) = (certificate IS NULL))
    )
    """,
    """
    CREATE FUNCTION history_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the history is only ever added to';
    END $$
    """,
    """
    CREATE TRIGGER history_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON history
        FOR EACH STATEMENT EXECUTE FUNCTION history_only_grows()
    """,
    # The newest list of every scope (issuer, key, distribution point, whole or delta).
    """
    CREATE TABLE crl (
        scope bytea PRIMARY KEY,
        sha256 bytea NOT NULL,
        issuer text NOT NULL,
        number numeric,
        this_update timestamptz NOT NULL,
        next_update timestamptz,
        url text NOT NULL,
        fetched_at timestamptz NOT NULL,
        der bytea NOT NULL
    )
    """,
    # DER of a list does not get smaller by compression worth its time.
    "ALTER TABLE crl ALTER COLUMN der SET STORAGE EXTERNAL",
    # Where lists are fetched, and when next. `authority` is the CA of the profile that named the place, if one did.
    """
    CREATE TABLE crl_source (
        url text PRIMARY KEY,
        authority text,
        next_fetch_at timestamptz NOT NULL,
        tried_at timestamptz,
        failures integer NOT NULL DEFAULT 0,
        last_refusal text
    )
    """,
)


def upgrade() -> None:
    """Creates the tables, and the schema of the jobs."""
    create_jobs_schema(op.get_bind())
    for statement in STATEMENTS:
        op.execute(statement)
