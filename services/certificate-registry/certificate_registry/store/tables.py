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

notice = Table(
    "notice",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("kind", Text),
    Column("registration_id", Uuid),
    Column("written_at", _INSTANT),
    Column("sent_at", _INSTANT),
)

bidder = Table(
    "bidder",
    metadata,
    Column("bidder_id", Text, primary_key=True),
    Column("status", Text),
    Column("version_epoch", BigInteger),
    Column("version_number", BigInteger),
    Column("recorded_at", _INSTANT),
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

history = Table(
    "history",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("happened_at", _INSTANT),
    Column("who", Text),
    Column("what", Text),
    Column("certificate_sha256", LargeBinary),
    Column("category", Text),
    Column("agencies", ARRAY(Text)),
    Column("bidder_id", Text),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("purpose", LargeBinary),
    Column("algorithm", Text),
    Column("signature", LargeBinary),
    Column("certificate", LargeBinary),
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
