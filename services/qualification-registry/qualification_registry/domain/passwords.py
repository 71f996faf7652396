"""Passwords that the registry gives out (QUA-02, QUA-09)."""

import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime

from instance_profile.japan_time import JAPAN
from instance_profile.model import PasswordRule

# Left out of what we give out, because people mistake them: O and 0 and o, I and l and 1.
_MISTAKEN = frozenset("0Oo1Il")
_LETTERS_AND_DIGITS = "".join(sorted(set(string.ascii_letters + string.digits) - _MISTAKEN))
_TRIES = 10_000


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """An argon2id hash in its usual text form, and when the password was changed; None for a first issue."""

    encoded: str
    changed_at: datetime | None

    def __repr__(self) -> str:
        return "PasswordHash(…)"


def alphabet(rule: PasswordRule) -> str:
    """The letters and digits that the rule takes everywhere, or all where it asks for kinds at certain places."""
    everywhere = "".join(sign for sign in _LETTERS_AND_DIGITS if re.fullmatch(rule.pattern, sign * rule.length))
    return everywhere or _LETTERS_AND_DIGITS


def new_password(rule: PasswordRule) -> str:
    """A random password of the rule's length and pattern, without characters that people mistake.

    Raises ValueError where no such password fits the pattern: the profile is wrong.
    """
    signs, pattern = alphabet(rule), re.compile(rule.pattern)
    for _ in range(_TRIES):
        password = "".join(secrets.choice(signs) for _ in range(rule.length))
        if pattern.fullmatch(password):
            return password
    raise ValueError(f"no password of {rule.length} letters and digits fits the pattern {rule.pattern}")


def changed_today(password: PasswordHash, now: datetime) -> bool:
    """Whether the password was changed on this day of Japan's calendar (QUA-09)."""
    return (
        password.changed_at is not None and password.changed_at.astimezone(JAPAN).date() == now.astimezone(JAPAN).date()
    )
