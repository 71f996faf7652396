"""The operations of the menu."""

from instance_profile.model import Operation
from refusals import Code, Refusal
from toroku.certificate.v1 import card_pb2

_OPERATIONS = {
    Operation.REGISTRATION: card_pb2.OPERATION_REGISTRATION,
    Operation.CHANGE: card_pb2.OPERATION_CHANGE,
    Operation.RENEWAL: card_pb2.OPERATION_RENEWAL,
}


def write_operation(operation: Operation) -> "card_pb2.Operation.ValueType":
    """Returns the interface's value of an operation."""
    return _OPERATIONS[operation]


def read_operation(value: "card_pb2.Operation.ValueType") -> Operation:
    """Returns the operation with this value of the interface; raises OPERATION_UNKNOWN."""
    for operation, known in _OPERATIONS.items():
        if known == value:
            return operation
    raise Refusal("OPERATION_UNKNOWN", Code.INVALID_ARGUMENT, {"operation": str(value)})
