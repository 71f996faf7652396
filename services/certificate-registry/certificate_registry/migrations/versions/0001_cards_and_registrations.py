"""Cards, their sessions, bindings, registrations and states; notices; bidders' status; CRLs; the history."""

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
    # `number` counts the bindings that one card had in one category. Released: the card may register anew; closed: only
    # officers can bind it again. What was proven is the newest comparison, and whether a password was ever right.
    """
    CREATE TABLE binding (
        certificate_sha256 bytea NOT NULL REFERENCES card,
        category text NOT NULL,
        number integer NOT NULL,
        bidder_id text NOT NULL,
        began_at timestamptz NOT NULL,
        began_because text NOT NULL,
        password_proven boolean NOT NULL,
        company text NOT NULL CHECK (company IN ('same', 'unreadable', 'different')),
        holder text NOT NULL
            CHECK (holder IN ('not compared', 'contract party', 'representative', 'unreadable', 'different')),
        ended_at timestamptz,
        ended_as text CHECK (ended_as IN ('released', 'closed')),
        ended_because text,
        PRIMARY KEY (certificate_sha256, category, number),
        CHECK ((ended_at IS NULL) = (ended_as IS NULL)),
        CHECK ((ended_at IS NULL) = (ended_because IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX binding_live ON binding (certificate_sha256, category) WHERE ended_at IS NULL",
    # A notice goes to the bidder's other cards too.
    "CREATE INDEX binding_of_bidder ON binding (bidder_id)",
    """
    CREATE FUNCTION binding_only_ends() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.ended_at IS NULL AND NEW.password_proven >= OLD.password_proven
            AND (OLD.certificate_sha256, OLD.category, OLD.number, OLD.bidder_id, OLD.began_at, OLD.began_because)
              = (NEW.certificate_sha256, NEW.category, NEW.number, NEW.bidder_id, NEW.began_at, NEW.began_because)
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a binding begins, is proven again and ends, nothing else happens to it';
    END $$
    """,
    """
    CREATE TRIGGER binding_only_ends BEFORE UPDATE OR DELETE ON binding
        FOR EACH ROW EXECUTE FUNCTION binding_only_ends()
    """,
    # Every registration of every binding; the newest binding's counts. Without foreign keys and further indexes: rows
    # come by the million, set by set. The key begins with the card, whose registrations are read and written together.
    """
    CREATE TABLE registration (
        certificate_sha256 bytea NOT NULL,
        category text NOT NULL,
        agency text NOT NULL,
        binding_number integer NOT NULL,
        registration_id uuid NOT NULL,
        bidder_id text NOT NULL,
        registered_at timestamptz NOT NULL,
        origin text NOT NULL CHECK (origin IN ('contractor', 'propagation')),
        state text NOT NULL DEFAULT 'good' CHECK (state IN ('good', 'suspended', 'replaced', 'ended')),
        reason text,
        PRIMARY KEY (certificate_sha256, category, agency, binding_number),
        CHECK ((state = 'good') = (reason IS NULL))
    )
    """,
    # The lookup reads the state of a registration and no binding, so whoever ends a binding can't forget these.
    """
    CREATE FUNCTION binding_ends_its_registrations() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE registration SET state = 'ended', reason = ended.ended_because
        FROM now_ended AS ended
        WHERE ended.ended_at IS NOT NULL AND registration.certificate_sha256 = ended.certificate_sha256
            AND registration.category = ended.category AND registration.binding_number = ended.number
            AND registration.state IN ('good', 'suspended');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER binding_ends_its_registrations AFTER UPDATE ON binding
        REFERENCING NEW TABLE AS now_ended
        FOR EACH STATEMENT EXECUTE FUNCTION binding_ends_its_registrations()
    """,
    # What other services are told of: the version of a card's newest binding with all its registrations, counted under
    # the lock of the card's row. A card is suspended in the whole instance while there is a reason for it.
    """
    CREATE TABLE card_state (
        certificate_sha256 bytea NOT NULL,
        category text NOT NULL,
        version_epoch bigint NOT NULL,
        version_number bigint NOT NULL,
        suspended_because text,
        PRIMARY KEY (certificate_sha256, category)
    )
    """,
    # What people are told of by mail, until it is sent.
    """
    CREATE TABLE notice (
        notice_id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('registration', 'registration notice')),
        registration_id uuid NOT NULL,
        written_at timestamptz NOT NULL,
        sent_at timestamptz
    )
    """,
    "CREATE INDEX notice_sent ON notice (sent_at) WHERE sent_at IS NOT NULL",
    """
    CREATE TABLE bidder (
        bidder_id text PRIMARY KEY,
        status text NOT NULL CHECK (status IN ('active', 'suspended', 'ended')),
        version_epoch bigint NOT NULL,
        version_number bigint NOT NULL,
        recorded_at timestamptz NOT NULL
    )
    """,
    # What became of a request: a registration with its place, or a tombstone.
    """
    CREATE TABLE request_outcome (
        certificate_sha256 bytea NOT NULL,
        method text NOT NULL,
        request_id uuid NOT NULL,
        payload_sha256 bytea,
        request_sha256 bytea,
        registration_id uuid,
        category text,
        agency text,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (certificate_sha256, method, request_id),
        CHECK ((registration_id IS NULL) = (payload_sha256 IS NULL)),
        CHECK ((registration_id IS NULL) = (request_sha256 IS NULL)),
        CHECK ((registration_id IS NULL) = (category IS NULL)),
        CHECK ((registration_id IS NULL) = (agency IS NULL))
    )
    """,
    # Only contractors' registrations are asked for by id; they are one in sixty.
    "CREATE UNIQUE INDEX request_outcome_registration ON request_outcome (registration_id)",
    "CREATE INDEX request_outcome_tombstones ON request_outcome (recorded_at) WHERE registration_id IS NULL",
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
        last_refusal text,
        -- When the profile, a CA or a card named it last: of a card to the day, of the others at the last claim.
        named_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    """Creates the tables, and the schema of the jobs."""
    create_jobs_schema(op.get_bind())
    for statement in STATEMENTS:
        op.execute(statement)
