"""The tables of a history. A service's migration creates them: `create_history(op.execute)`.

An entry is never updated: its position stands in a table of its own, since a position in its row would write the row
and all its indexes a second time. `history_unsealed` has the entries that have no position yet, so that the sealer
finds those that were committed late. A head has the digests of its entries beside it (`leaves`), which its root proves:
so a verification names what was done to which entry, and a receipt is made from one row. There are no foreign keys:
rows come by the million, and a verification finds what does not belong together.
"""

from collections.abc import Callable

# The channel on which the database says that entries were written.
CHANNEL = "history"

_STATEMENTS = (
    """
    CREATE TABLE history_entry (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        happened_at timestamptz NOT NULL CHECK (happened_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-30 00:00Z'),
        who text NOT NULL,
        what text NOT NULL,
        request_id uuid,
        trace_id text,
        certificate_sha256 bytea CHECK (length(certificate_sha256) = 32),
        category text,
        agencies text[] NOT NULL,
        bidder_id text,
        details_digest bytea NOT NULL CHECK (length(details_digest) = 32),
        digest bytea NOT NULL CHECK (length(digest) = 32)
    )
    """,
    "CREATE INDEX history_of_bidder ON history_entry (bidder_id, number) WHERE bidder_id IS NOT NULL",
    "CREATE INDEX history_of_card ON history_entry (certificate_sha256, number) WHERE certificate_sha256 IS NOT NULL",
    "CREATE INDEX history_of_request ON history_entry (request_id, number) WHERE request_id IS NOT NULL",
    "CREATE INDEX history_by_whom ON history_entry (who, number)",
    # Canonical JSON as the digest covers it, so it is a text.
    """
    CREATE TABLE history_details (
        number bigint PRIMARY KEY,
        salt bytea NOT NULL CHECK (length(salt) = 32),
        details text NOT NULL
    )
    """,
    # Whose details were erased, and the number of the entry of the act that did it.
    "CREATE TABLE history_erasure (number bigint PRIMARY KEY, erased_by bigint NOT NULL CHECK (erased_by > number))",
    "CREATE TABLE history_unsealed (number bigint PRIMARY KEY)",
    "CREATE TABLE history_position (position bigint PRIMARY KEY CHECK (position > 0), number bigint NOT NULL UNIQUE)",
    """
    CREATE TABLE history_head (
        number bigint PRIMARY KEY CHECK (number > 0),
        chain bytea NOT NULL CHECK (length(chain) = 32),
        first_position bigint NOT NULL UNIQUE CHECK (first_position > 0),
        last_position bigint NOT NULL CHECK (last_position >= first_position),
        sealed_at timestamptz NOT NULL CHECK (sealed_at BETWEEN '1970-01-01 00:00Z' AND '9999-12-30 00:00Z'),
        root bytea NOT NULL CHECK (length(root) = 32),
        previous bytea NOT NULL CHECK (length(previous) = 32),
        key_id text NOT NULL,
        signature bytea NOT NULL,
        leaves bytea NOT NULL CHECK (length(leaves) = 32 * (last_position - first_position + 1))
    )
    """,
    # Hashes don't get smaller by compression.
    "ALTER TABLE history_head ALTER COLUMN leaves SET STORAGE EXTERNAL",
    # Whoever writes entries can't forget to have them sealed.
    """
    CREATE FUNCTION history_is_to_be_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO history_unsealed SELECT number FROM written;
        PERFORM pg_notify('history', '');
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER history_is_to_be_sealed AFTER INSERT ON history_entry
        REFERENCING NEW TABLE AS written
        FOR EACH STATEMENT EXECUTE FUNCTION history_is_to_be_sealed()
    """,
    """
    CREATE FUNCTION history_is_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM taken WHERE NOT EXISTS (SELECT FROM history_position WHERE number = taken.number)
        ) THEN
            RAISE EXCEPTION 'an entry of the history waits until it has a position';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER history_is_sealed AFTER DELETE ON history_unsealed
        REFERENCING OLD TABLE AS taken
        FOR EACH STATEMENT EXECUTE FUNCTION history_is_sealed()
    """,
    """
    CREATE FUNCTION history_details_are_erased_by_an_act() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM erased WHERE NOT EXISTS (
                SELECT FROM history_erasure JOIN history_entry ON history_entry.number = erased_by
                WHERE history_erasure.number = erased.number
            )
        ) THEN
            RAISE EXCEPTION 'details of the history are erased by an act that is an entry itself';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER history_details_are_erased_by_an_act AFTER DELETE ON history_details
        REFERENCING OLD TABLE AS erased
        FOR EACH STATEMENT EXECUTE FUNCTION history_details_are_erased_by_an_act()
    """,
    """
    CREATE FUNCTION history_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the history is only ever added to';
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER history_only_grows BEFORE {changes} ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION history_only_grows()
        """
        for table, changes in {
            "history_entry": "UPDATE OR DELETE OR TRUNCATE",
            "history_details": "UPDATE OR TRUNCATE",
            "history_erasure": "UPDATE OR DELETE OR TRUNCATE",
            "history_unsealed": "UPDATE OR TRUNCATE",
            "history_position": "UPDATE OR DELETE OR TRUNCATE",
            "history_head": "UPDATE OR DELETE OR TRUNCATE",
        }.items()
    ),
)


def create_history(execute: Callable[[str], object]) -> None:
    """Creates the tables with their triggers, by a function that runs one SQL statement (PostgreSQL 15 or newer)."""
    for statement in _STATEMENTS:
        execute(statement)
