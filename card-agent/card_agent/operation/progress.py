"""How far an operation has come, for who ends it before its end."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


class Outcome(Enum):
    """What is known of a request, at any moment."""

    NOT_DONE = auto()
    # It was sent and is not answered yet, in this run or in an earlier one.
    UNKNOWN = auto()
    DONE = auto()


@dataclass(slots=True)
class Progress(Generic[_Result]):
    """How far an operation has come; `result` is set once it is done."""

    outcome: Outcome = Outcome.NOT_DONE
    result: _Result | None = None
