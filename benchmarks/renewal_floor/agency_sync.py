"""What agency-sync must do: keep the states of both cards and of the contact, and carry out the intention."""

from benchmarks.floor.entries import CARD, NEW_CARD, RENEWAL
from benchmarks.floor.propagations import follow_contacts, propagate

IN_PROPAGATIONS = (
    *propagate("renewal", RENEWAL, NEW_CARD, CARD),
    follow_contacts("renewal", NEW_CARD, "card"),
)
