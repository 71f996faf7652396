"""The work on cards: in threads, because card commands block, and one at a time, whatever the number of tabs."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from refusals import Code, Refusal

_Result = TypeVar("_Result")

# Seconds to wait for another tab's use of a card, which usually takes less than one.
PATIENCE = 5.0
# Seconds after which nobody waits for a use of a card any more, so that the next one is possible.
MOST_SECONDS = 180.0


@dataclass(slots=True)
class CardQueue:
    """One use of a card at a time."""

    patience: float = PATIENCE
    most_seconds: float = MOST_SECONDS
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def work(self, use: Callable[[], _Result]) -> _Result:
        """Returns what `use` returns.

        Raises CARD_USED_BY_ANOTHER_PAGE where another one takes too long, CARD_FAILED where this one does not end.
        """
        try:
            await asyncio.wait_for(self._lock.acquire(), self.patience)
        except TimeoutError as error:
            raise Refusal("CARD_USED_BY_ANOTHER_PAGE", Code.UNAVAILABLE) from error
        try:
            return await asyncio.wait_for(run_in_thread(use), self.most_seconds)
        except TimeoutError as error:
            raise Refusal("CARD_FAILED", Code.INTERNAL, {"code": "TIME-OUT"}) from error
        finally:
            self._lock.release()


async def run_in_thread(work: Callable[[], _Result]) -> _Result:
    """Returns what the work returns, done in a thread that does not hold up the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def finish(result: _Result | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # without an error it is the work's result

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        # The loop may have ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(finish, result, error)

    threading.Thread(target=run, name="using the card", daemon=True).start()
    return await done
