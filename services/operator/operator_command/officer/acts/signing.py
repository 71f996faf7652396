"""An act from the challenge to its outcome: shown, confirmed, signed, carried out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import typer
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from rich.console import Console

from operator_command.officer.acts.key import OfficerKey, hash_certificate
from operator_command.officer.acts.purpose import OwnRequest, accept_purpose, name_method
from operator_command.officer.acts.showing import show_purpose
from operator_command.officer.asking import ask, has_terminal
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from signed_acts.purpose import require_act
from toroku.act.v1.signed_purpose_pb2 import SignatureAlgorithm, SignedPurpose
from toroku.officer.v1.officer_acts_pb2 import CreateActChallengeRequest
from toroku.officer.v1.officer_acts_pb2_grpc import OfficerActsStub

CALL_SECONDS = 30.0
# An act is carried out once, however often it is sent, so it is sent again after a lost answer.
TRIES = 3
_LOST = "PEER_UNREACHABLE"
_QUESTION = Phrase("署名して実行しますか", "Sign, and carry this out?")
_STOPPED = Phrase("中止しました。何も変更していません。", "Stopped. Nothing was changed.")

Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """The officer at a command: the key, the instance that it is for, and how the officer confirms.

    `request_id` is that of the request; the same again gives the outcome of the first time. `ending` are the lines at
    the end of the act, where they are known: those of a proposal that it decides on.
    """

    key: OfficerKey
    instance: str
    speech: Speech
    console: Console
    request_id: str
    confirmed: bool
    details: bool
    ending: Sequence[str] = ()

    def sign(self, channel: grpc.Channel, method: MethodDescriptor, request: Message) -> None:
        """Shows what a method's request does, and sets its field `act` after a yes; ends the command after a no.

        Raises the service's refusals, those of `accept_purpose`, PROPOSAL_ALTERED, ACT_TERMINAL_MISSING, the key's.
        """
        request.ClearField("act")
        self.sign_purpose(self._ask_challenge(channel, method, request), method, request)

    def sign_purpose(self, encoded: bytes, method: MethodDescriptor, request: Message) -> None:
        """Does what `sign` does, with a purpose that was asked for elsewhere; `request` is what it has to be for."""
        own = OwnRequest(
            instance=self.instance,
            certificate_sha256=hash_certificate(self.key),
            method=method,
            request=request,
            request_id=self.request_id,
        )
        purpose = accept_purpose(encoded, own)
        act = require_act(purpose)
        if self.ending and act.lines[-len(self.ending) :] != tuple(self.ending):
            raise Refusal("PROPOSAL_ALTERED", Code.DATA_LOSS)
        show_purpose(self.console, purpose, act, self.key, self.speech, details=self.details)
        if not self.confirmed:
            self._confirm()
        signed = self.key.sign(encoded)
        algorithm = SignatureAlgorithm.Value(f"SIGNATURE_ALGORITHM_{signed.algorithm.value}")
        message = SignedPurpose(purpose=signed.purpose, algorithm=algorithm, signature=signed.signature)
        getattr(request, "act").CopyFrom(message)  # noqa: B009  # every method with acts has it, which no type says

    def carry_out(
        self, channel: grpc.Channel, method: MethodDescriptor, request: Message, response: type[Response]
    ) -> Response:
        """Returns the answer of a method to a request that the officer was shown and signed.

        Raises the refusals of `sign` and `send`.
        """
        self.sign(channel, method, request)
        return self.send(channel, method, request, response)

    def send(
        self, channel: grpc.Channel, method: MethodDescriptor, request: Message, response: type[Response]
    ) -> Response:
        """Returns the answer of a method to a signed request. Raises its refusals, ACT_OUTCOME_UNKNOWN."""
        call: Callable[..., Any] = channel.unary_unary(
            f"/{name_method(method)}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        for number in range(TRIES):
            if number:
                said = Phrase("応答が途切れました。結果を確かめます。", "The answer was lost; asking again.")
                print_line(self.console, self.speech, said)
            try:
                answer: Response = call(request, timeout=CALL_SECONDS, wait_for_ready=number > 0)
                return answer
            except grpc.RpcError as error:
                refusal = from_rpc_error(error)
                if refusal.reason != _LOST:
                    raise refusal from None
        raise Refusal("ACT_OUTCOME_UNKNOWN", Code.UNAVAILABLE, {"request_id": self.request_id})

    def _ask_challenge(self, channel: grpc.Channel, method: MethodDescriptor, request: Message) -> bytes:
        question = CreateActChallengeRequest(
            method=name_method(method), request_id=self.request_id, request=request.SerializeToString()
        )
        try:
            return OfficerActsStub(channel).CreateActChallenge(question, timeout=CALL_SECONDS).purpose
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def _confirm(self) -> None:
        if not has_terminal():
            raise Refusal("ACT_TERMINAL_MISSING", Code.FAILED_PRECONDITION)
        if not ask(self.speech, _QUESTION):
            print_line(self.console, self.speech, _STOPPED)
            raise typer.Exit(1)
