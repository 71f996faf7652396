"""Advices."""

from front_door.convert.operation import write_operation
from front_door.convert.text import write_text
from front_door.domain.advice import Advice
from servicekit.messages import write_timestamp
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import advice_pb2


def write_advice(advice: Advice) -> advice_pb2.GetAdviceResponse:
    """Returns an advice as a message."""
    operation = card_pb2.OPERATION_UNSPECIFIED
    if advice.operation is not None:
        operation = write_operation(advice.operation)
    return advice_pb2.GetAdviceResponse(
        standing=write_text(advice.standing),
        operation=operation,
        reasons=[write_text(text) for text in advice.reasons],
        until=write_timestamp(advice.until) if advice.until is not None else None,
        consequences=[write_text(text) for text in advice.consequences],
        exceptions=[write_text(text) for text in advice.exceptions],
    )
