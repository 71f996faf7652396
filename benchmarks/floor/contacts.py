"""What contact-notification must do for every operation: states of cards, its history, and mails."""

from collections.abc import Iterable

from benchmarks.floor.entries import CARD, CONTACTS, REQUEST, Statement, Step, change, enqueue, job, reads

CARD_CONTACT = "md5('card contact ' || (:n)::text)::uuid"
REPRESENTATIVE = "md5('representative ' || (:n)::text)::uuid"
NEW_BIDDER = "('bidder ' || (:n)::text)"


def record_state(card: str, request: str = REQUEST) -> Statement:
    """Returns the statement that keeps the state of a card."""
    return Statement(
        "the agencies that may ask for the contacts, if this state is the newest; whether its contacts are active "
        "already",
        "WITH recorded AS (INSERT INTO card_states AS known (certificate_sha256, category, bidder_id, agencies, "
        f"version_epoch, version_number) SELECT {card}, 'works', {NEW_BIDDER}, array_agg('agency ' || a), 1, 1 "
        "FROM generate_series(1, (:agencies)::integer) a ON CONFLICT (certificate_sha256, category) DO UPDATE SET "
        "agencies = excluded.agencies, version_number = known.version_number + 1) "
        f"SELECT id FROM unnest(ARRAY[{request}]) id WHERE NOT EXISTS (SELECT FROM staged_registrations "
        f"WHERE (certificate_sha256, request_id) = ({CARD}, id) AND state = 'active')",
    )


def history(what: str, card: str, request: str, act: str) -> Statement:
    """Returns the statement that writes an entry of this card's act."""
    return Statement(
        "whose contacts count from when on can be proven later: an entry of the history, its details apart",
        "WITH given AS MATERIALIZED (SELECT nextval('history_entry_number_seq') AS number), entry AS ("
        "INSERT INTO history_entry (number, happened_at, who, what, request_id, trace_id, certificate_sha256, "
        "category, agencies, bidder_id, details_digest, digest) OVERRIDING SYSTEM VALUE "
        f"SELECT number, now(), 'card ' || encode({card}, 'hex'), '{what}', {request}, "
        f"repeat('0', 32), {card}, 'works', ARRAY['agency 1'], {NEW_BIDDER}, {act}, {act} FROM given), "
        "details AS (INSERT INTO history_details (number, salt, details) "
        f"SELECT number, {act}, repeat('埼', 350) FROM given) SELECT number FROM given",
    )


def insert_mails(mails: Iterable[tuple[str, str, str]]) -> Statement:
    """Returns the statement that writes mails: id, notice, and contact of each."""
    rows = ", ".join(
        f"({mail}, ({mail})::text, {notice}, {contact}, '', 'written', now())" for mail, notice, contact in mails
    )
    return Statement(
        "one mail for each mailbox",
        "INSERT INTO mails (mail_id, message_id, notice_id, contact_id, mail_address, state, written_at) "
        f"VALUES {rows}",
    )


def tell_owners(count: int) -> Statement:
    """Returns the statement that has agency-sync told of contacts, after a change to some of them."""
    return enqueue("agency-sync learns which versions count where, if and only if they do", count)


def send_owners(owners: str) -> Iterable[Step]:
    """Returns the job that tells agency-sync of the owners of contacts, which are named by a condition."""
    yield from job("tell agency-sync of the contacts", CONTACTS)
    yield reads(
        "tell agency-sync of the contacts",
        CONTACTS,
        Statement(
            "which versions count where, as it is now, with the plans of the night",
            "SELECT owner.*, ARRAY(SELECT (agency, version) FROM contact_at_agency earlier WHERE earlier.owner_id = "
            "owner.owner_id AND counts_until IS NULL), ARRAY(SELECT (change_id, change.agency, change.counts_from) "
            "FROM contact_at_agency due JOIN contact_changes change ON change.change_id = due.planned_by "
            f"WHERE due.owner_id = owner.owner_id AND counts_until IS NULL) FROM contact_owners owner WHERE {owners}",
        ),
    )


def send_mail(mail: str, *further: Step) -> Iterable[Step]:
    """Returns the job that sends a mail; `further` comes before it is sent."""
    yield from job("send a mail", CONTACTS)
    yield reads(
        "send a mail",
        CONTACTS,
        Statement(
            "its text: nothing of it is in the job",
            "SELECT m.*, s.company, n.*, c.mail_address, c.person_name FROM mails m JOIN notices n USING (notice_id) "
            "LEFT JOIN staged_registrations s USING (certificate_sha256, request_id) "
            "JOIN contacts c USING (contact_id) "
            f"WHERE m.mail_id = {mail} AND m.state = 'written'",
        ),
    )
    yield from further
    yield change(
        "send a mail",
        CONTACTS,
        Statement(
            "it is sent once",
            f"UPDATE mails SET state = 'sent', sent_at = now() WHERE mail_id = {mail} AND state = 'written'",
        ),
    )
