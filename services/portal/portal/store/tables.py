"""The tables. docs/erasure.md says what each column with personal data is for, and how it is erased."""

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

_INSTANT = DateTime(timezone=True)

browser_session = Table(
    "browser_session",
    metadata,
    Column("session_sha256", LargeBinary, primary_key=True),
    Column("last_used_at", _INSTANT),
    Column("port", Integer),
    Column("hand_off", Text),
    Column("hand_offs", ARRAY(Text)),
)

# A journey, sealed. `version` grows with each step; `busy_until` is set while one is made.
draft = Table(
    "draft",
    metadata,
    Column("draft_id", Text, primary_key=True),
    Column("session_sha256", LargeBinary),
    Column("version", BigInteger),
    Column("busy_until", _INSTANT),
    Column("stored_at", _INSTANT),
    Column("sealed", LargeBinary),
)
