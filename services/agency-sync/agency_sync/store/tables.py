"""The tables. None of them holds personal data: bidders and cards are ids and hashes here (docs/erasure.md)."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_INSTANT = DateTime(timezone=True)

card_states = Table(
    "card_states",
    metadata,
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("version_epoch", BigInteger, nullable=False),
    Column("version_number", BigInteger, nullable=False),
    Column("bidder_id", Text, nullable=False),
    Column("is_live", Boolean, nullable=False),
    Column("is_suspended", Boolean, nullable=False),
    Column("proven_password", Boolean, nullable=False),
    Column("proven_company", Text, nullable=False),
    Column("proven_holder", Text, nullable=False),
    # By agency: an object with registration_id, state and origin; where set, replaced_by, predecessor (hexadecimal) and
    # stays_here.
    Column("registrations", JSONB, nullable=False),
)

# A bidder in a category; without a row nobody knows yet where it is qualified.
bidder_states = Table(
    "bidder_states",
    metadata,
    Column("bidder_id", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("version_epoch", BigInteger, nullable=False),
    Column("version_number", BigInteger, nullable=False),
    Column("is_suspended", Boolean, nullable=False),
    Column("suspended_agencies", ARRAY(Text), nullable=False),
    # A list of objects with agency, certificate_sha256 (hexadecimal), company and holder.
    Column("approved_cards", JSONB, nullable=False),
    Column("is_ended", Boolean, nullable=False),
    # A list of objects with begins, ends (ISO 8601, or null) and agencies.
    Column("qualified", JSONB, nullable=False),
    # A list of objects with began_at (ISO 8601) and agencies.
    Column("reviews", JSONB, nullable=False),
)

# One per contractor's registration, renewal or planned change: the intention to propagate it to the other agencies.
intentions = Table(
    "intentions",
    metadata,
    # The registration's id, or the change's.
    Column("registration_id", Uuid, primary_key=True),
    Column("certificate_sha256", LargeBinary, nullable=False),
    Column("category", Text, nullable=False),
    # The agency of the registration.
    Column("agency", Text, nullable=False),
    Column("state", Text, nullable=False),
    # The epoch for which it was opened: of certificate-registry, of a change that of contact-notification.
    Column("epoch", BigInteger, nullable=False),
    Column("planned_at", _INSTANT, nullable=False),
    # A worker has claimed it until then; if that worker dies, another one may claim it afterwards.
    Column("taken_until", _INSTANT),
    Column("done_at", _INSTANT),
    # How often it was refused when it was carried out alone, the last reason, and when it is tried again. The reason of
    # one that waits for its bidder's suspension to end is BIDDER_SUSPENDED, for its first state `BIDDER_AWAITED`.
    Column("refusals", Integer, nullable=False),
    Column("refused_for", Text, nullable=False),
    Column("due_at", _INSTANT),
    # Whether it goes to all other agencies, those where the card is good whose place its card took, or `agencies`.
    Column("kind", Text, nullable=False),
    # Of a change: those at which earlier versions of the contacts count.
    Column("agencies", ARRAY(Text)),
    Column("made_at", _INSTANT, nullable=False),
    # The beginning of the run that claimed it last.
    Column("run_began_at", _INSTANT),
)

propagations = Table(
    "propagations",
    metadata,
    Column("registration_id", Uuid, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("target_id", Uuid),
    Column("updated_at", _INSTANT, nullable=False),
)
