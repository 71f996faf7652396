"""The front door, seen through somebody on the way: answers are changed, lost, or never arrive."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

Answer = Callable[[Any, Callable[[], Awaitable[Any]]], Awaitable[Any]]


@dataclass(slots=True)
class OnTheWay:
    """A stub whose methods can be taken over: `taken["Register"] = answer`, with the request and the real call."""

    stub: Any
    taken: dict[str, Answer] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[Any] = field(default_factory=list, repr=False)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.stub, name)

        async def call(request: Any, **options: Any) -> Any:
            self.calls[name] += 1
            self.requests.append(request)
            answer = self.taken.get(name)
            return await (answer(request, lambda: method(request, **options)) if answer else method(request, **options))

        return call


def changing(change: Callable[[Any], None]) -> Answer:
    """The real answer, with something changed in it."""

    async def answer(request: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        changed = await ask()
        change(changed)
        return changed

    return answer


def losing(times: int, *, arrives: bool = True) -> Answer:
    """Loses the answer so many times; with `arrives=False` the request too."""
    left = times

    async def answer(request: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal left
        if left == 0:
            return await ask()
        left -= 1
        if arrives:
            await ask()
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "lost on the way", "")

    return answer
