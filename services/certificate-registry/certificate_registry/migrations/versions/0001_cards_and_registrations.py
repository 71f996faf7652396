"""Cards, their sessions, bindings, registrations and states; notices; bidders' status; officers; CRLs; the history."""

from alembic import op

from history.tables import create_history
from officers.tables import create_officers
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
        role text NOT NULL DEFAULT 'sole' CHECK (role IN ('sole', 'old', 'new')),
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
        IF TG_OP = 'UPDATE' AND OLD.ended_as = 'closed' AND NEW.ended_at IS NULL
            AND (OLD.certificate_sha256, OLD.category, OLD.number, OLD.bidder_id, OLD.began_at, OLD.began_because,
                OLD.password_proven, OLD.company, OLD.holder)
              = (NEW.certificate_sha256, NEW.category, NEW.number, NEW.bidder_id, NEW.began_at, NEW.began_because,
                NEW.password_proven, NEW.company, NEW.holder)
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'a binding begins, is proven again, ends and, if closed, is reopened, and nothing else';
    END $$
    """,
    """
    CREATE TRIGGER binding_only_ends BEFORE UPDATE OR DELETE ON binding
        FOR EACH ROW EXECUTE FUNCTION binding_only_ends()
    """,
    # Every registration of every binding; the newest binding's counts. One that a reopening ended while its binding
    # goes on has a number below 0, so that the card can be registered there anew. Without foreign keys and further
    # indexes: rows come by the million, set by set. The key begins with the card, whose registrations are read and
    # written together.
    """
    CREATE TABLE registration (
        certificate_sha256 bytea NOT NULL,
        category text NOT NULL,
        agency text NOT NULL,
        binding_number integer NOT NULL,
        registration_id uuid NOT NULL,
        bidder_id text NOT NULL,
        registered_at timestamptz NOT NULL,
        origin text NOT NULL CHECK (origin IN ('contractor', 'propagation', 'renewal')),
        state text NOT NULL DEFAULT 'good' CHECK (state IN ('good', 'suspended', 'replaced', 'ended')),
        reason text,
        -- The cards after and before this one at the agency: by a renewal, or linked by an officer.
        replaced_by bytea,
        predecessor bytea,
        -- The contractor chose that the other agencies do not follow.
        stays_here boolean NOT NULL DEFAULT false,
        PRIMARY KEY (certificate_sha256, category, agency, binding_number),
        CHECK ((state = 'good') = (reason IS NULL)),
        CHECK ((state = 'replaced') = (replaced_by IS NOT NULL))
    )
    """,
    # The expired cards that contractors named as the ones before their new cards, until an officer links the two.
    """
    CREATE TABLE named_predecessor (
        registration_id uuid PRIMARY KEY,
        certificate_sha256 bytea NOT NULL,
        category text NOT NULL,
        agency text NOT NULL,
        bidder_id text NOT NULL,
        predecessor bytea NOT NULL,
        named_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX named_predecessor_by_agency ON named_predecessor (agency, category, named_at, registration_id)",
    "CREATE INDEX named_predecessor_named ON named_predecessor (named_at)",
    # What went wrong for contractors, for a help desk to find by the number on the screen.
    """
    CREATE TABLE incident (
        incident_id uuid PRIMARY KEY,
        inquiry_number text NOT NULL,
        happened_at timestamptz NOT NULL,
        reported_by text NOT NULL,
        operation text NOT NULL,
        step text NOT NULL,
        agency text NOT NULL,
        category text NOT NULL,
        certificate_sha256 bytea,
        bidder_id text,
        reason text NOT NULL,
        metadata jsonb NOT NULL,
        fields jsonb NOT NULL
    )
    """,
    "CREATE INDEX incident_by_inquiry_number ON incident (inquiry_number)",
    "CREATE INDEX incident_happened ON incident (happened_at)",
    # The lookup reads the state of a registration and no binding, so whoever ends a binding can't forget these.
    """
    CREATE FUNCTION binding_ends_its_registrations() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE registration SET state = 'ended', reason = ended.ended_because
        FROM now_ended AS ended
        WHERE ended.ended_at IS NOT NULL AND registration.certificate_sha256 = ended.certificate_sha256
            AND registration.category = ended.category AND registration.binding_number = ended.number
            AND registration.state IN ('good', 'suspended');
        -- Those at agencies; one in the whole instance is about the card, whoever it is bound to.
        DELETE FROM card_suspension USING now_ended AS ended
        WHERE ended.ended_at IS NOT NULL AND card_suspension.certificate_sha256 = ended.certificate_sha256
            AND card_suspension.category = ended.category AND card_suspension.agency <> 'operator';
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
    # Suspensions by officers that stand: of the whole instance under the code of the operator. One that nobody
    # confirmed lapses. What follows from it stands in the state of the registration, or in that of the card.
    """
    CREATE TABLE card_suspension (
        certificate_sha256 bytea NOT NULL,
        category text NOT NULL,
        agency text NOT NULL,
        reason text NOT NULL,
        suspended_by text NOT NULL,
        suspended_at timestamptz NOT NULL,
        lapses_at timestamptz,
        confirmed_by text,
        PRIMARY KEY (certificate_sha256, category, agency),
        CHECK ((lapses_at IS NULL) = (confirmed_by IS NOT NULL))
    )
    """,
    "CREATE INDEX card_suspension_lapses ON card_suspension (lapses_at) WHERE lapses_at IS NOT NULL",
    # What people are told of by mail, until it is sent: a registration, a renewal, or what an officer did to a card.
    """
    CREATE TABLE notice (
        notice_id uuid PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN (
            'registration', 'registration notice', 'renewal', 'renewal notice', 'card suspended', 'card resumed',
            'binding undone', 'registration reopened', 'predecessor linked'
        )),
        registration_id uuid,
        certificate_sha256 bytea,
        agency text,
        category text,
        bidder_id text,
        happened_at timestamptz,
        history_number bigint NOT NULL,
        written_at timestamptz NOT NULL,
        sent_at timestamptz,
        CHECK (
            (kind IN ('registration', 'registration notice', 'renewal', 'renewal notice', 'registration reopened'))
            = (registration_id IS NOT NULL)
        ),
        CHECK (kind IN ('registration', 'registration notice', 'renewal', 'renewal notice') OR (
            certificate_sha256 IS NOT NULL AND agency IS NOT NULL AND category IS NOT NULL AND bidder_id IS NOT NULL
            AND happened_at IS NOT NULL
        ))
    )
    """,
    "CREATE INDEX notice_sent ON notice (sent_at) WHERE sent_at IS NOT NULL",
    """
    CREATE TABLE bidder_state (
        bidder_id text NOT NULL,
        category text NOT NULL,
        status text NOT NULL CHECK (status IN ('active', 'suspended', 'ended')),
        suspended_agencies text[] NOT NULL,
        -- The instants at which it changes where the bidder is qualified, ascending; and the agencies before them all
        -- and since each one, as a text with a space before and after each code.
        qualified_since timestamptz[] NOT NULL,
        qualified_at text[] NOT NULL,
        -- The agencies at which changed company data is under review, and since when, place by place.
        review_agencies text[] NOT NULL,
        review_began_at timestamptz[] NOT NULL,
        version_epoch bigint NOT NULL,
        version_number bigint NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (bidder_id, category),
        CHECK (cardinality(qualified_at) = cardinality(qualified_since) + 1),
        CHECK (cardinality(review_began_at) = cardinality(review_agencies))
    )
    -- A lookup reads every row whole: one of two terms with sixty agencies each stays as it is, neither compressed nor
    -- kept elsewhere.
    WITH (toast_tuple_target = 8160)
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
    # An invitation of a person as an officer. Of the code only the argon2id hash is kept; the certificate is that with
    # which the person accepted, and counts for nothing before an administrator has confirmed it.
    """
    CREATE TABLE officer_invitation (
        invitation_id uuid PRIMARY KEY,
        person_id text NOT NULL,
        agency text NOT NULL,
        name text NOT NULL,
        mail_address text NOT NULL,
        is_further boolean NOT NULL,
        code_hash text NOT NULL,
        invited_by text NOT NULL,
        invited_at timestamptz NOT NULL,
        certificate bytea,
        certificate_sha256 bytea CHECK (length(certificate_sha256) = 32),
        accepted_at timestamptz,
        accepted_by uuid,
        closed_at timestamptz,
        closed_as text CHECK (closed_as IN ('confirmed', 'cancelled', 'expired', 'withdrawn')),
        CHECK ((accepted_at IS NULL) = (certificate IS NULL)),
        CHECK ((accepted_at IS NULL) = (certificate_sha256 IS NULL)),
        CHECK ((accepted_at IS NULL) = (accepted_by IS NULL)),
        CHECK ((closed_at IS NULL) = (closed_as IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX officer_invitation_standing ON officer_invitation (person_id) WHERE closed_at IS NULL",
    "CREATE INDEX officer_invitation_of_person ON officer_invitation (person_id, invited_at)",
    "CREATE INDEX officer_invitation_invited ON officer_invitation (invited_at)",
    # Tries of codes, by a certificate or for a person, whether there is such an invitation or not.
    """
    CREATE TABLE officer_code_tries (
        subject text PRIMARY KEY,
        began_at timestamptz NOT NULL,
        tries integer NOT NULL
    )
    """,
    "CREATE INDEX officer_code_tries_began ON officer_code_tries (began_at)",
    """
    CREATE TABLE officer_session (
        token_sha256 bytea PRIMARY KEY CHECK (length(token_sha256) = 32),
        person_id text NOT NULL,
        certificate_sha256 bytea NOT NULL CHECK (length(certificate_sha256) = 32),
        opened_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        ended_at timestamptz
    )
    """,
    "CREATE INDEX officer_session_opened ON officer_session (opened_at)",
    # What officers are told by mail: the code of an invitation, which lies here sealed until it is handed over, or that
    # a certificate expires, once for each of the days before.
    """
    CREATE TABLE officer_notice (
        notice_id uuid PRIMARY KEY,
        invitation_id uuid,
        sealed_code bytea,
        certificate_sha256 bytea,
        days integer,
        written_at timestamptz NOT NULL,
        sent_at timestamptz,
        CHECK ((invitation_id IS NULL) <> (certificate_sha256 IS NULL)),
        CHECK ((days IS NULL) = (certificate_sha256 IS NULL)),
        CHECK (sealed_code IS NULL OR (invitation_id IS NOT NULL AND sent_at IS NULL))
    )
    """,
    "CREATE UNIQUE INDEX officer_notice_once ON officer_notice (certificate_sha256, days)",
    "CREATE INDEX officer_notice_written ON officer_notice (written_at)",
    # The epoch under which each service was last told of all officers.
    "CREATE TABLE officers_told (consumer text PRIMARY KEY, epoch bigint NOT NULL)",
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


# What of an officer only this service knows; `officers.tables` has the rest. Names and addresses are emptied when they
# are erased.
OFFICERS = (
    """
    CREATE TABLE officer_person (
        person_id text PRIMARY KEY REFERENCES officer,
        name text NOT NULL,
        mail_address text NOT NULL,
        confirmed_at timestamptz NOT NULL,
        withdrawn_at timestamptz
    )
    """,
    "CREATE INDEX officer_person_withdrawn ON officer_person (withdrawn_at) WHERE name <> ''",
    "CREATE INDEX officer_of_agency ON officer (agency, person_id)",
    "CREATE INDEX officer_certificate_expiring ON officer_certificate (valid_until) WHERE NOT is_withdrawn",
)


def upgrade() -> None:
    """Creates the tables, and the schema of the jobs."""
    create_jobs_schema(op.get_bind())
    for statement in STATEMENTS:
        op.execute(statement)
    create_history(op.execute)
    create_officers(op.execute)
    for statement in OFFICERS:
        op.execute(statement)
