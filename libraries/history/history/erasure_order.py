"""The order to erase somebody's details, as an operator gives it on the command line of a registry."""

from collections.abc import Sequence
from dataclasses import dataclass

from servicekit.exceptions import CommandFailed

# Who erases: whoever can reach the database with the service's settings.
OPERATOR = "operator"
_MOST_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class ErasureOrder:
    """Whose details are to be erased, and why. The reason stays in the history, so it names no person."""

    subject: str
    reason: str


def read_erasure_order(arguments: Sequence[str], option: str, value: str) -> ErasureOrder:
    """Returns what the arguments `option` and `--reason` order; `value` says what the option takes.

    Raises CommandFailed.
    """
    given = dict(zip(arguments[::2], arguments[1::2], strict=False))
    order = ErasureOrder(given.get(option, "").strip(), given.get("--reason", "").strip())
    if len(arguments) != 4 or not order.subject or not order.reason or len(order.reason) > _MOST_CHARACTERS:
        raise refuse_arguments(option, value)
    return order


def refuse_arguments(option: str, value: str) -> CommandFailed:
    """Returns the exception for arguments that are no order."""
    return CommandFailed(
        f"the arguments are wrong: give {option} with {value}, and --reason with why it is erased, in quotes"
    )
