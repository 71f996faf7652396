"""What contact-notification must do: show what is registered, commit a change, and send the mail about it."""

from benchmarks.floor.contacts import NEW_BIDDER, history, insert_mails, send_mail, send_owners, tell_owners
from benchmarks.floor.entries import (
    CARD,
    CHANGE_ACT,
    CHANGE_NOTICE,
    CHANGE_REQUEST,
    CONTACTS,
    Statement,
    change,
    enqueue,
    look_for_delayed,
    reads,
)

_NEW_CONTACT = "md5('changed contact ' || (:n)::text)::uuid"
_OWNERS = (
    f"(owner.bidder_id, owner.category) = ({NEW_BIDDER}, 'works') "
    f"AND (owner.purpose = 'representative' OR owner.certificate_sha256 = {CARD})"
)
_REGISTERED = Statement(
    "the newest contacts, who brought them, and where an earlier one counts",
    "SELECT owner.purpose, owner.owner_id, owner.version, owner.counts_from, newest.brought_by, ARRAY(SELECT agency "
    "FROM contact_at_agency earlier WHERE earlier.owner_id = owner.owner_id AND earlier.counts_until IS NULL), c.* "
    "FROM contact_owners owner JOIN contact_versions newest USING (owner_id, version) "
    f"JOIN contacts c ON c.contact_id = owner.contact_id WHERE {_OWNERS}",
)

IN_CONTACTS = (
    reads("what is registered", CONTACTS, _REGISTERED),
    reads("form: what differs", CONTACTS, _REGISTERED),
    change(
        "commit",
        CONTACTS,
        Statement(
            "changes of one contact come one after the other",
            f"SELECT owner_id, has_successor FROM contact_owners owner WHERE {_OWNERS} "
            "ORDER BY purpose DESC FOR UPDATE",
        ),
        Statement(
            "the same request again gives the same receipt; read when nobody else can be making it",
            "SELECT m.*, c.*, r.* FROM contact_changes m LEFT JOIN contacts c ON c.contact_id = m.card_contact_id "
            "LEFT JOIN contacts r ON r.contact_id = m.representative_contact_id "
            f"WHERE (m.certificate_sha256, m.request_id) = ({CARD}, {CHANGE_REQUEST})",
        ),
        Statement(f"what was signed rests on the newest versions: {_REGISTERED.why}", _REGISTERED.sql),
        history("contacts changed", CARD, CHANGE_REQUEST, CHANGE_ACT),
        Statement(
            "the new version, which never changes, from when on it counts, what ends at other agencies, and what was "
            "changed for the receipt",
            "WITH new AS (INSERT INTO contacts (contact_id, department, postal_code, address, person_name, telephone, "
            f"fax, mail_address) VALUES ({_NEW_CONTACT}, '工事課', '330-9301', "
            "'埼玉県さいたま市浦和区高砂３－１５－１', '土木 二郎', '048-000-0002', '048-000-0001', "
            "'koji@contractor.example')), newest AS ("
            f"UPDATE contact_owners SET version = version + 1, contact_id = {_NEW_CONTACT}, former_contact_id = "
            "contact_id, counts_from = now(), state_number = state_number + 1 "
            "WHERE purpose = 'card' AND (certificate_sha256, category, bidder_id) = "
            f"({CARD}, 'works', {NEW_BIDDER}) RETURNING *), version AS (INSERT INTO contact_versions (owner_id, "
            "version, contact_id, counts_from, brought_by, request_id, agency, company_name) SELECT owner_id, version, "
            f"contact_id, counts_from, {CARD}, {CHANGE_REQUEST}, 'agency 1', '株式会社埼玉' FROM newest), ended AS ("
            "UPDATE contact_at_agency earlier SET counts_until = now() FROM newest "
            "WHERE earlier.owner_id = newest.owner_id AND earlier.counts_until IS NULL) "
            "INSERT INTO contact_changes (change_id, certificate_sha256, request_id, request_sha256, agency, category, "
            "bidder_id, company, card_contact_id, changed_fields, propagate, counts_from, history_number, "
            "history_digest) "
            f"SELECT {CHANGE_REQUEST}, {CARD}, {CHANGE_REQUEST}, {CHANGE_ACT}, 'agency 1', 'works', {NEW_BIDDER}, "
            f"jsonb_build_object('name', repeat('埼', 70)), {_NEW_CONTACT}, ARRAY['card_contact.person_name', "
            f"'card_contact.telephone'], true, now(), currval('history_entry_number_seq'), {CHANGE_ACT} FROM newest",
        ),
        tell_owners(1),
        Statement(
            "what the mail tells",
            "INSERT INTO notices (notice_id, kind, certificate_sha256, card_serial, agency, category, bidder_id, "
            "happened_at, holder_name, propagate, changed_fields, card_contact_id, company_name, history_number, "
            f"entry_registry, entry_digest, state, recipients, received_at) SELECT {CHANGE_NOTICE}, 'change', {CARD}, "
            f"'01', 'agency 1', 'works', {NEW_BIDDER}, now(), '登録 太郎', true, ARRAY['card_contact.person_name'], "
            f"{_NEW_CONTACT}, '株式会社埼玉', currval('history_entry_number_seq'), 'contact-notification', "
            f"{CHANGE_ACT}, 'written', jsonb_build_array(), now()",
        ),
        insert_mails([(CHANGE_NOTICE, CHANGE_NOTICE, _NEW_CONTACT)]),
        enqueue("the mail is sent if and only if the contact was changed", 1),
    ),
    *send_owners(f"purpose = 'card' AND (certificate_sha256, category, bidder_id) = ({CARD}, 'works', {NEW_BIDDER})"),
    look_for_delayed("send a mail", CONTACTS),
    *send_mail(
        CHANGE_NOTICE,
        reads(
            "send a mail: the seal",
            CONTACTS,
            Statement(
                "it shows where its act is sealed in our own history, which no other mail asks",
                "SELECT e.digest, p.position, h.* FROM mails JOIN notices n USING (notice_id) "
                "JOIN history_entry e ON e.number = n.history_number "
                "LEFT JOIN history_position p ON p.number = e.number "
                "LEFT JOIN LATERAL (SELECT number, sealed_at, root, previous, signature, leaves FROM history_head "
                "WHERE first_position <= p.position ORDER BY first_position DESC LIMIT 1) AS h ON true "
                f"WHERE mail_id = {CHANGE_NOTICE}",
            ),
        ),
        change(
            "send a mail: the seal",
            CONTACTS,
            Statement(
                "its mails are the same in every try",
                f"UPDATE notices SET entry_position = 1, entry_head_number = 1, entry_head_sha256 = {CHANGE_ACT}, "
                "entry_proof = decode(repeat('30', 400), 'hex') "
                f"WHERE notice_id = {CHANGE_NOTICE} AND entry_position IS NULL",
            ),
        ),
    ),
)
