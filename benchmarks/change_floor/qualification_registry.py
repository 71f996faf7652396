"""What qualification-registry must do: read the company as the roster has it now, and whether it may act."""

from benchmarks.floor.bidders import READ_BIDDER
from benchmarks.floor.entries import QUALIFICATIONS, reads

IN_QUALIFICATIONS = (
    reads("what is registered: the company", QUALIFICATIONS, READ_BIDDER),
    reads("form: the company", QUALIFICATIONS, READ_BIDDER),
    reads("commit: the company", QUALIFICATIONS, READ_BIDDER),
)
