"""What an act changed, and what its person was shown and signed."""

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from operator_command.history.entry_words import LABELS, Line
from operator_command.speech import Phrase, Speech
from refusals import Refusal
from signed_acts.purpose import Purpose, decode
from signed_acts.signature import parse_signature_algorithm, verify_card_signature

_CHANGED = Phrase("変更", "changed")
_SIGNED = Phrase("署名された手続き", "signed operation")
_SHOWN = Phrase("署名した人に表示した内容", "shown to who signed")
_SIGNATURE = Phrase("署名", "signature")
_VERIFIED = Phrase("正しいことを確かめました", "verified")
_WRONG = Phrase("正しくありません", "wrong")
# A registry that commits by another one's proof has the act, but not the certificate.
_NOT_HERE = Phrase(
    "登録時に確かめた署名です。証明書は、certificate-registryの利用者登録の記録にあります",
    "verified by certificate-registry, whose entry of the registration has the certificate",
)
_NONE = Phrase("なし", "none")
_UNREADABLE = Phrase("読み取れません", "unreadable")

# Names in the states before and after.
_STATES: Mapping[str, Phrase] = {
    "bound_to": Phrase("ICカードを登録している業者", "bidder that the card is bound to"),
    "suspension": Phrase("利用停止（失効の日時または確認者）", "suspension (when it lapses, or who confirmed it)"),
    "registrations": Phrase("利用者登録の番号", "registration"),
    "replaced_by": Phrase(
        "更新後のICカード（証明書のSHA-256）", "card that took its place (SHA-256 of the certificate)"
    ),
    "predecessor_card": Phrase("前のICカード（証明書のSHA-256）", "card before (SHA-256 of the certificate)"),
    "named_predecessor": Phrase(
        "業者が指定した前のICカード（証明書のSHA-256）",
        "card before, as the bidder named it (SHA-256 of the certificate)",
    ),
    "successor_key": Phrase("2枚のICカードを結び付ける鍵", "key that ties the two cards"),
    "successor_signature": Phrase("その鍵による署名", "signature by that key"),
    "request_id": Phrase("受付番号", "request ID"),
    "change_id": Phrase("変更の番号", "change"),
    "revoked_at": Phrase("失効の日時", "revoked at"),
    "crl_sha256": Phrase("失効リスト（SHA-256）", "revocation list (SHA-256)"),
    "distrusted_because": Phrase("信頼されない理由", "distrusted because"),
    "version": Phrase("名簿の版", "version of the roster"),
    "import_id": Phrase("取込みの番号", "import"),
    "roster": Phrase("名簿", "roster"),
    "mapping": Phrase("名簿の様式", "roster mapping"),
    "term": Phrase("名簿の有効期間", "term"),
    "file_name": Phrase("名簿ファイルの名前", "file"),
    "file_sha256": Phrase("名簿ファイル（SHA-256）", "file (SHA-256)"),
    "new": Phrase("新規の件数", "new bidders"),
    "changed": Phrase("変更の件数", "changed bidders"),
    "unchanged": Phrase("変更なしの件数", "unchanged bidders"),
    "gone": Phrase("名簿から外れた件数", "bidders gone"),
    "confirmed": Phrase("確認した事項", "confirmed questions"),
    "decided_rows": Phrase("職員が業者を決めた行の件数", "rows decided by the officer"),
    "decisions": Phrase("行ごとに決めた業者", "decisions by row"),
    "accepts_suggestions": Phrase("候補を受け入れたか", "accepts suggestions"),
    "bidders": Phrase("業者の件数", "bidders"),
    "document": Phrase("申請書", "document"),
    "under_review": Phrase("企業情報が審査中", "company data under review"),
    "has_password": Phrase("パスワードの発行済み", "has a password"),
    "registration_id": Phrase("利用者登録の番号", "registration"),
    "registered_at": Phrase("利用者登録の日時", "registered at"),
    "card_contact": Phrase("ICカード利用部署情報", "card contact"),
    "card_contact_id": Phrase("ICカード利用部署情報の番号", "number of the card contact"),
    "representative_contact": Phrase("代表窓口情報", "representative contact"),
    "representative_contact_id": Phrase("代表窓口情報の番号", "number of the representative contact"),
    "predecessor": Phrase("旧番号の業者", "predecessor"),
    "successor": Phrase("新しい番号の業者", "successor"),
    "since": Phrase("関連付けの開始", "since"),
    "succession": Phrase("関連付けの事由", "because of"),
    "card_contact_earlier_at": Phrase(
        "以前のICカード利用部署情報を使う調達機関", "agencies that keep the card contact before"
    ),
    "representative_contact_earlier_at": Phrase(
        "以前の代表窓口情報を使う調達機関", "agencies that keep the representative contact before"
    ),
    "changed_fields": Phrase("変更された項目", "changed fields"),
    "counts_from": Phrase("有効となる日時", "counts from"),
    "propagate": Phrase("他の調達機関への反映", "other agencies follow"),
    "contacts_of_card": Phrase(
        "連絡先の引継ぎ元のICカード（証明書のSHA-256）", "card before (SHA-256 of the certificate)"
    ),
    "approval_number": Phrase("確認番号", "number of the question"),
    "company_in_question": Phrase("企業名称の確認が必要", "company in question"),
    "holder_in_question": Phrase("名義人の確認が必要", "holder in question"),
    "reason": Phrase("理由", "reason"),
    "invitation_id": Phrase("招待番号", "invitation"),
    "person_id": Phrase("職員ID", "person"),
    "name": Phrase("氏名", "name"),
    "delivery": Phrase("招待コードの渡し方", "delivery of the code"),
    "invited_by": Phrase("招待した職員", "invited by"),
    "roles": Phrase("権限", "roles"),
    "approved_by": Phrase("承認した職員", "approved by"),
    "ended": Phrase("終了させたログインの件数", "ended sessions"),
    "rows": Phrase("消去した行", "erased rows"),
    "erased_entries": Phrase("詳細を消去した記録（要約値）", "erased entries (digest)"),
}
_OPERATIONS: Mapping[str, Phrase] = {
    "registration": Phrase("利用者登録", "registration"),
    "change": Phrase("利用者変更", "change"),
    "renewal": Phrase("ICカード更新", "renewal"),
}


def describe_details(details: str, speech: Speech) -> Iterator[Line]:
    """Yields the lines of an entry's details: each value that changed, and the signed act where there is one."""
    try:
        content = json.loads(details)
        before, after = dict(_flatten(content["before"])), dict(_flatten(content["after"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        yield LABELS["details"], speech.say(_UNREADABLE)
        return
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            values = [_write_value(state.get(name), speech) for state in (before, after)]
            told = Phrase(
                f"{_name_state(name, speech)}：{' → '.join(values)}",
                f"{_name_state(name, speech)}: {' → '.join(values)}",
            )
            yield _CHANGED, speech.say(told)
    if "act" in content:
        yield from _describe_act(content["act"], speech)


def _describe_act(act: Any, speech: Speech) -> Iterator[Line]:
    try:
        encoded, signature = (b64decode(act[name], validate=True) for name in ("purpose", "signature"))
        certificate = b64decode(act["certificate"], validate=True) if "certificate" in act else None
        algorithm = str(act["algorithm"])
    except (ValueError, TypeError, KeyError):
        yield _SIGNED, speech.say(_UNREADABLE)
        return
    try:
        purpose = decode(encoded)
    except Refusal as refusal:
        yield _SIGNED, f"{speech.say(_UNREADABLE)} ({refusal.reason})"
        return
    yield _SIGNED, _name_operation(purpose, speech)
    for line in purpose.act.lines if purpose.act is not None else ():
        yield _SHOWN, line
    judged = _NOT_HERE
    if certificate is not None:
        is_good = _is_signed(purpose, encoded, algorithm, signature, certificate)
        judged = _VERIFIED if is_good else _WRONG
    yield _SIGNATURE, speech.say(Phrase(f"{judged.ja}（{algorithm}）", f"{judged.en} ({algorithm})"))


def _name_operation(purpose: Purpose, speech: Speech) -> str:
    """Returns for what a card signed: the operation, at which agency, in which category, for which bidder."""
    operation = _OPERATIONS.get(purpose.operation, Phrase(purpose.operation, purpose.operation))
    parts = [speech.say(operation)]
    if purpose.agency is not None:
        parts.append(speech.name_agency(purpose.agency))
    if purpose.category is not None:
        parts.append(speech.name_category(purpose.category))
    if purpose.bidder_id is not None:
        parts.append(purpose.bidder_id)
    return speech.say(Phrase("、", ", ")).join(parts)


def _is_signed(purpose: Purpose, encoded: bytes, algorithm: str, signature: bytes, certificate: bytes) -> bool:
    """Returns whether the card with this certificate signed the purpose, and the purpose names that card."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        verify_card_signature(spki, parse_signature_algorithm(algorithm), encoded, signature)
    except (Refusal, ValueError, UnsupportedAlgorithm):
        return False
    return purpose.certificate_sha256 == sha256(certificate).digest()


def _flatten(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the values of a state by name, those of a part as `part.name`."""
    for name, value in state.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _name_state(name: str, speech: Speech) -> str:
    """Returns what people call a value; behind a point stands the agency that it is for."""
    first, _, rest = name.partition(".")
    words = speech.say(_STATES.get(first, Phrase(first, first)))
    if not rest:
        return words
    agency = speech.name_agency(rest)
    return speech.say(Phrase(f"{words}（{agency}）", f"{words} ({agency})"))


def _write_value(value: Any, speech: Speech) -> str:
    if value is None:
        return speech.say(_NONE)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
