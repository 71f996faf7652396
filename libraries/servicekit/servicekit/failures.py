"""What the exceptions of a library mean: to callers, and in the log. Who uses such a library registers its exceptions.

So a process without a database has no driver, and in one with a database nobody can forget it: `servicekit.database`
registers those of psycopg.
"""

from functools import singledispatch
from typing import NamedTuple

from refusals import Refusal


class Failure(NamedTuple):
    """A failure of the service's surroundings: what its callers are told, and the cause for the operator."""

    refusal: Refusal
    cause: str


@singledispatch
def find_failure(error: BaseException) -> Failure | None:
    """Returns the failure of the surroundings that an exception is; None for any other, which is a defect."""
    del error
    return None


@singledispatch
def write_for_log(error: BaseException) -> str:
    """Returns the text of an exception as the log has it: without personal data."""
    return str(error)
