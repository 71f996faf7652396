"""Passwords that the registry generates, their hashes, and the letters that carry them (QUA-02, QUA-09, QUA-12)."""

import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from instance_profile.japan_time import find_japan_day
from instance_profile.model import PasswordRule
from qualification_registry.domain.bidders import Company
from refusals import Code, Refusal

# Left out of generated passwords because people confuse them: O and 0 and o, I and l and 1.
_CONFUSABLE = frozenset("0Oo1Il")
_LETTERS_AND_DIGITS = "".join(sorted(set(string.ascii_letters + string.digits) - _CONFUSABLE))
_TRIES = 10_000
MOST_DOCUMENT_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class IssueOrder:
    """Which bidders get passwords: the named ones, or all without one. A reissue has a reason and a document."""

    bidder_ids: Sequence[str] = ()
    is_reissue: bool = False
    reason: str = ""
    document: str = ""


def check_order(order: IssueOrder) -> None:
    """Raises REISSUE_WITHOUT_BIDDERS, REISSUE_DOCUMENT_INVALID."""
    if not order.is_reissue:
        return
    if not order.bidder_ids:
        raise Refusal("REISSUE_WITHOUT_BIDDERS", Code.INVALID_ARGUMENT)
    document = order.document
    if not document.strip() or len(document) > MOST_DOCUMENT_CHARACTERS or not document.isprintable():
        raise Refusal("REISSUE_DOCUMENT_INVALID", Code.INVALID_ARGUMENT, {"most": str(MOST_DOCUMENT_CHARACTERS)})


def refuse_issued_before() -> Refusal:
    """Returns the refusal of a request that issued passwords already, for the caller to raise."""
    return Refusal("PASSWORDS_ISSUED_BEFORE", Code.ALREADY_EXISTS)


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """An argon2id hash in its usual text form, when the password was issued, and when changed; None for a first one."""

    encoded: str = field(repr=False)
    issued_at: datetime
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class PasswordLetter:
    """The content of the letter that a bidder receives."""

    company: Company
    category: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LetterBatch:
    """A batch of letters; `done` of `total` bidders have their passwords with it."""

    letters: Sequence[PasswordLetter]
    done: int
    total: int


def find_alphabet(rule: PasswordRule) -> str:
    """Returns the letters and digits that the rule accepts in every place, or all where it requires kinds of them."""
    everywhere = "".join(sign for sign in _LETTERS_AND_DIGITS if re.fullmatch(rule.pattern, sign * rule.length))
    return everywhere or _LETTERS_AND_DIGITS


def generate_password(rule: PasswordRule) -> str:
    """Returns a random password of the rule's length and pattern, without characters that people confuse.

    Raises ValueError where no such password fits the pattern: the profile is wrong.
    """
    alphabet, pattern = find_alphabet(rule), re.compile(rule.pattern)
    for _ in range(_TRIES):
        password = "".join(secrets.choice(alphabet) for _ in range(rule.length))
        if pattern.fullmatch(password):
            return password
    raise ValueError(f"no password of {rule.length} letters and digits fits the pattern {rule.pattern}")


def is_changed_today(password: PasswordHash, now: datetime) -> bool:
    """Returns whether the password was changed on this day of Japan's calendar (QUA-09)."""
    return password.changed_at is not None and find_japan_day(password.changed_at) == find_japan_day(now)
