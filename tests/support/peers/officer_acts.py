"""The acts that officers sign for a fake peer: asked for and read as in a service, without a database."""

import secrets
from collections.abc import Mapping

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from typing_extensions import override

from officers.act import OfficerAct, hash_certificate
from officers.methods import ActMethods, name_subjects
from officers.words import ActWords, Fact, load_words
from servicekit.context import Context
from servicekit.identity import caller
from signed_acts.purpose import Act, Purpose, PurposeType, Role, encode
from signed_acts.request import hash_canonical
from toroku.officer.v1 import officer_acts_pb2, officer_acts_pb2_grpc


class OfficerActsPeer(officer_acts_pb2_grpc.OfficerActsServicer):
    """The acts of a service's methods, with the words that officers read, and `facts` in them.

    Which nonces are used, it does not keep.
    """

    def __init__(self, instance: str, service: ServiceDescriptor, facts: Mapping[str, Fact] | None = None) -> None:
        self._instance = instance
        self._methods = ActMethods(instance, [service])
        types = {name: self._methods.find(name).request_type for name in self._methods.names}
        self._facts = {} if facts is None else facts
        self._words = ActWords(types, load_words(), dict.fromkeys(types, self._facts))

    @override
    async def CreateActChallenge(
        self, request: officer_acts_pb2.CreateActChallengeRequest, context: Context
    ) -> officer_acts_pb2.CreateActChallengeResponse:
        method = self._methods.find(request.method)
        asked = method.parse_request(request.request)
        purpose = Purpose(
            instance=self._instance,
            type=PurposeType.ACT,
            operation=method.name,
            role=Role.SOLE,
            nonce=secrets.token_bytes(32),
            certificate_sha256=hash_certificate(caller()),
            act=Act(
                request.request_id, hash_canonical(asked), self._words.write_lines(method.name, asked, self._facts)
            ),
            **name_subjects(asked),
        )
        return officer_acts_pb2.CreateActChallengeResponse(purpose=encode(purpose))

    def read(self, request: Message) -> OfficerAct:
        """Returns the act of a request, if the caller's key signed it for exactly this request. Raises Refusal."""
        return self._methods.read(request, caller())
