"""The operations by their numbers in the interface."""

from collections.abc import Mapping

from signed_acts.purpose import Operation
from toroku.certificate.v1 import card_pb2

NUMBERS: Mapping[Operation, card_pb2.Operation.ValueType] = {
    Operation.REGISTRATION: card_pb2.OPERATION_REGISTRATION,
    Operation.CHANGE: card_pb2.OPERATION_CHANGE,
    Operation.RENEWAL: card_pb2.OPERATION_RENEWAL,
    Operation.VIEW: card_pb2.OPERATION_VIEW,
}
