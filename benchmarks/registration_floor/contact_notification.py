"""What contact-notification must do: stage contacts, make them active, take notices, send mails."""

from benchmarks.floor.contacts import (
    CARD_CONTACT,
    NEW_BIDDER,
    REPRESENTATIVE,
    history,
    insert_mails,
    record_state,
    send_mail,
    send_owners,
    tell_owners,
)
from benchmarks.floor.entries import (
    ACT,
    CARD,
    CONTACTS,
    NOTICE,
    REGISTRATION,
    REQUEST,
    SECOND_NOTICE,
    Statement,
    change,
    enqueue,
    reads,
)

_LOCK_STAGED = Statement(
    "a notice and the state that makes its contacts active wait for each other",
    f"SELECT * FROM staged_registrations WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST}) FOR UPDATE",
)
_KEPT_STATE = record_state(CARD)
_VERSION = (
    "INSERT INTO contact_versions (owner_id, version, contact_id, counts_from, brought_by, request_id, agency, "
    f"company_name) SELECT owner_id, version, contact_id, counts_from, {CARD}, {REQUEST}, 'agency 1', '株式会社埼玉' "
    "FROM newest"
)

_NOTICES = change(
    "take the notices",
    CONTACTS,
    _LOCK_STAGED,
    Statement(
        "each notice is taken once by its id",
        "INSERT INTO notices (notice_id, kind, registration_id, certificate_sha256, request_id, card_serial, agency, "
        "category, bidder_id, registered_at, holder_name, state, recipients, received_at) "
        f"SELECT id, 'registration', {REGISTRATION}, {CARD}, {REQUEST}, '01', 'agency 1', 'works', {NEW_BIDDER}, "
        f"now(), '登録 太郎', 'written', jsonb_build_array(), now() FROM unnest(ARRAY[{NOTICE}, {SECOND_NOTICE}]) id "
        "ON CONFLICT (notice_id) DO NOTHING",
    ),
    Statement(
        "to whom they go",
        "SELECT c.contact_id, c.mail_address FROM contacts c "
        f"WHERE c.contact_id IN ({CARD_CONTACT}, {REPRESENTATIVE}) "
        "UNION SELECT c.contact_id, c.mail_address FROM contact_owners o JOIN contacts c USING (contact_id) "
        f"WHERE o.purpose = 'card' AND o.bidder_id = {NEW_BIDDER} AND o.certificate_sha256 <> {CARD}",
    ),
    insert_mails([(NOTICE, NOTICE, CARD_CONTACT), (SECOND_NOTICE, SECOND_NOTICE, REPRESENTATIVE)]),
    enqueue("the mails are sent if and only if the notices were taken", 2),
)


IN_CONTACTS = (
    reads(
        "search: is a representative contact wanted",
        CONTACTS,
        Statement(
            "it is asked at the first registration only",
            "SELECT contact_id FROM contact_owners WHERE purpose = 'representative' "
            f"AND (bidder_id, category) = ({NEW_BIDDER}, 'works')",
        ),
    ),
    change(
        "form: stage the contacts",
        CONTACTS,
        Statement(
            "an abandoned request is never staged again, and a staged one not twice; the representative "
            "contact may exist since the search",
            "SELECT EXISTS (SELECT FROM abandoned_requests "
            f"WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST})), s.*, c.* FROM (SELECT 1) one "
            f"LEFT JOIN staged_registrations s ON (s.certificate_sha256, s.request_id) = ({CARD}, {REQUEST}) "
            "LEFT JOIN contact_owners r ON r.purpose = 'representative' "
            f"AND (r.bidder_id, r.category) = ({NEW_BIDDER}, 'works') "
            "LEFT JOIN contacts c ON c.contact_id = r.contact_id",
        ),
        Statement(
            "both contacts, and what the act is about, unless another registration is pending or reserves",
            "WITH staged AS (INSERT INTO staged_registrations (certificate_sha256, request_id, request_sha256, agency, "
            "category, bidder_id, company, card_contact_id, representative_contact_id, person_in_charge, "
            f"reserves_representative, state, staged_at) VALUES ({CARD}, {REQUEST}, {ACT}, "
            f"'agency 1', 'works', {NEW_BIDDER}, jsonb_build_object('name', repeat('埼', 70)), "
            f"{CARD_CONTACT}, {REPRESENTATIVE}, '登録', true, 'pending', now()) ON CONFLICT DO NOTHING "
            "RETURNING request_id) INSERT INTO contacts (contact_id, department, postal_code, address, person_name, "
            "telephone, fax, mail_address) SELECT id, '工事課', '330-9301', '埼玉県さいたま市浦和区高砂３－１５－１', "
            "'土木 一郎', '048-000-0000', '048-000-0001', 'koji@contractor.example' "
            f"FROM staged, unnest(ARRAY[{CARD_CONTACT}, {REPRESENTATIVE}]) id",
        ),
    ),
    reads(
        "commit: the receipt",
        CONTACTS,
        Statement(
            "what was staged, with its contacts",
            "SELECT s.*, c.*, r.* FROM staged_registrations s JOIN contacts c ON c.contact_id = s.card_contact_id "
            "LEFT JOIN contacts r ON r.contact_id = s.representative_contact_id "
            f"WHERE (s.certificate_sha256, s.request_id) = ({CARD}, {REQUEST})",
        ),
    ),
    change("record the registration", CONTACTS, _KEPT_STATE),
    change(
        "record the registration: its contacts",
        CONTACTS,
        _LOCK_STAGED,
        Statement(
            "the bidder's contact, in a version that never changes",
            "WITH newest AS (INSERT INTO contact_owners AS owner (purpose, bidder_id, category, version, contact_id, "
            f"counts_from, state_number) VALUES ('representative', {NEW_BIDDER}, 'works', 1, {REPRESENTATIVE}, now(), "
            "1) "
            "ON CONFLICT (bidder_id, category) WHERE purpose = 'representative' DO UPDATE "
            "SET version = owner.version + 1, contact_id = excluded.contact_id RETURNING *) "
            f"{_VERSION}",
        ),
        Statement(
            "the card's contact, and what the state names is active; nothing is missing any more",
            "WITH newest AS (INSERT INTO contact_owners AS owner (purpose, certificate_sha256, category, bidder_id, "
            f"version, contact_id, counts_from, state_number) VALUES ('card', {CARD}, 'works', {NEW_BIDDER}, 1, "
            f"{CARD_CONTACT}, now(), 1) "
            "ON CONFLICT (certificate_sha256, category, bidder_id) WHERE purpose = 'card' DO UPDATE "
            "SET version = owner.version + 1, contact_id = excluded.contact_id RETURNING *), "
            f"version AS ({_VERSION}), "
            "found AS (DELETE FROM registrations_without_contacts "
            f"WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST})) "
            f"UPDATE staged_registrations SET state = 'active', registration_id = {REGISTRATION} "
            f"WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST}) RETURNING *, "
            "(SELECT ARRAY[department, postal_code, address, person_name, telephone, fax, mail_address] FROM contacts "
            "WHERE contact_id = card_contact_id), "
            "(SELECT ARRAY[department, postal_code, address, person_name, telephone, fax, mail_address] FROM contacts "
            "WHERE contact_id = representative_contact_id)",
        ),
        tell_owners(1),
        history("contacts registered", CARD, REQUEST, ACT),
        Statement(
            "notices may have come first",
            "SELECT * FROM notices WHERE state = 'waiting' "
            f"AND (certificate_sha256, request_id) = ({CARD}, {REQUEST}) FOR UPDATE",
        ),
    ),
    _NOTICES,
    *send_owners(f"(owner.bidder_id, owner.category) = ({NEW_BIDDER}, 'works')"),
    *send_mail(NOTICE),
    *send_mail(SECOND_NOTICE),
    change("record the propagation", CONTACTS, _KEPT_STATE),
)
