"""What officers may do: roles, which two administrators give and one takes away."""

from collections.abc import Sequence

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import print_lines, print_not_yet_effective, print_proposed
from operator_command.officer.acts.session import CERTIFICATE_REGISTRY, ActingSession, make_signer
from operator_command.officer.administration.words import describe_officer
from operator_command.speech import Phrase
from toroku.certificate.v1 import officers_pb2

_METHODS = officers_pb2.DESCRIPTOR.services_by_name["Officers"].methods_by_name


def grant_role(
    session: ActingSession, options: ActOptions, agency: str, person_id: str, roles: Sequence[str], reason: str
) -> None:
    """Proposes roles for an officer, all together."""
    request = officers_pb2.GrantRoleRequest(agency=agency, person_id=person_id, roles=roles, reason=reason)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        response = make_signer(session, options).carry_out(
            channel, _METHODS["GrantRole"], request, officers_pb2.GrantRoleResponse
        )
    print_proposed(session, response.proposal)


def withdraw_role(
    session: ActingSession, options: ActOptions, agency: str, person_id: str, role: str, reason: str
) -> None:
    """Takes a role away from an officer, at once."""
    request = officers_pb2.WithdrawRoleRequest(agency=agency, person_id=person_id, role=role, reason=reason)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        response = make_signer(session, options).carry_out(
            channel, _METHODS["WithdrawRole"], request, officers_pb2.WithdrawRoleResponse
        )
    heading = Phrase("権限を取り消しました。", "The role is withdrawn.")
    print_lines(session, heading, describe_officer(response.officer, session.speech))
    print_not_yet_effective(session, response.not_yet_effective_at)


def end_sessions(session: ActingSession, options: ActOptions, reason: str) -> None:
    """Ends the portal's sessions of all officers."""
    request = officers_pb2.EndAllSessionsRequest(reason=reason)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        response = make_signer(session, options).carry_out(
            channel, _METHODS["EndAllSessions"], request, officers_pb2.EndAllSessionsResponse
        )
    ended = f"{response.ended:,}"
    heading = Phrase(
        f"全職員のログイン（{ended}件）を終了しました。再び使うには、ログインし直します。",
        f"Ended {ended} sessions. Officers have to log in again.",
    )
    print_lines(session, heading, ())
