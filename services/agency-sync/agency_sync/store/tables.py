"""The tables. None of them holds personal data: bidders and cards are ids and hashes here (docs/erasure.md)."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, LargeBinary, MetaData, Table, Text, Uuid

metadata = MetaData()

_INSTANT = DateTime(timezone=True)

registrations = Table(
    "registrations",
    metadata,
    Column("registration_id", Uuid, primary_key=True),
    Column("agency", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("certificate_sha256", LargeBinary, nullable=False),
    Column("bidder_id", Text, nullable=False),
    Column("registered_at", _INSTANT, nullable=False),
    Column("by_propagation", Boolean, nullable=False),
    Column("version_epoch", BigInteger, nullable=False),
    Column("version_number", BigInteger, nullable=False),
)

# One per registration: the intention to propagate it to the other agencies.
intentions = Table(
    "intentions",
    metadata,
    Column("registration_id", Uuid, primary_key=True),
    Column("timing", Text, nullable=False),
    Column("state", Text, nullable=False),
    # The version of the registration for which it was opened.
    Column("version_epoch", BigInteger, nullable=False),
    Column("version_number", BigInteger, nullable=False),
    Column("planned_at", _INSTANT, nullable=False),
    # A worker has claimed it until then; if that worker dies, another one may claim it afterwards.
    Column("taken_until", _INSTANT),
    Column("done_at", _INSTANT),
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
