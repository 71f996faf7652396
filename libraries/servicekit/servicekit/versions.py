"""The version of an aggregate's state, which events between services carry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Ordered by epoch, then by number. The aggregate's owner numbers; restoring its database raises the epoch."""

    epoch: int
    number: int
