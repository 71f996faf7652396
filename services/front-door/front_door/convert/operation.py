"""The operations of the menu, and what else a card's session is for."""

from front_door.domain.card_session import CardUse
from instance_profile.model import Operation
from refusals import Code, Refusal
from toroku.certificate.v1 import card_pb2

_OPERATIONS = {
    Operation.REGISTRATION: card_pb2.OPERATION_REGISTRATION,
    Operation.CHANGE: card_pb2.OPERATION_CHANGE,
    Operation.RENEWAL: card_pb2.OPERATION_RENEWAL,
}
_USES = {
    CardUse.REGISTRATION: card_pb2.OPERATION_REGISTRATION,
    CardUse.CHANGE: card_pb2.OPERATION_CHANGE,
    CardUse.RENEWAL: card_pb2.OPERATION_RENEWAL,
    CardUse.VIEW: card_pb2.OPERATION_VIEW,
}


def write_operation(operation: Operation) -> "card_pb2.Operation.ValueType":
    """Returns the interface's value of an operation of the menu."""
    return _OPERATIONS[operation]


def write_use(use: CardUse) -> "card_pb2.Operation.ValueType":
    """Returns the interface's value of what a session is for."""
    return _USES[use]


def read_use(value: "card_pb2.Operation.ValueType") -> CardUse:
    """Returns what a session is for by this value of the interface; raises OPERATION_UNKNOWN."""
    for use, known in _USES.items():
        if known == value:
            return use
    raise Refusal("OPERATION_UNKNOWN", Code.INVALID_ARGUMENT, {"operation": str(value)})
