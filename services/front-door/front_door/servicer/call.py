"""What the servicers need of a gRPC call."""

from functools import partial
from typing import cast

from front_door.adapters import SecondsLeft
from servicekit.clients import DEADLINE
from servicekit.context import Context


def seconds_left(context: Context) -> SecondsLeft:
    """Returns a function that returns how many seconds a peer may take: never longer than the caller itself waits."""
    return partial(_seconds_left, context)


def _seconds_left(context: Context) -> float:
    # None where the caller sets no deadline, which the stubs of grpc do not say.
    remaining = cast("float | None", context.time_remaining())
    return DEADLINE if remaining is None else min(DEADLINE, remaining)
