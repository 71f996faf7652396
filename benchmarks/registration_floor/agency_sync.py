"""What agency-sync must do: keep the states of card and contacts, and carry out the intention to propagate."""

from benchmarks.floor.entries import CARD, REGISTRATION
from benchmarks.floor.propagations import follow_contacts, propagate

IN_PROPAGATIONS = (
    *propagate("registration", REGISTRATION, CARD),
    follow_contacts("registration", CARD, "card", "representative"),
)
