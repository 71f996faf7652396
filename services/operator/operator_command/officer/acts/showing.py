"""What an officer is about to sign, in words: the lines of the act, and with `--details` all else that is signed."""

from collections.abc import Iterator, Mapping, Sequence

from cryptography import x509
from rich.console import Console

from instance_profile.characters import replace_invisible
from instance_profile.japan_time import JAPAN
from operator_command.officer.acts.key import OfficerKey
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from signed_acts.lines import pair_languages
from signed_acts.purpose import Act, Purpose

_HEADING = Phrase("署名する内容", "What you sign")
_SIGNER = Phrase("署名に用いる証明書", "certificate that signs")
_DETAILS: Mapping[str, Phrase] = {
    "instance": Phrase("システム", "instance"),
    "operation": Phrase("操作", "operation"),
    "agency": Phrase("調達機関", "agency"),
    "category": Phrase("業務区分", "category"),
    "bidder_id": Phrase("業者の番号", "bidder ID"),
    "card_sha256": Phrase("ICカード（証明書のSHA-256）", "card (SHA-256 of the certificate)"),
    "person_id": Phrase("職員", "person"),
    "subjects": Phrase("対象の一覧（件数、SHA-256）", "list of subjects (number, SHA-256)"),
    "proposal_sha256": Phrase("提案（SHA-256）", "proposal (SHA-256)"),
    "certificate_sha256": Phrase("署名に用いる証明書（SHA-256）", "certificate that signs (SHA-256)"),
    "nonce": Phrase("乱数（1回限り有効）", "nonce (good once)"),
}
_REQUEST_ID = Phrase("受付番号", "request ID")
_REQUEST_SHA256 = Phrase("要求の内容（SHA-256）", "content of the request (SHA-256)")


def show_purpose(
    console: Console, purpose: Purpose, act: Act, key: OfficerKey, speech: Speech, *, details: bool
) -> None:
    """Shows what a purpose says: its lines in the officer's language; with `details` all lines and all values."""
    print_line(console, speech, _HEADING)
    for line in act.lines if details else choose_lines(act.lines, speech):
        shown = replace_invisible(line)
        print_line(console, speech, Phrase(f"　{shown}", f"  {shown}"))
    for label, value in (*_describe(purpose, act), (_SIGNER, None)) if details else ((_SIGNER, None),):
        shown = replace_invisible(value if value is not None else _describe_certificate(key, speech))
        print_line(console, speech, Phrase(f"　{label.ja}：{shown}", f"  {label.en}: {shown}"))


def choose_lines(lines: Sequence[str], speech: Speech) -> list[str]:
    """Returns the lines in the officer's language; all of them where they are not clearly in both languages."""
    pairs = pair_languages(lines)
    return list(lines) if pairs is None else [speech.say(Phrase(*pair)) for pair in pairs]


def _describe(purpose: Purpose, act: Act) -> Iterator[tuple[Phrase, str]]:
    for name, label in _DETAILS.items():
        value = getattr(purpose, name)
        if name == "subjects" and value is not None:
            yield label, f"{value.count:,}, {value.sha256.hex()}"
        elif value is not None:
            yield label, value.hex() if isinstance(value, bytes) else str(value)
    yield _REQUEST_ID, act.request_id
    yield _REQUEST_SHA256, act.request_sha256.hex()


def _describe_certificate(key: OfficerKey, speech: Speech) -> str:
    certificate = x509.load_der_x509_certificate(key.certificate)
    until = certificate.not_valid_after_utc.astimezone(JAPAN)
    name = certificate.subject.rfc4514_string() or f"{certificate.serial_number:X}"
    return speech.say(
        Phrase(
            f"{name}（有効期限：{until.year}年{until.month}月{until.day}日）", f"{name} (valid until {until:%Y-%m-%d})"
        )
    )
