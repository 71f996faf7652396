"""The tables that statements are built from. `migrations/` defines the schema."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_INSTANT = DateTime(timezone=True)

card = Table(
    "card",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("tbs_sha256", LargeBinary),
    Column("certificate", LargeBinary),
    Column("other_certificates", ARRAY(LargeBinary)),
    Column("authority", Text),
    Column("issuer", Text),
    Column("issuer_sha256", LargeBinary),
    Column("serial", LargeBinary),
    Column("company_name", Text),
    Column("company_address", Text),
    Column("holder_name", Text),
    Column("holder_address", Text),
    Column("not_before", _INSTANT),
    Column("not_after", _INSTANT),
    Column("revocation_status", Text),
    Column("crl_this_update", _INSTANT),
    Column("checked_at", _INSTANT),
    Column("revoked_at", _INSTANT),
    Column("first_seen_at", _INSTANT),
    Column("path_sha256", LargeBinary),
    Column("revocation_as_of", _INSTANT),
    Column("trusted_until", _INSTANT),
    Column("judgements", Integer),
    Column("distrusted_at", _INSTANT),
    Column("distrusted_because", Text),
)

trust_path = Table(
    "trust_path",
    metadata,
    Column("path_sha256", LargeBinary, primary_key=True),
    Column("authority", Text),
    Column("issuers", ARRAY(LargeBinary)),
    Column("authorities", ARRAY(LargeBinary)),
    Column("lists", ARRAY(LargeBinary)),
    Column("valid_until", _INSTANT),
    Column("revocation_as_of", _INSTANT),
    Column("lists_until", _INSTANT),
    Column("trusted_until", _INSTANT),
    Column("judged_by", LargeBinary),
)

trust_rules = Table(
    "trust_rules",
    metadata,
    Column("one_row", Boolean, primary_key=True),
    Column("sha256", LargeBinary),
    Column("began_at", _INSTANT),
)

challenge = Table(
    "challenge",
    metadata,
    Column("nonce_sha256", LargeBinary, primary_key=True),
    Column("purpose_sha256", LargeBinary),
    Column("certificate_sha256", LargeBinary),
    Column("other_certificates", ARRAY(LargeBinary)),
    Column("created_at", _INSTANT),
    Column("used_at", _INSTANT),
)

card_session = Table(
    "card_session",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("operation", Text),
    Column("agency", Text),
    Column("category", Text),
    Column("certificate_sha256", LargeBinary),
    Column("role", Text),
    Column("read_only", Boolean),
    Column("opened_at", _INSTANT),
    Column("last_used_at", _INSTANT),
    Column("ended_at", _INSTANT),
)

binding = Table(
    "binding",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("bidder_id", Text),
    Column("began_at", _INSTANT),
    Column("began_because", Text),
    Column("password_proven", Boolean),
    Column("company", Text),
    Column("holder", Text),
    Column("ended_at", _INSTANT),
    Column("ended_as", Text),
    Column("ended_because", Text),
)

registration = Table(
    "registration",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("binding_number", Integer, primary_key=True),
    Column("registration_id", Uuid),
    Column("bidder_id", Text),
    Column("registered_at", _INSTANT),
    Column("origin", Text),
    Column("state", Text),
    Column("reason", Text),
    Column("replaced_by", LargeBinary),
    Column("predecessor", LargeBinary),
    Column("stays_here", Boolean),
)

named_predecessor = Table(
    "named_predecessor",
    metadata,
    Column("registration_id", Uuid, primary_key=True),
    Column("certificate_sha256", LargeBinary),
    Column("category", Text),
    Column("agency", Text),
    Column("bidder_id", Text),
    Column("predecessor", LargeBinary),
    Column("named_at", _INSTANT),
)

# What the help desk finds by the number on a contractor's screen; nothing that a person typed.
incident = Table(
    "incident",
    metadata,
    Column("incident_id", Uuid, primary_key=True),
    Column("inquiry_number", Text),
    Column("happened_at", _INSTANT),
    Column("reported_by", Text),
    Column("operation", Text),
    Column("step", Text),
    Column("agency", Text),
    Column("category", Text),
    Column("certificate_sha256", LargeBinary),
    Column("bidder_id", Text),
    Column("reason", Text),
    Column("metadata", JSONB),
    Column("fields", JSONB),
)

card_state = Table(
    "card_state",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("version_epoch", BigInteger),
    Column("version_number", BigInteger),
    Column("suspended_because", Text),
)

card_suspension = Table(
    "card_suspension",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("reason", Text),
    Column("suspended_by", Text),
    Column("suspended_at", _INSTANT),
    Column("lapses_at", _INSTANT),
    Column("confirmed_by", Text),
)

notice = Table(
    "notice",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("kind", Text),
    Column("registration_id", Uuid),
    # The card that an officer did something to, and where it takes effect.
    Column("certificate_sha256", LargeBinary),
    Column("agency", Text),
    Column("category", Text),
    Column("bidder_id", Text),
    Column("happened_at", _INSTANT),
    # The act's entry in the history.
    Column("history_number", BigInteger),
    Column("written_at", _INSTANT),
    Column("sent_at", _INSTANT),
)

request_outcome = Table(
    "request_outcome",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("request_id", Uuid, primary_key=True),
    Column("payload_sha256", LargeBinary),
    Column("request_sha256", LargeBinary),
    Column("registration_id", Uuid),
    Column("category", Text),
    Column("agency", Text),
    Column("recorded_at", _INSTANT),
)

# Its columns by which a registration's entry is found; `history.tables` has all of it.
history_entry = Table(
    "history_entry",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("what", Text),
    Column("request_id", Uuid),
    Column("certificate_sha256", LargeBinary),
    Column("digest", LargeBinary),
)

officer_invitation = Table(
    "officer_invitation",
    metadata,
    Column("invitation_id", Uuid, primary_key=True),
    Column("person_id", Text),
    Column("agency", Text),
    Column("name", Text),
    Column("mail_address", Text),
    Column("is_further", Boolean),
    Column("code_hash", Text),
    Column("invited_by", Text),
    Column("invited_at", _INSTANT),
    Column("certificate", LargeBinary),
    Column("certificate_sha256", LargeBinary),
    Column("accepted_at", _INSTANT),
    Column("accepted_by", Uuid),
    Column("closed_at", _INSTANT),
    Column("closed_as", Text),
)

officer_code_tries = Table(
    "officer_code_tries",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("began_at", _INSTANT),
    Column("tries", Integer),
)

officer_session = Table(
    "officer_session",
    metadata,
    Column("token_sha256", LargeBinary, primary_key=True),
    Column("person_id", Text),
    Column("certificate_sha256", LargeBinary),
    Column("opened_at", _INSTANT),
    Column("last_used_at", _INSTANT),
    Column("ended_at", _INSTANT),
)

officer_notice = Table(
    "officer_notice",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("invitation_id", Uuid),
    Column("sealed_code", LargeBinary),
    Column("certificate_sha256", LargeBinary),
    Column("days", Integer),
    Column("written_at", _INSTANT),
    Column("sent_at", _INSTANT),
)

epoch = Table("epoch", metadata, Column("one_row", Boolean, primary_key=True), Column("epoch", BigInteger))

crl = Table(
    "crl",
    metadata,
    Column("scope", LargeBinary, primary_key=True),
    Column("sha256", LargeBinary),
    Column("issuer", Text),
    Column("number", Numeric),
    Column("this_update", _INSTANT),
    Column("next_update", _INSTANT),
    Column("url", Text),
    Column("fetched_at", _INSTANT),
    Column("der", LargeBinary),
)

crl_source = Table(
    "crl_source",
    metadata,
    Column("url", Text, primary_key=True),
    Column("authority", Text),
    Column("next_fetch_at", _INSTANT),
    Column("tried_at", _INSTANT),
    Column("failures", Integer),
    Column("last_refusal", Text),
    Column("named_at", _INSTANT),
)
