"""People who are invited as officers, and whose certificates an administrator confirms."""

from pathlib import Path

import grpc

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import describe_time, print_lines
from operator_command.officer.acts.session import CERTIFICATE_REGISTRY, ActingSession, ask_service, make_signer
from operator_command.officer.administration.words import describe_invitation, describe_officer
from operator_command.officer.private_files import write_atomically
from operator_command.officer.roster_import import require_overwritable
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase
from refusals import Code, Refusal
from toroku.certificate.v1 import officers_pb2
from toroku.certificate.v1.officers_pb2 import INVITATION_STATE_ACCEPTED, Invitation
from toroku.certificate.v1.officers_pb2_grpc import OfficersStub

_METHODS = officers_pb2.DESCRIPTOR.services_by_name["Officers"].methods_by_name


def invite(
    session: ActingSession,
    options: ActOptions,
    request: officers_pb2.InviteOfficerRequest,
    code_file: Path | None,
) -> None:
    """Invites a person; a code for a letter is written into a file that only the administrator can read.

    Raises the registry's refusals, OUTPUT_EXISTS, INVITATION_CODE_NOT_WRITTEN.
    """
    if code_file is not None:
        require_overwritable(code_file, session.speech, overwrites=False)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        response = make_signer(session, options).carry_out(
            channel, _METHODS["InviteOfficer"], request, officers_pb2.InviteOfficerResponse
        )
    invitation = response.invitation
    print_lines(session, Phrase("招待しました。", "Invited."), describe_invitation(invitation, session.speech))
    if code_file is not None:
        _write_code(session, code_file, response.code, invitation)
    accepting = f"toroku officer accept {invitation.person_id} --agency {invitation.agency}"
    until = describe_time(invitation.expires_at, session.speech)
    said = Phrase(
        f"招待された職員は、届いたコードと自分の証明書を用いて、{until}までに受諾します：{accepting}",
        f"The person accepts with the code and a certificate of its own until {until}: {accepting}",
    )
    print_line(session.console, session.speech, said)


def list_invitations(session: ActingSession, agency: str) -> None:
    """Prints the invitations that are open, accepted or expired."""
    with session.open(CERTIFICATE_REGISTRY) as channel:
        invitations = _list(channel, agency)
    for invitation in invitations:
        print_lines(session, Phrase("招待", "invitation"), describe_invitation(invitation, session.speech))
    if not invitations:
        print_line(session.console, session.speech, Phrase("招待はありません。", "There are no invitations."))


def cancel(session: ActingSession, options: ActOptions, agency: str, invitation_id: str, reason: str) -> None:
    """Takes an invitation back."""
    request = officers_pb2.CancelInvitationRequest(agency=agency, invitation_id=invitation_id, reason=reason)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        make_signer(session, options).carry_out(
            channel, _METHODS["CancelInvitation"], request, officers_pb2.CancelInvitationResponse
        )
    said = Phrase(
        "招待を取り消しました。コードは使えません。", "The invitation is cancelled; its code is good for nothing."
    )
    print_line(session.console, session.speech, said)


def confirm(session: ActingSession, options: ActOptions, agency: str, person_id: str) -> None:
    """Shows the certificate that an invited person accepted with, and makes the person an officer by it.

    Raises the registry's refusals, INVITATION_NOT_LISTED.
    """
    with session.open(CERTIFICATE_REGISTRY) as channel:
        invitation = _find_accepted(channel, agency, person_id)
        heading = Phrase("招待を受諾した証明書", "The certificate that accepted the invitation")
        print_lines(session, heading, describe_invitation(invitation, session.speech))
        said = Phrase(
            "電話などで本人に証明書のSHA-256（指紋）を読み上げてもらい、上の値と一致することを確かめてください。",
            "Have the person read the fingerprint to you, for example by telephone, and compare it with the one above.",
        )
        print_line(session.console, session.speech, said)
        request = officers_pb2.ConfirmOfficerRequest(
            agency=agency, person_id=person_id, certificate_sha256=invitation.certificate.certificate_sha256
        )
        response = make_signer(session, options).carry_out(
            channel, _METHODS["ConfirmOfficer"], request, officers_pb2.ConfirmOfficerResponse
        )
    heading = Phrase("職員として登録しました。", "The person is an officer now.")
    print_lines(session, heading, describe_officer(response.officer, session.speech))
    if not response.officer.roles:
        granting = f"toroku officer grant-role {person_id} ROLE --reason …"
        said = Phrase(
            f"権限はまだありません。付与するには：{granting}", f"It has no roles yet. Propose them: {granting}"
        )
        print_line(session.console, session.speech, said)


def _find_accepted(channel: grpc.Channel, agency: str, person_id: str) -> Invitation:
    for invitation in _list(channel, agency):
        if invitation.person_id == person_id and invitation.state == INVITATION_STATE_ACCEPTED:
            return invitation
    raise Refusal("INVITATION_NOT_LISTED", Code.NOT_FOUND, {"person": person_id})


def _list(channel: grpc.Channel, agency: str) -> list[Invitation]:
    request = officers_pb2.ListInvitationsRequest(agency=agency)
    return list(ask_service(OfficersStub(channel).ListInvitations, request).invitations)


def _write_code(session: ActingSession, file: Path, code: str, invitation: Invitation) -> None:
    """Writes a code for a letter, which is told once. Raises INVITATION_CODE_NOT_WRITTEN."""
    metadata = {"path": str(file), "invitation": invitation.invitation_id}
    if not code:
        raise Refusal("INVITATION_CODE_NOT_WRITTEN", Code.DATA_LOSS, metadata | {"cause": "―"})
    try:
        write_atomically(file, f"{code}\n".encode())
    except OSError as error:
        cause = error.strerror or type(error).__name__
        raise Refusal("INVITATION_CODE_NOT_WRITTEN", Code.DATA_LOSS, metadata | {"cause": cause}) from None
    said = Phrase(
        f"コードをファイル「{file}」に書き出しました。書面で本人に渡し、渡した後は削除してください。",
        f"The code is in {file}. Hand it to the person by letter, then delete the file.",
    )
    print_line(session.console, session.speech, said)
