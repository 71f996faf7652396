"""The calls that keep a session while a person types."""

import threading

import pytest

from card_agent.operation.session_keeping import SessionKeeping
from refusals import Refusal


def test_session_is_used_until_the_block_ends() -> None:
    calls = threading.Semaphore(0)
    with SessionKeeping(interval_seconds=0.001).keep(calls.release):
        for _ in range(3):
            assert calls.acquire(timeout=10)
    threads = [thread for thread in threading.enumerate() if thread.name == "keeping the session"]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_refused_use_is_not_shown_and_tried_again() -> None:
    calls = threading.Semaphore(0)

    def refuse() -> None:
        calls.release()
        raise Refusal("PEER_UNREACHABLE")

    with SessionKeeping(interval_seconds=0.001).keep(refuse):
        for _ in range(2):
            assert calls.acquire(timeout=10)


@pytest.mark.parametrize(("seconds", "is_used"), [(3599.0, True), (3600.0, False)])
def test_session_is_not_used_after_its_end(seconds: float, is_used: bool) -> None:
    times = iter([0.0])
    calls: list[bool] = []
    called = threading.Event()
    asked = threading.Event()

    def read_seconds() -> float:
        beginning = next(times, None)
        if beginning is None:
            asked.set()
        return seconds if beginning is None else beginning

    def check() -> None:
        calls.append(True)
        called.set()

    with SessionKeeping(interval_seconds=0.001, read_seconds=read_seconds).keep(check):
        assert (called if is_used else asked).wait(10)
        for thread in [] if is_used else threading.enumerate():
            if thread.name == "keeping the session":
                thread.join(10)
                assert not thread.is_alive()
    assert bool(calls) == is_used
