"""protobuf ↔ domain of officers: `read_…` from a message, `write_…` to one."""

from collections.abc import Sequence
from datetime import datetime

from certificate_registry.domain.invitation import AcceptedCertificate, Invitation, InvitationState
from certificate_registry.domain.officer import EXPIRES_SOON, Officer, PersonToWithdraw
from certificate_registry.domain.officer_notice import OfficerNotice, OfficerNoticeKind
from certificate_registry.pki.certificate import parse_certificate
from officers.convert import write_officer_state
from officers.directory import OfficerCertificate, OfficerState
from refusals import Code, Refusal
from servicekit.messages import write_timestamp
from toroku.certificate.v1 import officers_pb2
from toroku.contact.v1 import contact_pb2
from toroku.officer.v1 import officer_directory_pb2

_STATES = {
    InvitationState.OPEN: officers_pb2.INVITATION_STATE_OPEN,
    InvitationState.ACCEPTED: officers_pb2.INVITATION_STATE_ACCEPTED,
    InvitationState.EXPIRED: officers_pb2.INVITATION_STATE_EXPIRED,
}
_NOTICE_KINDS = {
    OfficerNoticeKind.INVITATION: contact_pb2.NOTICE_KIND_OFFICER_INVITATION,
    OfficerNoticeKind.CERTIFICATE_EXPIRING: contact_pb2.NOTICE_KIND_OFFICER_CERTIFICATE_EXPIRING,
}


def read_mail_address(request: officers_pb2.InviteOfficerRequest) -> str:
    """Returns where a code is mailed, "" for a letter; raises DELIVERY_MISSING where the request says neither."""
    if request.mail_address:
        return request.mail_address
    if not request.letter:
        raise Refusal("DELIVERY_MISSING", Code.INVALID_ARGUMENT)
    return ""


def read_acceptance(
    request: officers_pb2.CreateAcceptChallengeRequest | officers_pb2.AcceptInvitationRequest,
) -> officers_pb2.AcceptInvitationRequest:
    """Returns what the act of an acceptance is for: without the code, which no hash is to give away."""
    return officers_pb2.AcceptInvitationRequest(
        agency=request.agency, person_id=request.person_id, certificate=request.certificate
    )


def read_expiry(certificate: bytes) -> datetime:
    """Returns when a certificate in DER expires; raises CERTIFICATE_MALFORMED."""
    return parse_certificate(certificate).not_after


def write_invitation(invitation: Invitation, now: datetime) -> officers_pb2.Invitation:
    """Returns an invitation as it is at an instant."""
    state = invitation.find_state(now)
    message = officers_pb2.Invitation(
        invitation_id=str(invitation.invitation_id),
        agency=invitation.agency,
        person_id=invitation.person_id,
        name=invitation.name,
        mail_address=invitation.mail_address,
        further_certificate=invitation.is_further,
        state=_STATES[state],
        invited_by=invitation.invited_by,
        invited_at=write_timestamp(invitation.invited_at),
        expires_at=write_timestamp(invitation.expires_at),
    )
    if invitation.accepted is not None and state is InvitationState.ACCEPTED:
        message.certificate.CopyFrom(write_accepted(invitation.accepted))
    return message


def write_accepted(accepted: AcceptedCertificate) -> officers_pb2.CertificateToConfirm:
    """Returns what is shown of a certificate that waits for its confirmation."""
    certificate = parse_certificate(accepted.certificate)
    return officers_pb2.CertificateToConfirm(
        certificate_sha256=accepted.certificate_sha256,
        subject=certificate.subject,
        issuer=certificate.issuer,
        serial_hexadecimal=certificate.serial_hexadecimal,
        valid_from=write_timestamp(certificate.not_before),
        valid_until=write_timestamp(certificate.not_after),
        accepted_at=write_timestamp(accepted.accepted_at),
    )


def write_officer(officer: Officer, now: datetime) -> officers_pb2.Officer:
    """Returns an officer as an administrator sees it at an instant. Certificates take half a millisecond each."""
    message = _write_person(officer)
    message.certificates.extend(_write_certificates(officer, now))
    return message


def _write_person(officer: Officer) -> officers_pb2.Officer:
    message = officers_pb2.Officer(
        person_id=officer.person_id,
        agency=officer.agency,
        name=officer.name,
        mail_address=officer.mail_address,
        roles=sorted(officer.roles),
        confirmed_at=write_timestamp(officer.confirmed_at),
    )
    if officer.withdrawn_at is not None:
        message.withdrawn_at.CopyFrom(write_timestamp(officer.withdrawn_at))
    return message


def _write_certificates(officer: Officer, now: datetime) -> Sequence[officers_pb2.CertificateOfOfficer]:
    last = max((certificate.valid_until for certificate in officer.certificates), default=now)
    messages = []
    for good in officer.certificates:
        certificate = parse_certificate(good.certificate)
        messages.append(
            officers_pb2.CertificateOfOfficer(
                certificate_sha256=good.certificate_sha256,
                subject=certificate.subject,
                issuer=certificate.issuer,
                serial_hexadecimal=certificate.serial_hexadecimal,
                valid_from=write_timestamp(certificate.not_before),
                valid_until=write_timestamp(good.valid_until),
                expires_soon=good.valid_until <= now + EXPIRES_SOON and good.valid_until == last,
            )
        )
    return messages


def write_person_to_withdraw(person: PersonToWithdraw) -> officers_pb2.PersonToWithdraw:
    """Returns a person of a preview."""
    message = officers_pb2.PersonToWithdraw(person_id=person.person_id, refused_because=person.refused_because)
    if person.officer is not None:
        message.officer.CopyFrom(_write_person(person.officer))
    return message


def write_state(officer: Officer) -> officer_directory_pb2.OfficerState:
    """Returns what other services are told of an officer."""
    return write_officer_state(
        OfficerState(
            person_id=officer.person_id,
            agency=officer.agency,
            roles=officer.roles,
            certificates=[OfficerCertificate(good.certificate, good.valid_until) for good in officer.certificates],
            version=officer.version,
        )
    )


def write_notice(notice: OfficerNotice) -> contact_pb2.Notice:
    """Returns a notice to an officer, for contact-notification."""
    return contact_pb2.Notice(
        notice_id=str(notice.notice_id),
        kind=_NOTICE_KINDS[notice.kind],
        recipients=[contact_pb2.NoticeRecipient(mail_address=notice.mail_address, name=notice.name)],
        officer=contact_pb2.OfficerFacts(
            agency=notice.agency, person_id=notice.person_id, valid_until=write_timestamp(notice.valid_until)
        ),
        sealed_secret=notice.sealed_code,
    )
