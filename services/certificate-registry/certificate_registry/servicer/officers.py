"""The gRPC service Officers: convert, call one operation, convert."""

import asyncio

from typing_extensions import override

from certificate_registry.convert import officers as convert
from certificate_registry.operations.officer_acceptance import OfficerAcceptance
from certificate_registry.operations.officer_enrolment import Acceptance, OfficerEnrolment
from certificate_registry.operations.officer_invitations import InvitationRequest, OfficerInvitations
from certificate_registry.operations.officer_log_in import OfficerLogIn
from certificate_registry.operations.officer_roles import RoleWithdrawal
from certificate_registry.operations.officer_withdrawal import OfficerWithdrawal
from officers.act import read_signed_purpose
from officers.methods import ActMethods
from officers.proposals import Proposals
from servicekit.context import Context
from servicekit.identity import caller
from servicekit.messages import check_request_id, check_sha256, find_uuid, write_timestamp
from toroku.certificate.v1 import officers_pb2, officers_pb2_grpc

_MOST_LISTED = 1_000
# Officers that are converted in one turn of the event loop: a few milliseconds.
_OFFICERS_PER_TURN = 10


class Officers(officers_pb2_grpc.OfficersServicer):
    """The officers of one instance."""

    def __init__(
        self,
        *,
        acts: ActMethods,
        proposals: Proposals,
        invitations: OfficerInvitations,
        acceptance: OfficerAcceptance,
        enrolment: OfficerEnrolment,
        role_withdrawal: RoleWithdrawal,
        withdrawal: OfficerWithdrawal,
        log_in: OfficerLogIn,
    ) -> None:
        self._acts = acts
        self._proposals = proposals
        self._invitations = invitations
        self._acceptance = acceptance
        self._enrolment = enrolment
        self._role_withdrawal = role_withdrawal
        self._withdrawal = withdrawal
        self._log_in = log_in

    @override
    async def InviteOfficer(
        self, request: officers_pb2.InviteOfficerRequest, context: Context
    ) -> officers_pb2.InviteOfficerResponse:
        act = self._acts.read(request, caller())
        invitation, code = await self._invitations.invite(
            act,
            InvitationRequest(
                agency=request.agency,
                person_id=request.person_id,
                name=request.name,
                mail_address=convert.read_mail_address(request),
                is_further=request.further_certificate,
            ),
        )
        message = convert.write_invitation(invitation, invitation.invited_at)
        return officers_pb2.InviteOfficerResponse(invitation=message, code=code)

    @override
    async def CancelInvitation(
        self, request: officers_pb2.CancelInvitationRequest, context: Context
    ) -> officers_pb2.CancelInvitationResponse:
        act = self._acts.read(request, caller())
        await self._invitations.cancel(act, request.agency, find_uuid(request.invitation_id), request.reason)
        return officers_pb2.CancelInvitationResponse()

    @override
    async def ListInvitations(
        self, request: officers_pb2.ListInvitationsRequest, context: Context
    ) -> officers_pb2.ListInvitationsResponse:
        invitations, now = await self._invitations.list(request.agency)
        return officers_pb2.ListInvitationsResponse(
            invitations=[convert.write_invitation(invitation, now) for invitation in invitations]
        )

    @override
    async def CreateAcceptChallenge(
        self, request: officers_pb2.CreateAcceptChallengeRequest, context: Context
    ) -> officers_pb2.CreateAcceptChallengeResponse:
        person = await self._acceptance.identify(caller(), request.certificate)
        to_sign = await self._acceptance.create_challenge(
            person, convert.read_acceptance(request), check_request_id(request.request_id)
        )
        return officers_pb2.CreateAcceptChallengeResponse(
            purpose=to_sign.purpose, expires_at=write_timestamp(to_sign.expires_at)
        )

    @override
    async def AcceptInvitation(
        self, request: officers_pb2.AcceptInvitationRequest, context: Context
    ) -> officers_pb2.AcceptInvitationResponse:
        person = await self._acceptance.identify(caller(), request.certificate)
        signed = convert.read_acceptance(request)
        act = self._acts.read_signed(self._acceptance.method, signed, read_signed_purpose(request.act), person)
        accepted = await self._enrolment.accept(
            Acceptance(agency=request.agency, person_id=request.person_id, code=request.code, act=act)
        )
        return officers_pb2.AcceptInvitationResponse(certificate=convert.write_accepted(accepted))

    @override
    async def ConfirmOfficer(
        self, request: officers_pb2.ConfirmOfficerRequest, context: Context
    ) -> officers_pb2.ConfirmOfficerResponse:
        certificate_sha256 = check_sha256(request.certificate_sha256, "CERTIFICATE_SHA256_INVALID")
        act = self._acts.read(request, caller())
        officer, now = await self._enrolment.confirm(act, request.agency, request.person_id, certificate_sha256)
        return officers_pb2.ConfirmOfficerResponse(officer=convert.write_officer(officer, now))

    @override
    async def ListOfficers(
        self, request: officers_pb2.ListOfficersRequest, context: Context
    ) -> officers_pb2.ListOfficersResponse:
        officers, now = await self._withdrawal.list(
            request.agency,
            after=request.after,
            most=min(request.most, _MOST_LISTED) if request.most > 0 else _MOST_LISTED,
            withdrawn=request.withdrawn,
        )
        response = officers_pb2.ListOfficersResponse()
        for start in range(0, len(officers), _OFFICERS_PER_TURN):
            response.officers.extend(
                convert.write_officer(officer, now) for officer in officers[start : start + _OFFICERS_PER_TURN]
            )
            await asyncio.sleep(0)
        return response

    @override
    async def GetOfficer(
        self, request: officers_pb2.GetOfficerRequest, context: Context
    ) -> officers_pb2.GetOfficerResponse:
        officer, now = await self._withdrawal.get(request.agency, request.person_id)
        return officers_pb2.GetOfficerResponse(officer=convert.write_officer(officer, now))

    @override
    async def GrantRole(
        self, request: officers_pb2.GrantRoleRequest, context: Context
    ) -> officers_pb2.GrantRoleResponse:
        return officers_pb2.GrantRoleResponse(proposal=await self._proposals.propose(request, caller()))

    @override
    async def WithdrawRole(
        self, request: officers_pb2.WithdrawRoleRequest, context: Context
    ) -> officers_pb2.WithdrawRoleResponse:
        act = self._acts.read(request, caller())
        officer, now, not_yet = await self._role_withdrawal.withdraw(
            act, agency=request.agency, person_id=request.person_id, role=request.role, reason=request.reason
        )
        return officers_pb2.WithdrawRoleResponse(
            officer=convert.write_officer(officer, now), not_yet_effective_at=not_yet
        )

    @override
    async def PreviewWithdrawal(
        self, request: officers_pb2.PreviewWithdrawalRequest, context: Context
    ) -> officers_pb2.PreviewWithdrawalResponse:
        preview = await self._withdrawal.preview(caller(), request.agency, request.person_ids)
        return officers_pb2.PreviewWithdrawalResponse(
            persons=[convert.write_person_to_withdraw(person) for person in preview.persons],
            refused_because=preview.refused_because,
        )

    @override
    async def WithdrawOfficers(
        self, request: officers_pb2.WithdrawOfficersRequest, context: Context
    ) -> officers_pb2.WithdrawOfficersResponse:
        act = self._acts.read(request, caller())
        withdrawn, not_yet = await self._withdrawal.withdraw(act, request.agency, request.person_ids, request.reason)
        return officers_pb2.WithdrawOfficersResponse(withdrawn=withdrawn, not_yet_effective_at=not_yet)

    @override
    async def CreateLogInChallenge(
        self, request: officers_pb2.CreateLogInChallengeRequest, context: Context
    ) -> officers_pb2.CreateLogInChallengeResponse:
        to_sign = await self._log_in.create_challenge(request.certificate)
        return officers_pb2.CreateLogInChallengeResponse(
            purpose=to_sign.purpose, expires_at=write_timestamp(to_sign.expires_at)
        )

    @override
    async def LogIn(self, request: officers_pb2.LogInRequest, context: Context) -> officers_pb2.LogInResponse:
        opened = await self._log_in.open(request.certificate, read_signed_purpose(request.log_in))
        return officers_pb2.LogInResponse(
            session_token=opened.token,
            officer=convert.write_officer(opened.officer, opened.at),
            expires_at=write_timestamp(opened.session.expires_at),
            ends_at=write_timestamp(opened.session.ends_at),
        )

    @override
    async def GetOfficerProof(
        self, request: officers_pb2.GetOfficerProofRequest, context: Context
    ) -> officers_pb2.GetOfficerProofResponse:
        issued = await self._log_in.prove(request.session_token)
        return officers_pb2.GetOfficerProofResponse(
            proof=issued.proof,
            proof_expires_at=write_timestamp(issued.expires_at),
            expires_at=write_timestamp(issued.session.expires_at),
        )

    @override
    async def EndSession(
        self, request: officers_pb2.EndSessionRequest, context: Context
    ) -> officers_pb2.EndSessionResponse:
        await self._log_in.end(request.session_token)
        return officers_pb2.EndSessionResponse()

    @override
    async def EndAllSessions(
        self, request: officers_pb2.EndAllSessionsRequest, context: Context
    ) -> officers_pb2.EndAllSessionsResponse:
        act = self._acts.read(request, caller())
        return officers_pb2.EndAllSessionsResponse(ended=await self._log_in.end_all(act, request.reason))
