"""What agency-sync must do: keep the state of the card, and carry out the intention to propagate."""

from benchmarks.floor.entries import CARD, REGISTRATION
from benchmarks.floor.propagations import propagate

IN_PROPAGATIONS = tuple(propagate("registration", REGISTRATION, CARD))
