"""An officer, an invitation and a certificate in lines."""

from collections.abc import Iterable, Iterator, Mapping

from operator_command.officer.acts.outcome import AGENCY, Line, describe_day, describe_time
from operator_command.speech import Phrase, Speech
from toroku.certificate.v1.officers_pb2 import (
    INVITATION_STATE_ACCEPTED,
    INVITATION_STATE_EXPIRED,
    INVITATION_STATE_OPEN,
    CertificateOfOfficer,
    CertificateToConfirm,
    Invitation,
    Officer,
)

ROLES: Mapping[str, Phrase] = {
    "administrator": Phrase("職員の管理", "officers"),
    "approval": Phrase("ICカードの確認", "approval of cards"),
    "binding": Phrase("結び付きの取消し", "undo of bindings"),
    "history": Phrase("履歴の閲覧", "histories"),
    "password": Phrase("パスワードの発行", "passwords"),
    "registration": Phrase("利用者登録の閲覧", "registrations"),
    "roster": Phrase("名簿の取込み", "rosters"),
    "suspension": Phrase("利用停止と再開", "suspensions"),
}
INVITATIONS: Mapping[int, Phrase] = {
    INVITATION_STATE_OPEN: Phrase("本人の受諾待ち", "waits for the person"),
    INVITATION_STATE_ACCEPTED: Phrase("管理者の確認待ち", "waits for confirmation"),
    INVITATION_STATE_EXPIRED: Phrase("期限切れ", "expired"),
}
PERSON = Phrase("職員ID", "person ID")
NAME = Phrase("氏名", "name")
MAIL_ADDRESS = Phrase("メールアドレス", "mail address")
HELD_ROLES = Phrase("権限", "roles")
STATE = Phrase("状態", "state")
EXPIRES = Phrase("期限", "expires")
FINGERPRINT = Phrase("証明書のSHA-256（指紋）", "SHA-256 of the certificate (fingerprint)")
VALID_UNTIL = Phrase("証明書の有効期限", "certificate valid until")
_SUBJECT = Phrase("証明書の名義", "subject of the certificate")
_ISSUER = Phrase("証明書の発行者", "issuer of the certificate")
_SERIAL = Phrase("証明書のシリアル番号", "serial number of the certificate")
_ACCEPTED = Phrase("受諾", "accepted")
_INVITED = Phrase("招待", "invited")
_INVITATION = Phrase("招待番号", "invitation")
_CONFIRMED = Phrase("登録", "confirmed")
_WITHDRAWN = Phrase("利用の終了", "withdrawn")
_LETTER = Phrase("書面", "by letter")


def describe_roles(roles: Iterable[str], speech: Speech) -> str:
    """Returns roles by words, with their names on the command line."""
    named = [_describe_role(role, speech) for role in roles]
    return speech.say(Phrase("、", ", ")).join(named) or speech.say(Phrase("なし", "none"))


def describe_fingerprint(digest: bytes) -> str:
    """Returns a SHA-256 in groups of four digits, as people read it to each other."""
    text = digest.hex()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def describe_certificate(certificate: CertificateToConfirm | CertificateOfOfficer, speech: Speech) -> Iterator[Line]:
    """Yields what a certificate says of itself."""
    yield _SUBJECT, certificate.subject
    yield _ISSUER, certificate.issuer
    yield _SERIAL, certificate.serial_hexadecimal
    yield VALID_UNTIL, describe_day(certificate.valid_until, speech)
    yield FINGERPRINT, describe_fingerprint(certificate.certificate_sha256)


def describe_invitation(invitation: Invitation, speech: Speech) -> Iterator[Line]:
    """Yields an invitation, and the certificate that accepted it."""
    yield PERSON, invitation.person_id
    yield NAME, invitation.name
    yield AGENCY, speech.name_agency(invitation.agency)
    yield MAIL_ADDRESS, invitation.mail_address or speech.say(_LETTER)
    yield STATE, speech.say(INVITATIONS[invitation.state]) if invitation.state in INVITATIONS else str(invitation.state)
    when, who = describe_time(invitation.invited_at, speech), speech.name_officer(invitation.invited_by)
    yield _INVITED, speech.say(Phrase(f"{when}、{who}", f"{when}, {who}"))
    yield EXPIRES, describe_time(invitation.expires_at, speech)
    yield _INVITATION, invitation.invitation_id
    if invitation.HasField("certificate"):
        yield _ACCEPTED, describe_time(invitation.certificate.accepted_at, speech)
        yield from describe_certificate(invitation.certificate, speech)


def describe_officer(officer: Officer, speech: Speech) -> Iterator[Line]:
    """Yields an officer, its roles and its certificates."""
    yield PERSON, officer.person_id
    yield NAME, officer.name
    yield AGENCY, speech.name_agency(officer.agency)
    yield MAIL_ADDRESS, officer.mail_address
    yield HELD_ROLES, describe_roles(officer.roles, speech)
    if officer.HasField("confirmed_at"):
        yield _CONFIRMED, describe_time(officer.confirmed_at, speech)
    if officer.HasField("withdrawn_at"):
        yield _WITHDRAWN, describe_time(officer.withdrawn_at, speech)
    for certificate in officer.certificates:
        yield from describe_certificate(certificate, speech)


def describe_end(officer: Officer, speech: Speech) -> str:
    """Returns when an officer's last certificate expires, with a warning where that is soon."""
    if not officer.certificates:
        return ""
    last = officer.certificates[0]
    day = describe_day(last.valid_until, speech)
    return speech.say(Phrase(f"{day}（まもなく期限）", f"{day} (soon)")) if last.expires_soon else day


def _describe_role(role: str, speech: Speech) -> str:
    if role not in ROLES:
        return role
    words = ROLES[role]
    return speech.say(Phrase(f"{words.ja}（{role}）", f"{role} ({words.en})"))
