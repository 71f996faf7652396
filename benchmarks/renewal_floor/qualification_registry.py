"""What qualification-registry must do: read the company, and prove that the bidder may have the new card."""

from dataclasses import replace

from benchmarks.floor.bidders import READ_BIDDER
from benchmarks.floor.entries import BIDDER, QUALIFICATIONS, reads

_READ_FOR_RENEWAL = replace(
    READ_BIDDER,
    why=f"{READ_BIDDER.why}; and whether another bidder took its place",
    sql=f"SELECT record.*, successor.kind FROM ({READ_BIDDER.sql}) record LEFT JOIN predecessors successor "
    f"ON (successor.category, successor.predecessor) = ('works', {BIDDER}) AND successor.since <= now()",
)

IN_QUALIFICATIONS = (
    reads("old card's act: the company", QUALIFICATIONS, READ_BIDDER),
    reads("form: may the bidder have the card", QUALIFICATIONS, _READ_FOR_RENEWAL),
    reads("commit: may the bidder have the card", QUALIFICATIONS, _READ_FOR_RENEWAL),
)
