"""What every fake peer offers a test besides its RPCs."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from refusals import Code, Refusal


@dataclass
class FakePeer:
    """A peer that counts its calls, can refuse all of them, and can hang or fail before it answers."""

    # Calls by RPC; a call with `validate_only` is counted as "<RPC> dry".
    calls: Counter[str] = field(default_factory=Counter)
    # Refuses every call. Not with UNAVAILABLE, which clients retry on their own.
    failing: bool = False
    # Runs after a call has taken effect and before it is answered; which calls, each fake says. To raise here is to
    # lose the answer, to wait here is to hang.
    before_answer: Callable[[], Awaitable[None] | None] | None = None

    def receive(self, call: str) -> None:
        """Counts a call; raises INTERNAL_FAILURE while the peer is failing."""
        if self.failing:
            raise Refusal("INTERNAL_FAILURE", Code.INTERNAL, {"trace_id": "none"})
        self.calls[call] += 1

    async def run_before_answer(self) -> None:
        """Runs the test's hook, if there is one."""
        if self.before_answer is not None:
            waiting = self.before_answer()
            if waiting is not None:
                await waiting
