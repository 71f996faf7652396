"""What the service and its judgement processes tell each other."""

from enum import Enum

import pytest

from certificate_registry.adapters.judgement_messages import LENGTH_BYTES, Judgement, read_answer, write_message
from refusals import Code, Refusal


def reduce_by_getattr(member: Enum, _protocol: int) -> object:
    """Reduces an enum member as Python 3.11.2, Debian 12's, does."""
    return getattr, (type(member), member.name)


@pytest.mark.parametrize("is_debians_python", [False, True])
def test_judgement_arrives_in_every_version_of_python(monkeypatch: pytest.MonkeyPatch, is_debians_python: bool) -> None:
    if is_debians_python:
        monkeypatch.setattr(Code, "__reduce_ex__", reduce_by_getattr)
    refusal = Refusal("CERTIFICATE_AUTHORITY_UNKNOWN", Code.FAILED_PRECONDITION, {"issuer": "CN=Unknown"})
    answer = read_answer(write_message(Judgement(refusal=refusal))[LENGTH_BYTES:])
    assert isinstance(answer, Judgement)
    assert answer.refusal is not None
    assert (answer.refusal.reason, answer.refusal.code, answer.refusal.metadata) == (
        "CERTIFICATE_AUTHORITY_UNKNOWN",
        Code.FAILED_PRECONDITION,
        {"issuer": "CN=Unknown"},
    )
