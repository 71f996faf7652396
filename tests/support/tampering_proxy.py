"""A client's stub with a man in the middle: answers are altered, lost, or never arrive."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc

Answer = Callable[[Any, Callable[[], Awaitable[Any]]], Awaitable[Any]]


@dataclass(slots=True)
class TamperingProxy:
    """A stub whose answers a test can replace: `answers["Register"] = answer` gets the request and the real call."""

    stub: Any
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[Any] = field(default_factory=list, repr=False)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.stub, name)

        async def call(request: Any, **options: Any) -> Any:
            self.calls[name] += 1
            self.requests.append(request)
            answer = self.answers.get(name)
            return await (answer(request, lambda: method(request, **options)) if answer else method(request, **options))

        return call


def altered_answer(change: Callable[[Any], None]) -> Answer:
    """Returns an answer that is the real one, altered by `change`."""

    async def answer(request: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        response = await ask()
        change(response)
        return response

    return answer


def lost_answers(times: int, *, arrives: bool = True) -> Answer:
    """Returns an answer that is lost the first `times` times; with `arrives=False` the request is lost too."""
    left = times

    async def answer(request: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
        nonlocal left
        if left == 0:
            return await ask()
        left -= 1
        if arrives:
            await ask()
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "connection lost", "")

    return answer
