"""The invited person accepts: with a code that was mailed or handed over, and the key of a certificate of its own."""

import getpass
from pathlib import Path

from operator_command.client.connection import read_file
from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import print_lines
from operator_command.officer.acts.session import CERTIFICATE_REGISTRY, ActingSession, ask_service, make_signer
from operator_command.officer.administration.words import describe_certificate
from operator_command.officer.asking import has_terminal
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase
from refusals import Code, Refusal
from toroku.certificate.v1 import officers_pb2
from toroku.certificate.v1.officers_pb2_grpc import OfficersStub

_METHOD = officers_pb2.DESCRIPTOR.services_by_name["Officers"].methods_by_name["AcceptInvitation"]
_QUESTION = Phrase("招待のコード：", "Code of the invitation: ")


def accept(session: ActingSession, options: ActOptions, agency: str, person_id: str, code_file: Path | None) -> None:
    """Accepts an invitation, and prints the fingerprint that the person reads to the administrator.

    Raises the registry's refusals, INVITATION_CODE_MISSING.
    """
    code = _read_code(session, code_file)
    signer = make_signer(session, options)
    # What is signed has no code in it.
    request = officers_pb2.AcceptInvitationRequest(agency=agency, person_id=person_id)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        challenge = officers_pb2.CreateAcceptChallengeRequest(
            agency=agency, person_id=person_id, request_id=signer.request_id
        )
        stub = OfficersStub(channel)
        signer.sign_purpose(ask_service(stub.CreateAcceptChallenge, challenge).purpose, _METHOD, request)
        request.code = code
        response = signer.send(channel, _METHOD, request, officers_pb2.AcceptInvitationResponse)
    heading = Phrase("招待を受諾しました。", "The invitation is accepted.")
    print_lines(session, heading, describe_certificate(response.certificate, session.speech))
    said = Phrase(
        "管理者に証明書のSHA-256（指紋）を電話などで伝えてください。管理者が確認すると、この証明書が使えるようになります。",
        "Read the fingerprint to the administrator, for example by telephone, who then confirms your certificate.",
    )
    print_line(session.console, session.speech, said)


def _read_code(session: ActingSession, file: Path | None) -> str:
    if file is not None:
        return read_file(file).decode("utf-8", "replace").strip()
    if not has_terminal():
        raise Refusal("INVITATION_CODE_MISSING", Code.FAILED_PRECONDITION)
    return getpass.getpass(session.speech.say(_QUESTION)).strip()
