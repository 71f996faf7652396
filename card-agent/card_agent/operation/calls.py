"""Calls to the front door, while which the person waits, and which it may have tried again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from card_agent.console.person import Person
from card_agent.console.retries import Retry, wants_retry
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.frontdoor.v1.advice_pb2_grpc import AdviceStub
from toroku.frontdoor.v1.change_pb2_grpc import ChangeStub
from toroku.frontdoor.v1.entry_pb2_grpc import EntryStub
from toroku.frontdoor.v1.propagations_pb2_grpc import PropagationsStub
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub
from toroku.frontdoor.v1.renewal_pb2_grpc import RenewalStub

CALL_SECONDS = 30.0

_Response = TypeVar("_Response")


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """The gRPC services of the front door."""

    entry: EntryStub
    registration: RegistrationStub
    change: ChangeStub
    renewal: RenewalStub
    advice: AdviceStub
    propagations: PropagationsStub

    @classmethod
    def at(cls, channel: grpc.Channel) -> "FrontDoor":
        """Returns the services at the other end of a channel."""
        return cls(
            entry=EntryStub(channel),
            registration=RegistrationStub(channel),
            change=ChangeStub(channel),
            renewal=RenewalStub(channel),
            advice=AdviceStub(channel),
            propagations=PropagationsStub(channel),
        )


def call(
    method: Callable[..., _Response], request: object, *, wait_for_ready: bool = False, seconds: float = CALL_SECONDS
) -> _Response:
    """Returns the response; raises the server's refusals, PEER_UNREACHABLE, PEER_FAILED and ENDPOINT_NOT_TRUSTED."""
    try:
        return method(request, timeout=seconds, wait_for_ready=wait_for_ready)
    except grpc.RpcError as error:
        # gRPC has no code for it, only this message; an acceptance test would notice a change.
        if "CERTIFICATE_VERIFY_FAILED" in (error.details() or "").upper():
            raise Refusal("ENDPOINT_NOT_TRUSTED", Code.UNAUTHENTICATED) from error
        raise from_rpc_error(error) from error


def call_for(person: Person, method: Callable[..., _Response], request: object) -> _Response:
    """Returns the response of a call that may be repeated, as `call`: the person may have it tried again."""
    while True:
        try:
            with person.show_waiting():
                return call(method, request)
        except Refusal as refusal:
            if not wants_retry(person, refusal, Retry.CALL):
                raise
