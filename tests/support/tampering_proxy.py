"""A client's stub with a man in the middle: answers are altered, lost, or never arrive."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from typing_extensions import override

from refusals import Refusal

Answer = Callable[[Any, Callable[[], Any]], Any]


class LostAnswer(grpc.RpcError):
    """The error of a call whose connection was lost."""

    @override
    def code(self) -> grpc.StatusCode:
        """Returns the code of a lost connection."""
        return grpc.StatusCode.UNAVAILABLE

    @override
    def details(self) -> str:
        """Returns the text for developers."""
        return "connection lost"

    @override
    def trailing_metadata(self) -> tuple[()]:
        """Returns nothing: no answer came."""
        return ()


@dataclass(slots=True)
class TamperingProxy:
    """A stub whose answers a test can replace: `answers["Register"] = answer` gets the request and the real call."""

    stub: Any
    answers: dict[str, Answer] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[Any] = field(default_factory=list, repr=False)

    def refuse(self, name: str, reason: str, *, times: int | None = None) -> None:
        """Has a method refuse the first `times` calls, or all of them; those calls never arrive."""
        left = itertools.count() if times is None else iter(range(times))

        def answer(_request: Any, ask: Callable[[], Any]) -> Any:
            if next(left, None) is None:
                return ask()
            raise Refusal(reason)

        self.answers[name] = answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.stub, name)

        def call(request: Any, **options: Any) -> Any:
            self.calls[name] += 1
            self.requests.append(request)
            answer = self.answers.get(name)
            return answer(request, lambda: method(request, **options)) if answer else method(request, **options)

        return call


def altered_answer(change: Callable[[Any], None]) -> Answer:
    """Returns an answer that is the real one, altered by `change`."""

    def answer(request: Any, ask: Callable[[], Any]) -> Any:
        response = ask()
        change(response)
        return response

    return answer


def lost_answers(times: int, *, arrives: bool = True) -> Answer:
    """Returns an answer that is lost the first `times` times; with `arrives=False` the request is lost too."""
    left = times

    def answer(request: Any, ask: Callable[[], Any]) -> Any:
        nonlocal left
        if left == 0:
            return ask()
        left -= 1
        if arrives:
            ask()
        raise LostAnswer

    return answer
