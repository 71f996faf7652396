"""The tables. docs/erasure.md says what each column with personal data is for, and how it is erased."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()

_INSTANT = DateTime(timezone=True)

# Contacts never change: a change is a new row, so that a receipt still shows what was registered.
contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", Uuid, primary_key=True),
    Column("department", Text, nullable=False),
    Column("postal_code", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("person_name", Text, nullable=False),
    Column("telephone", Text, nullable=False),
    Column("fax", Text, nullable=False),
    Column("mail_address", Text, nullable=False),
)

# One row per act of a card: pending until the registration is committed, then nearly always active for good.
staged_registrations = Table(
    "staged_registrations",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("request_id", Uuid, primary_key=True),
    Column("request_sha256", LargeBinary, nullable=False),
    Column("agency", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("bidder_id", Text, nullable=False),
    Column("company", JSONB, nullable=False),
    Column("card_contact_id", Uuid, nullable=False),
    Column("representative_contact_id", Uuid),
    Column("person_in_charge", Text, nullable=False),
    # A partial unique index on (bidder_id, category) counts the rows where this is true.
    Column("reserves_representative", Boolean, nullable=False),
    # Another one on (certificate_sha256, category) counts the rows that are pending.
    Column("state", Text, nullable=False),
    Column("staged_at", _INSTANT, nullable=False),
    Column("registration_id", Uuid),
)

# Tombstones: requests that were not committed and can not be any more. They hold no personal data.
abandoned_requests = Table(
    "abandoned_requests",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("request_id", Uuid, primary_key=True),
    Column("abandoned_at", _INSTANT, nullable=False),
)

# One row. Part of the version of every owner's state; raised when a database was put back.
epoch = Table("epoch", metadata, Column("one_row", Boolean, primary_key=True), Column("epoch", BigInteger))

# Whose contact it is: a bidder's (代表窓口情報) or that of its card (ICカード利用部署情報), in a category. The row
# has the newest version, and is locked by whoever adds one. `version` is 0 while there is none.
contact_owners = Table(
    "contact_owners",
    metadata,
    Column("owner_id", Uuid, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("bidder_id", Text, nullable=False),
    # Of a card contact only.
    Column("certificate_sha256", LargeBinary),
    Column("version", BigInteger, nullable=False),
    Column("contact_id", Uuid),
    # The one whose place it took, for the history.
    Column("former_contact_id", Uuid),
    # Decides between registrations whose states arrive in another order.
    Column("counts_from", _INSTANT),
    # Another card took over this one's contact at a renewal.
    Column("has_successor", Boolean, nullable=False),
    # The version of the owner's state that others were told last; 0 before the first.
    Column("state_epoch", BigInteger, nullable=False),
    Column("state_number", BigInteger, nullable=False),
)

# Every version of each owner's contact, none of which ever changes. Both ascend: versions, and the instants from which
# they count.
contact_versions = Table(
    "contact_versions",
    metadata,
    Column("owner_id", Uuid, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("contact_id", Uuid, nullable=False),
    Column("counts_from", _INSTANT, nullable=False),
    # The act that brought it: of which card, under which request id, at which agency; and how the company was called.
    Column("brought_by", LargeBinary, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("agency", Text, nullable=False),
    Column("company_name", Text, nullable=False),
)

# At these agencies an earlier version counts, as a change that they do not follow left it. At all others the newest.
contact_at_agency = Table(
    "contact_at_agency",
    metadata,
    Column("owner_id", Uuid, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("counts_from", _INSTANT, primary_key=True),
    # Empty while it counts.
    Column("counts_until", _INSTANT),
    Column("version", BigInteger, nullable=False),
    # The change that ends it in the night, and the version that counts then; empty for the newest.
    Column("planned_by", Uuid),
    Column("then_version", BigInteger),
)

# The outcome of each change that was committed, for its receipt and for a repetition.
contact_changes = Table(
    "contact_changes",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("request_id", Uuid, primary_key=True),
    # What plans and other services name it by.
    Column("change_id", Uuid, nullable=False),
    Column("request_sha256", LargeBinary, nullable=False),
    Column("agency", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("bidder_id", Text, nullable=False),
    Column("company", JSONB, nullable=False),
    # Both as they are after the change.
    Column("card_contact_id", Uuid),
    Column("representative_contact_id", Uuid),
    Column("changed_fields", ARRAY(Text), nullable=False),
    Column("propagate", Boolean, nullable=False),
    Column("counts_from", _INSTANT, nullable=False),
    # The act's entry in the history.
    Column("history_number", BigInteger, nullable=False),
    Column("history_digest", LargeBinary, nullable=False),
)

# Where each card is registered: about whom an agency may ask. One row per card and category, replaced as a whole.
card_states = Table(
    "card_states",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("bidder_id", Text, nullable=False),
    # The agencies that may ask. Empty where the binding ended.
    Column("agencies", ARRAY(Text), nullable=False),
    Column("version_epoch", BigInteger, nullable=False),
    Column("version_number", BigInteger, nullable=False),
)

# One row per act and kind, so that a repeated call writes no mail again. The columns of facts are named as the fields
# of the domain's types, and empty where a kind has no such fact.
notices = Table(
    "notices",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    # With the request id, the key of the staged registration that its mails take company profile and card contact from.
    Column("certificate_sha256", LargeBinary),
    Column("request_id", Uuid),
    Column("registration_id", Uuid),
    Column("card_serial", Text),
    Column("agency", Text, nullable=False),
    Column("category", Text),
    Column("bidder_id", Text),
    Column("registered_at", _INSTANT),
    # The holder of the card, for the mail; "" where the certificate names none.
    Column("holder_name", Text),
    Column("happened_at", _INSTANT),
    # The officer whom it is sent to, and until when the invitation or certificate is good.
    Column("person_id", Text),
    Column("valid_until", _INSTANT),
    Column("approval_number", Text),
    Column("is_approved", Boolean),
    # Of a renewal: the caller's id of it, and the old card.
    Column("renewal_request_id", Uuid),
    Column("old_certificate_sha256", LargeBinary),
    Column("old_card_serial", Text),
    # Whether the other agencies follow.
    Column("propagate", Boolean),
    # By name, of a change.
    Column("changed_fields", ARRAY(Text)),
    # What its mails show besides, where nothing was staged for the act: the card's contact, and the company's name.
    Column("card_contact_id", Uuid),
    Column("company_name", Text),
    # Of an act in our own history: its entry, which is sealed afterwards.
    Column("history_number", BigInteger),
    # The act's entry in the history of a registry.
    Column("entry_registry", Text),
    Column("entry_digest", LargeBinary),
    Column("entry_position", BigInteger),
    Column("entry_head_number", BigInteger),
    Column("entry_head_sha256", LargeBinary),
    # The proof that it is in the history, as a mail shows it (history.receipt_text).
    Column("entry_proof", LargeBinary),
    Column("state", Text, nullable=False),
    # Whom it is sent to, while it waits; empty once its mails are written.
    Column("recipients", JSONB, nullable=False),
    Column("received_at", _INSTANT, nullable=False),
)

# The outbox. It names contacts and never copies an address; the text is composed when the mail is sent. Only an address
# that was sent along stands here, with the person's name, until its mail was sent, or some time after it failed.
mails = Table(
    "mails",
    metadata,
    Column("mail_id", Uuid, primary_key=True),
    # Identical in every try, so that a mailbox recognizes a mail that arrives twice.
    Column("message_id", Text, nullable=False),
    Column("notice_id", Uuid, nullable=False),
    Column("contact_id", Uuid),
    Column("mail_address", Text, nullable=False),
    Column("recipient_name", Text, nullable=False),
    # What the mail alone may tell, sealed; only while it waits.
    Column("sealed_secret", LargeBinary),
    Column("state", Text, nullable=False),
    Column("written_at", _INSTANT, nullable=False),
    # All instants below are the database's. From `waits_since` on it is tried, for some days.
    Column("waits_since", _INSTANT, nullable=False),
    Column("sent_at", _INSTANT),
    Column("failed_at", _INSTANT),
    # The last try that did not send it: when, what became of it, and the server's codes (for example 550 5.1.1) or the
    # name of an exception.
    Column("tried_at", _INSTANT),
    Column("result", Text),
    Column("answer", Text),
)

# Committed registrations whose contacts never can become active: the operator was told so once. No personal data.
registrations_without_contacts = Table(
    "registrations_without_contacts",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("request_id", Uuid, primary_key=True),
    Column("registration_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("found_at", _INSTANT, nullable=False),
)
