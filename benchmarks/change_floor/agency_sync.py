"""What agency-sync must do: keep the state of the contact, and tell the feeds of all agencies, where it counts now."""

from benchmarks.floor.entries import CARD
from benchmarks.floor.propagations import ALL_AGENCIES, follow_contacts

IN_PROPAGATIONS = (follow_contacts("change", CARD, "card", agencies=ALL_AGENCIES),)
