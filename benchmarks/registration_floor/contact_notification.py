"""What contact-notification must do: stage contacts, make them active, take notices, send mails."""

from collections.abc import Iterable

from benchmarks.registration_floor.entries import (
    ACT,
    CARD,
    CONTACTS,
    NOTICE,
    REGISTRATION,
    REQUEST,
    SECOND_NOTICE,
    Statement,
    Step,
    change,
    enqueue,
    job,
    reads,
)

CARD_CONTACT = "md5('card contact ' || (:n)::text)::uuid"
REPRESENTATIVE = "md5('representative ' || (:n)::text)::uuid"
NEW_BIDDER = "('bidder ' || (:n)::text)"
_LOCK_STAGED = Statement(
    "a notice and the state that makes its contacts active wait for each other",
    f"SELECT * FROM staged_registrations WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST}) FOR UPDATE",
)
_KEPT_STATE = Statement(
    "the agencies that may ask for the contacts, if this state is the newest",
    "INSERT INTO card_states AS known (certificate_sha256, category, bidder_id, agencies, version_epoch, "
    f"version_number) SELECT {CARD}, 'works', {NEW_BIDDER}, array_agg('agency ' || a), 1, 1 "
    "FROM generate_series(1, (:agencies)::integer) a ON CONFLICT (certificate_sha256, category) DO UPDATE SET "
    "agencies = excluded.agencies, version_number = known.version_number + 1 RETURNING certificate_sha256",
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
        "UNION SELECT c.contact_id, c.mail_address FROM card_contacts o JOIN contacts c USING (contact_id) "
        f"WHERE o.bidder_id = {NEW_BIDDER} AND o.certificate_sha256 <> {CARD}",
    ),
    Statement(
        "one mail for each mailbox",
        "INSERT INTO mails (mail_id, message_id, notice_id, contact_id, mail_address, state, written_at) VALUES "
        f"({NOTICE}, ({NOTICE})::text, {NOTICE}, {CARD_CONTACT}, '', 'written', now()), "
        f"({SECOND_NOTICE}, ({SECOND_NOTICE})::text, {SECOND_NOTICE}, {REPRESENTATIVE}, '', 'written', now())",
    ),
    enqueue("the mails are sent if and only if the notices were taken", 2),
)


def _mail(mail: str) -> Iterable[Step]:
    yield from job("send a mail", CONTACTS)
    yield reads(
        "send a mail",
        CONTACTS,
        Statement(
            "its text: nothing of it is in the job",
            "SELECT m.*, s.company, n.*, c.mail_address, c.person_name FROM mails m JOIN notices n USING (notice_id) "
            "JOIN staged_registrations s USING (certificate_sha256, request_id) JOIN contacts c USING (contact_id) "
            f"WHERE m.mail_id = {mail} AND m.state = 'written'",
        ),
    )
    yield change(
        "send a mail",
        CONTACTS,
        Statement(
            "it is sent once",
            f"UPDATE mails SET state = 'sent', sent_at = now() WHERE mail_id = {mail} AND state = 'written'",
        ),
    )


IN_CONTACTS = (
    reads(
        "search: is a representative contact wanted",
        CONTACTS,
        Statement(
            "it is asked at the first registration only",
            f"SELECT contact_id FROM representative_contacts WHERE (bidder_id, category) = ({NEW_BIDDER}, 'works')",
        ),
    ),
    change(
        "form: stage the contacts",
        CONTACTS,
        Statement(
            "another registration may reserve or have the representative contact, or this card one that is pending",
            f"SELECT * FROM staged_registrations WHERE certificate_sha256 = {CARD} AND category = 'works' "
            f"UNION ALL SELECT * FROM staged_registrations WHERE bidder_id = {NEW_BIDDER} AND category = 'works' "
            "AND reserves_representative",
        ),
        Statement(
            "the representative contact may exist since the search",
            f"SELECT contact_id FROM representative_contacts WHERE (bidder_id, category) = ({NEW_BIDDER}, 'works')",
        ),
        Statement(
            "an abandoned request is never staged again",
            f"SELECT request_id FROM abandoned_requests WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST})",
        ),
        Statement(
            "both contacts",
            "INSERT INTO contacts (contact_id, department, postal_code, address, person_name, telephone, fax, "
            "mail_address) SELECT id, '工事課', '330-9301', '埼玉県さいたま市浦和区高砂３－１５－１', '土木 一郎', "
            "'048-000-0000', '048-000-0001', 'koji@contractor.example' "
            f"FROM unnest(ARRAY[{CARD_CONTACT}, {REPRESENTATIVE}]) id",
        ),
        Statement(
            "what the act is about, for receipt and mails",
            "INSERT INTO staged_registrations (certificate_sha256, request_id, request_sha256, agency, category, "
            "bidder_id, company, card_contact_id, representative_contact_id, person_in_charge, "
            f"reserves_representative, state, staged_at) VALUES ({CARD}, {REQUEST}, {ACT}, "
            f"'agency 1', 'works', {NEW_BIDDER}, jsonb_build_object('name', repeat('埼', 70)), "
            f"{CARD_CONTACT}, {REPRESENTATIVE}, '登録', true, 'pending', now())",
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
    change(
        "record the registration",
        CONTACTS,
        _KEPT_STATE,
        _LOCK_STAGED,
        Statement(
            "what the state names is active",
            f"UPDATE staged_registrations SET state = 'active', registration_id = {REGISTRATION} "
            f"WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST})",
        ),
        Statement(
            "the card's contact",
            "INSERT INTO card_contacts (certificate_sha256, category, bidder_id, contact_id, counts_from) VALUES "
            f"({CARD}, 'works', {NEW_BIDDER}, {CARD_CONTACT}, now()) ON CONFLICT (certificate_sha256, category) "
            "DO UPDATE SET contact_id = excluded.contact_id",
        ),
        Statement(
            "the bidder's contact",
            "INSERT INTO representative_contacts (bidder_id, category, contact_id, counts_from) VALUES "
            f"({NEW_BIDDER}, 'works', {REPRESENTATIVE}, now()) ON CONFLICT (bidder_id, category) "
            "DO UPDATE SET contact_id = excluded.contact_id",
        ),
        Statement(
            "notices may have come first",
            "SELECT * FROM notices WHERE state = 'waiting' "
            f"AND (certificate_sha256, request_id) = ({CARD}, {REQUEST}) FOR UPDATE",
        ),
    ),
    _NOTICES,
    *_mail(NOTICE),
    *_mail(SECOND_NOTICE),
    change(
        "record the propagation",
        CONTACTS,
        _KEPT_STATE,
        Statement(
            "the contacts of what it names are active already",
            "SELECT request_id FROM staged_registrations "
            f"WHERE (certificate_sha256, request_id) = ({CARD}, {REQUEST}) AND state = 'pending'",
        ),
    ),
)
