"""The version of an aggregate's state, as events between services carry it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Compared by epoch, then by number. A restored database raises the epoch; the owner of the aggregate numbers."""

    epoch: int
    number: int
