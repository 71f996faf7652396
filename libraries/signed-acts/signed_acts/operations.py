"""Which operations a card signs for, and which keys a purpose of each has.

A new operation is a new row of the table. A program that does not know it yet refuses it, so nothing else changes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class PurposeType(StrEnum):
    """A log-in proves possession of the card; an act agrees to its lines."""

    LOG_IN = "log-in"
    ACT = "act"


class Operation(StrEnum):
    """What a contractor does with a card.

    登録, 変更, ICカード更新, a look at what is registered, 利用停止 by the holder, the log-in to a tender system, and a
    statement about the card that its holder takes elsewhere.
    """

    REGISTRATION = "registration"
    CHANGE = "change"
    RENEWAL = "renewal"
    VIEW = "view"
    STOP = "stop"
    TENDER_LOG_IN = "tender-log-in"
    STATEMENT = "statement"


class Role(StrEnum):
    """The role of the card: the old or the new one in a renewal, otherwise the sole one."""

    SOLE = "sole"
    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Rule:
    """The keys of a purpose beside those that every purpose has; all others are forbidden."""

    compulsory: frozenset[str]
    optional: frozenset[str] = frozenset()


# An officer's operation is the full name of the RPC that carries it out.
OFFICER = "toroku.<package>.v1.<Service>/<Method>"
_RPC = re.compile(r"toroku\.[a-z][a-z0-9]*\.v[1-9][0-9]*\.[A-Z][A-Za-z0-9]*/[A-Z][A-Za-z0-9]*")
_MOST_RPC_CHARACTERS = 128

EVERY_PURPOSE = frozenset({"instance", "type", "operation", "role", "nonce", "certificate_sha256"})
EVERY_ACT = frozenset({"request_id", "request_sha256", "lines"})


def _log_in(*compulsory: str, optional: tuple[str, ...] = ()) -> Rule:
    return Rule(frozenset(compulsory), frozenset(optional))


def _act(*compulsory: str, optional: tuple[str, ...] = ()) -> Rule:
    return Rule(EVERY_ACT | frozenset(compulsory), frozenset(optional))


RULES: Mapping[tuple[str, PurposeType, Role], Rule] = {
    (Operation.REGISTRATION, PurposeType.LOG_IN, Role.SOLE): _log_in("agency", "category"),
    (Operation.REGISTRATION, PurposeType.ACT, Role.SOLE): _act("agency", "category", "bidder_id"),
    (Operation.CHANGE, PurposeType.LOG_IN, Role.SOLE): _log_in("agency", "category"),
    (Operation.CHANGE, PurposeType.ACT, Role.SOLE): _act("agency", "category", "bidder_id"),
    # The old card signs before the new one is in the reader, so it names the key that will vouch for the new one.
    (Operation.RENEWAL, PurposeType.LOG_IN, Role.OLD): _log_in("agency", "category"),
    (Operation.RENEWAL, PurposeType.ACT, Role.OLD): _act("agency", "category", "bidder_id", "successor_key_sha256"),
    (Operation.RENEWAL, PurposeType.LOG_IN, Role.NEW): _log_in("agency", "category"),
    (Operation.RENEWAL, PurposeType.ACT, Role.NEW): _act(
        "agency", "category", "bidder_id", "successor_key_sha256", "other_certificate_sha256"
    ),
    (Operation.VIEW, PurposeType.LOG_IN, Role.SOLE): _log_in(optional=("agency", "category")),
    # A stop by the holder is for the whole instance, so it names no agency. It may stop another card of the bidder.
    (Operation.STOP, PurposeType.LOG_IN, Role.SOLE): _log_in(optional=("category",)),
    (Operation.STOP, PurposeType.ACT, Role.SOLE): _act("card_sha256", optional=("category",)),
    (Operation.TENDER_LOG_IN, PurposeType.LOG_IN, Role.SOLE): _log_in(
        "agency", "category", "client", "redirect", optional=("openid_nonce",)
    ),
    (Operation.STATEMENT, PurposeType.LOG_IN, Role.SOLE): _log_in("category", optional=("agency",)),
    (Operation.STATEMENT, PurposeType.ACT, Role.SOLE): _act("category", "bidder_id", optional=("agency",)),
    # The RPC says which of the optional keys it wants, and refuses a purpose that has others.
    (OFFICER, PurposeType.LOG_IN, Role.SOLE): _log_in(),
    (OFFICER, PurposeType.ACT, Role.SOLE): _act(
        optional=(
            "agency",
            "category",
            "bidder_id",
            "card_sha256",
            "person_id",
            "subjects",
            "proposal_sha256",
            "notes_sha256",
        )
    ),
}


def find_row(operation: str) -> str | None:
    """Returns the operation's name in the table, OFFICER for the full name of an RPC; None for an unknown operation."""
    if operation in list(Operation):
        return operation
    return OFFICER if len(operation) <= _MOST_RPC_CHARACTERS and _RPC.fullmatch(operation) else None
