"""What contact-notification must do: keep states, let the new card take over the contact, take notices, send mails."""

from benchmarks.floor.contacts import (
    CARD_CONTACT,
    NEW_BIDDER,
    REPRESENTATIVE,
    history,
    insert_mails,
    send_mail,
    send_owners,
    tell_owners,
)
from benchmarks.floor.entries import (
    CARD,
    CONTACTS,
    NEW_ACT,
    NEW_CARD,
    RENEWAL,
    RENEWAL_NOTICE,
    RENEWAL_REQUEST,
    SECOND_RENEWAL_NOTICE,
    Statement,
    change,
    enqueue,
    reads,
)

_OF_NEW_CARD = f"purpose = 'card' AND (certificate_sha256, category, bidder_id) = ({NEW_CARD}, 'works', {NEW_BIDDER})"
_OF_OLD_CARD = f"purpose = 'card' AND (certificate_sha256, category, bidder_id) = ({CARD}, 'works', {NEW_BIDDER})"
_STATES = Statement(
    "the agencies that may ask for the contacts of both cards, if these states are the newest",
    "INSERT INTO card_states AS known (certificate_sha256, category, bidder_id, agencies, version_epoch, "
    f"version_number) SELECT changed, 'works', {NEW_BIDDER}, array_agg('agency ' || a), 1, 1 "
    f"FROM unnest(ARRAY[{CARD}, {NEW_CARD}]) changed, generate_series(1, (:agencies)::integer) a GROUP BY changed "
    "ON CONFLICT (certificate_sha256, category) DO UPDATE SET agencies = excluded.agencies, "
    "version_number = known.version_number + 1",
)
_HAS_CONTACT = Statement(
    "whether the new card has its contact: it takes one over once. Asked last, for contacts that the same message made "
    "active come first",
    f"SELECT contact_id FROM contact_owners WHERE {_OF_NEW_CARD} AND version > 0",
)

IN_CONTACTS = (
    change("record the renewal", CONTACTS, _STATES),
    reads("record the renewal", CONTACTS, _HAS_CONTACT),
    change(
        "record the renewal: the contact passes on",
        CONTACTS,
        Statement(
            "neither card's contact changes meanwhile",
            f"INSERT INTO contact_owners AS owner (purpose, category, bidder_id, certificate_sha256) "
            f"SELECT 'card', 'works', {NEW_BIDDER}, card FROM unnest(ARRAY[{CARD}, {NEW_CARD}]) card ORDER BY card "
            "ON CONFLICT (certificate_sha256, category, bidder_id) WHERE purpose = 'card' "
            "DO UPDATE SET category = owner.category RETURNING owner_id",
        ),
        Statement(
            "the newest contact of the old card is the new card's too, in a version of its own, and earlier ones where "
            "they still count",
            "WITH old AS (UPDATE contact_owners SET has_successor = true "
            f"WHERE {_OF_OLD_CARD} RETURNING *), earlier AS (SELECT agency, version FROM contact_at_agency "
            "JOIN old USING (owner_id, version) WHERE counts_until IS NULL), newest AS ("
            "UPDATE contact_owners owner SET version = 1, contact_id = old.contact_id, counts_from = now(), "
            "state_number = 1 FROM old "
            f"WHERE owner.owner_id = (SELECT owner_id FROM contact_owners WHERE {_OF_NEW_CARD}) AND owner.version = 0 "
            "RETURNING owner.*), version AS (INSERT INTO contact_versions (owner_id, version, contact_id, counts_from, "
            f"brought_by, request_id, agency, company_name) SELECT owner_id, version, contact_id, counts_from, "
            f"{NEW_CARD}, {RENEWAL_REQUEST}, 'agency 1', '株式会社埼玉' FROM newest), pins AS ("
            "INSERT INTO contact_at_agency (owner_id, agency, counts_from, version) SELECT newest.owner_id, agency, "
            "now(), earlier.version FROM earlier, newest) SELECT contact_id FROM newest",
        ),
        history("contacts taken over", NEW_CARD, RENEWAL_REQUEST, NEW_ACT),
        tell_owners(1),
        Statement(
            "notices may have come first",
            "SELECT * FROM notices WHERE state = 'waiting' AND renewal_request_id IS NOT NULL "
            f"AND (certificate_sha256, category) = ({NEW_CARD}, 'works') FOR UPDATE",
        ),
    ),
    change(
        "take the notices",
        CONTACTS,
        Statement(
            "the contact that they show, the new card's or, until it has passed on, the old card's",
            "SELECT owner.contact_id, newest.company_name FROM contact_owners owner JOIN contact_versions newest "
            f"USING (owner_id, version) WHERE ({_OF_NEW_CARD}) OR ({_OF_OLD_CARD})",
        ),
        Statement(
            "each notice is taken once by its id",
            "INSERT INTO notices (notice_id, kind, registration_id, certificate_sha256, renewal_request_id, "
            "old_certificate_sha256, old_card_serial, card_serial, agency, category, bidder_id, registered_at, "
            f"holder_name, propagate, card_contact_id, company_name, state, recipients, received_at) SELECT id, "
            f"'renewal', {RENEWAL}, {NEW_CARD}, {RENEWAL_REQUEST}, {CARD}, '01', '02', 'agency 1', 'works', "
            f"{NEW_BIDDER}, now(), '登録 太郎', true, {CARD_CONTACT}, '株式会社埼玉', 'written', "
            f"jsonb_build_array(), now() FROM unnest(ARRAY[{RENEWAL_NOTICE}, {SECOND_RENEWAL_NOTICE}]) id "
            "ON CONFLICT (notice_id) DO NOTHING",
        ),
        Statement(
            "to whom they go",
            "SELECT c.contact_id, c.mail_address FROM contact_owners o JOIN contacts c USING (contact_id) "
            f"WHERE (o.bidder_id, o.category) = ({NEW_BIDDER}, 'works')",
        ),
        insert_mails(
            [
                (RENEWAL_NOTICE, RENEWAL_NOTICE, CARD_CONTACT),
                (SECOND_RENEWAL_NOTICE, SECOND_RENEWAL_NOTICE, REPRESENTATIVE),
            ]
        ),
        enqueue("the mails are sent if and only if the notices were taken", 2),
    ),
    *send_owners(_OF_NEW_CARD),
    *send_mail(RENEWAL_NOTICE),
    *send_mail(SECOND_RENEWAL_NOTICE),
    change("record the propagation", CONTACTS, _STATES),
    reads("record the propagation", CONTACTS, _HAS_CONTACT),
)
