"""What officers read for the kinds, the fields and the values of lines of a roster."""

from instance_profile.characters import replace_invisible
from operator_command.speech import Phrase, Speech
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_CHANGED,
    LINE_KIND_GONE,
    LINE_KIND_GRADES_CHANGED,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
    FieldChange,
)

KINDS = {
    LINE_KIND_NEW: Phrase("新規の業者", "New bidders"),
    LINE_KIND_IDENTITY_CHANGED: Phrase("商号・住所・代表者の変更", "Changes of name, address or representative"),
    LINE_KIND_CHANGED: Phrase("その他の登録内容の変更", "Other changes"),
    LINE_KIND_GRADES_CHANGED: Phrase("等級だけの変更", "Changes of grades only"),
    LINE_KIND_GONE: Phrase("名簿から外れる業者", "Bidders that leave the roster"),
}
FIELDS = {
    "name": Phrase("商号又は名称", "name"),
    "postal_code": Phrase("郵便番号", "postal code"),
    "address": Phrase("住所", "address"),
    "representative_name": Phrase("代表者氏名", "representative"),
    "contract_party_name": Phrase("契約者氏名", "contract party"),
    "representative_title": Phrase("代表者役職", "representative's title"),
    "telephone": Phrase("電話番号", "telephone"),
    "fax": Phrase("FAX番号", "fax"),
    "department": Phrase("部署名", "department"),
    "branch": Phrase("支店名等", "branch"),
    "region": Phrase("地域区分", "region"),
    "permit_number": Phrase("入札参加許可番号", "permit number"),
    "corporate_number": Phrase("法人番号", "corporate number"),
    "grade": Phrase("等級", "grade"),
    "agencies": Phrase("調達機関", "agencies"),
    "valid_from": Phrase("有効期間の開始日", "valid from"),
    "valid_until": Phrase("有効期間の終了日", "valid until"),
    "predecessor": Phrase("旧番号の業者", "predecessor"),
    "predecessor_kind": Phrase("新しい番号になった事由", "why it took the predecessor's place"),
    "review": Phrase("企業情報の審査", "review of company data"),
}
_SUCCESSIONS = {
    "reapplication": Phrase("失効後の再申請", "re-application"),
    "transfer": Phrase("契約権限の移譲", "transfer of the authority to contract"),
    "merger": Phrase("会社の合併", "merger"),
}
UNDER_REVIEW = "under_review"
# The fields whose values are words.
_WORDS = {"predecessor_kind": _SUCCESSIONS, "review": {UNDER_REVIEW: Phrase("審査中", "under review")}}
# What an officer has to confirm about a file as a whole, by the reason of the question.
QUESTIONS = {
    "ROSTER_MANY_GONE": Phrase("多くの業者が名簿から外れること", "many bidders leave the roster"),
    "ROSTER_FILE_SEEN_BEFORE": Phrase("以前に取り込んだファイルであること", "the file was imported before"),
    "ROSTER_AGENCIES_MISSING": Phrase("調達機関がファイルにないこと", "agencies are missing in the file"),
    "ROSTER_BIDDERS_RENUMBERED": Phrase("業者の番号が変わること", "bidders have other IDs"),
    "ROSTER_BIDDERS_LINKED": Phrase("業者に後継の業者が関連付けられること", "bidders get a successor"),
    "ROSTER_TEXT_DOUBTFUL": Phrase("文字化けのおそれがあること", "characters may be damaged"),
}
BIDDER = Phrase("業者の番号", "bidder ID")
ROW = Phrase("行", "row")


def describe_kind(kind: int, speech: Speech) -> str:
    """Returns what officers read for a kind of lines; its number where only a newer registry knows the kind."""
    phrase = next((phrase for known, phrase in KINDS.items() if known == kind), None)
    return speech.say(phrase) if phrase is not None else str(kind)


def describe_question(reason: str, speech: Speech) -> str:
    """Returns what a question is about; the reason where only a newer registry knows it."""
    return speech.say(QUESTIONS[reason]) if reason in QUESTIONS else replace_invisible(reason)


def describe_field(change: FieldChange, speech: Speech) -> str:
    """Returns the name of a field, with the kind of qualification of a grade."""
    label = speech.say(FIELDS[change.field]) if change.field in FIELDS else change.field
    return speech.say(Phrase(f"{label}（{change.kind}）", f"{label} ({change.kind})")) if change.kind else label


def describe_values(change: FieldChange, speech: Speech) -> tuple[str, str]:
    """Returns the values before and after a change, agencies and kinds by name; empty where there is none."""
    if change.field == "agencies":
        return speech.name_agencies(change.before), speech.name_agencies(change.after)
    if phrases := _WORDS.get(change.field):
        before, after = (
            speech.say(phrases[value]) if value in phrases else value for value in (change.before, change.after)
        )
        return before, after
    return change.before, change.after
