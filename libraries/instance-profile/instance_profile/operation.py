"""The operations of 利用者登録 (ENT-06)."""

from enum import StrEnum


class Operation(StrEnum):
    """What a user can do: 登録 (registration), 変更 (change), ICカード更新 (renewal)."""

    REGISTRATION = "registration"
    CHANGE = "change"
    RENEWAL = "renewal"


OPERATIONS_CARRIED_OUT = frozenset(Operation)
"""The operations that this version of Toroku carries out. A profile may describe others for later."""
