"""How far an operation has come, for who ends it before its end."""

from collections.abc import Callable
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
    """How far an operation has come; `result` is set once it is done.

    `forget` deletes what the next run would fetch the result by. It is called once the receipt is filed: a run that is
    killed before that is repeated by the next one, which asks for the receipt and files it.
    """

    outcome: Outcome = Outcome.NOT_DONE
    result: _Result | None = None
    forget: Callable[[], None] = lambda: None

    def finish(self, result: _Result, forget: Callable[[], None]) -> None:
        """Says that the operation is done."""
        self.outcome, self.result, self.forget = Outcome.DONE, result, forget
