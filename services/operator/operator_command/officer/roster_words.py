"""What officers read for the kinds, fields and values of a preview: Japanese, then English."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from instance_profile.model import Profile
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_CHANGED,
    LINE_KIND_GONE,
    LINE_KIND_GRADES_CHANGED,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
    FieldChange,
)

KINDS = {
    LINE_KIND_NEW: "新規の業者 new bidders",
    LINE_KIND_IDENTITY_CHANGED: "商号・住所・代表者の変更 name, address or representative changes",
    LINE_KIND_CHANGED: "その他の変更 other changes",
    LINE_KIND_GRADES_CHANGED: "等級だけの変更 only grades change",
    LINE_KIND_GONE: "名簿から外れる業者 gone bidders",
}
FIELDS = {
    "name": "商号又は名称 name",
    "postal_code": "郵便番号 postal code",
    "address": "住所 address",
    "representative_name": "代表者氏名 representative",
    "representative_title": "代表者役職 title",
    "telephone": "電話番号 telephone",
    "fax": "FAX番号 fax",
    "department": "部署名 department",
    "branch": "支店名等 branch",
    "region": "地域区分 region",
    "permit_number": "入札参加許可番号 permit number",
    "corporate_number": "法人番号 corporate number",
    "grade": "等級 grade",
    "agencies": "調達機関 agencies",
    "valid_from": "有効期間の開始 valid from",
    "valid_until": "有効期間の終了 valid until",
}


@dataclass(frozen=True, slots=True)
class RosterWords:
    """Words with the agencies' names from the profile; without a profile agencies are shown by their codes."""

    agencies: Mapping[str, str] = field(default_factory=dict)

    def describe_field(self, change: FieldChange) -> str:
        """Returns the name of a field, with the kind of qualification of a grade."""
        label = FIELDS.get(change.field, change.field)
        return f"{label}（{change.kind}）" if change.kind else label

    def describe_values(self, change: FieldChange) -> tuple[str, str]:
        """Returns the values before and after a change; empty where there is none."""
        if change.field == "agencies":
            return self._name_agencies(change.before), self._name_agencies(change.after)
        return change.before, change.after

    def _name_agencies(self, codes: str) -> str:
        return "、".join(self.agencies.get(code, code) for code in codes.split())


def read_words(profile: Profile | None) -> RosterWords:
    """Returns the words of an instance."""
    return RosterWords({agency.code: agency.name.ja for agency in profile.agencies} if profile is not None else {})
