"""The tables. None of them holds personal data: bidders and cards are ids and hashes here (docs/erasure.md).

The feed (docs/adr/0035) has a head for each agency and category (`feed_heads`), entries in the order of commit
(`feed_entries`), and beside them the newest entry of each card (`feed_cards`): entries are deleted after 35 days, and
what a new one is compared with, and a snapshot holds, is not. A reader of a snapshot's rows goes by the key of
`feed_cards`, in one REPEATABLE READ transaction with the head. The epoch of the feed is in `epoch`; a head of an older
one counts as that of this epoch with the same number, of which no entry is kept.
"""

from typing import Any

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
    # What is known of the certificate: trusted, revoked, not trusted; and the bounds of its validity.
    Column("certificate_standing", Text, nullable=False),
    Column("certificate_not_before", _INSTANT),
    Column("certificate_not_after", _INSTANT),
    # By agency: an object with registration_id, state and origin; where set, registered_at (ISO 8601), replaced_by,
    # predecessor (hexadecimal) and stays_here.
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

# Whose contact counts in which version: of a card, or of a bidder where `certificate_sha256` is NULL.
contact_owners = Table(
    "contact_owners",
    metadata,
    Column("owner_id", Uuid, primary_key=True),
    Column("category", Text, nullable=False),
    Column("bidder_id", Text, nullable=False),
    Column("certificate_sha256", LargeBinary),
    Column("version_epoch", BigInteger, nullable=False),
    Column("version_number", BigInteger, nullable=False),
    Column("contact_version", BigInteger, nullable=False),
    # The version that counts, by agencies where it is an earlier one.
    Column("pins", JSONB, nullable=False),
)

# The newest sealed head of each registry's history, which heartbeats carry.
history_heads = Table(
    "history_heads",
    metadata,
    Column("service", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("head", Text, nullable=False),
    Column("sealed_at", _INSTANT, nullable=False),
)

# The epoch of the feed, in one row; raised when the database was restored.
epoch = Table("epoch", metadata, Column("one_row", Boolean, primary_key=True), Column("epoch", BigInteger))

# The last number that was given in each feed; locked by who appends to any feed of the category.
feed_heads = Table(
    "feed_heads",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
)


def _list_state_columns() -> list[Column[Any]]:
    """Returns the columns of a card's state at an agency."""
    return [
        Column("committed_at", _INSTANT, nullable=False),
        Column("bidder_id", Text, nullable=False),
        # good, suspended, replaced, ended, revoked or under_review; and the word of ResolveUser's verdict, unless good.
        Column("state", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("registration_id", Uuid, nullable=False),
        Column("certificate_not_before", _INSTANT),
        Column("certificate_not_after", _INSTANT),
        # A list of pairs from, until (ISO 8601, or null).
        Column("qualified", JSONB, nullable=False),
        Column("replaced_by", LargeBinary),
        Column("predecessor", LargeBinary),
        Column("card_contact_version", BigInteger, nullable=False),
        Column("representative_contact_version", BigInteger, nullable=False),
    ]


feed_entries = Table(
    "feed_entries",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("epoch", BigInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("certificate_sha256", LargeBinary, nullable=False),
    *_list_state_columns(),
)

# The newest entry of each card, also where that was deleted.
feed_cards = Table(
    "feed_cards",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    *_list_state_columns(),
)

# Cards whose entries a worker has still to append, since one transaction could not; those that stop first.
feed_pending = Table(
    "feed_pending",
    metadata,
    Column("category", Text, primary_key=True),
    Column("certificate_sha256", LargeBinary, primary_key=True),
    Column("is_stop", Boolean, nullable=False),
    Column("marked_at", _INSTANT, nullable=False),
)

# How far agencies' systems say that they have come; for the lag alarm only.
feed_subscribers = Table(
    "feed_subscribers",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("subscriber", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("acknowledged_at", _INSTANT, nullable=False),
)

# The newest snapshot of each feed, of which only `asked_at` is set before the first one was made.
feed_snapshots = Table(
    "feed_snapshots",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    # When a worker was last asked for a new one.
    Column("asked_at", _INSTANT, nullable=False),
    Column("snapshot_id", Uuid),
    # How many pieces its content has.
    Column("pieces", Integer),
    Column("issued_at", _INSTANT),
    Column("manifest", LargeBinary),
    Column("signature", LargeBinary),
    Column("key_id", Text),
)

# The content of snapshots, in pieces from 0: of the newest one, and of one that is being made.
feed_snapshot_pieces = Table(
    "feed_snapshot_pieces",
    metadata,
    Column("agency", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("snapshot_id", Uuid, primary_key=True),
    Column("place", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
