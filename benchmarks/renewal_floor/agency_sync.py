"""What agency-sync must do: keep the states of both cards, and carry out the intention to propagate."""

from benchmarks.floor.entries import CARD, NEW_CARD, RENEWAL
from benchmarks.floor.propagations import propagate

IN_PROPAGATIONS = tuple(propagate("renewal", RENEWAL, NEW_CARD, CARD))
