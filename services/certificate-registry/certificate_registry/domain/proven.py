"""What the qualification registry proved about a bidder and a card (CRD-10); names are not part of it."""

from dataclasses import dataclass
from enum import StrEnum


class CompanyComparison(StrEnum):
    """The company of a certificate, held against the roster's."""

    SAME = "same"
    UNREADABLE = "unreadable"
    DIFFERENT = "different"


class HolderComparison(StrEnum):
    """The holder of a certificate, held against the roster's persons."""

    NOT_COMPARED = "not compared"
    CONTRACT_PARTY = "contract party"
    REPRESENTATIVE = "representative"
    UNREADABLE = "unreadable"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Proven:
    """What was proven when a card was bound, or since: `password` says whether the bidder's was entered, and right."""

    password: bool
    company: CompanyComparison
    holder: HolderComparison


def add_proof(known: Proven, newest: Proven) -> Proven:
    """Returns what is proven after a further proof for the same card and bidder.

    The newest comparisons count, because rosters change; a password that was right once stays proven.
    """
    return Proven(known.password or newest.password, newest.company, newest.holder)
