"""A small instance: four agencies, two categories. A test changes what it is about."""

from typing import Any

from instance_profile.model import Profile

WORKS = "works"
GOODS = "goods"
PREFECTURE = "prefecture"
CITY = "city"
TOWN = "town"
# Offers works only.
VILLAGE = "village"
BIDDER = "1000000001"
OTHER_BIDDER = "1000000002"


def _text(ja: str) -> dict[str, str]:
    return {"ja": ja, "en": ja}


def _contact_field(field: str, kind: str, most: int) -> dict[str, Any]:
    return {"field": field, "label": _text(field), "hint": _text(""), "kind": kind, "most_characters": most}


_CONTACT_FIELDS = [
    _contact_field("department", "text", 60),
    _contact_field("postal_code", "postal_code", 8),
    _contact_field("address", "text", 60),
    _contact_field("person_name", "text", 20),
    _contact_field("telephone", "telephone", 15),
    _contact_field("fax", "telephone", 15),
    _contact_field("mail_address", "mail_address", 100),
]


def _category(code: str, name: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": _text(name),
        "operations": ["registration", "change", "renewal"],
        "search_fields": [
            {"field": field, "label": _text(field), "hint": _text("")} for field in ("name", "bidder_id", "password")
        ],
        "search_title": _text("資格審査情報検索"),
        "contact_fields": _CONTACT_FIELDS,
        "company_fields": [
            {"field": field, "label": _text(label)}
            for field, label in (("name", "商号又は名称"), ("address", "住所"), ("branch", "支店名等"))
        ],
        "contact_sections": [
            {"section": "representative", "heading": _text("代表窓口情報"), "note": _text("指名の連絡先")},
            {"section": "card", "heading": _text("ICカード利用部署情報"), "note": _text("登録の連絡先")},
        ],
        "receipts": [
            {"operation": operation, "title": _text("利用者情報")} for operation in ("registration", "change")
        ],
        "representative_contact": "first_registration",
        "mail_address_typed_twice": False,
        "name_strictness": "spelled_out",
    }


def _agency(code: str, name: str, *categories: str) -> dict[str, Any]:
    return {
        "code": code,
        "name": _text(name),
        "categories": categories,
        "company_match": "off",
        "holder": "not_compared",
        "new_card_during_review": True,
    }


def example_profile(*, category: dict[str, Any] | None = None, **changes: Any) -> Profile:
    """Returns the profile with `changes` to some of its keys; `category` changes both of its categories."""
    body = (
        "調達機関 : {agency}\n業務区分 : {category}\n企業名称 : {company_name}\n連絡先氏名 : {contact_name}\n"
        "連絡先住所 : {contact_address}\n{help_desk_name} {help_desk_telephone}\n"
    )
    content = {
        "id": "example",
        "name": _text("例示県"),
        "bidder_id": {"label": _text("ユーザID"), "pattern": r"[0-9]{10}"},
        "categories": [_category(WORKS, "工事等") | (category or {}), _category(GOODS, "物品等") | (category or {})],
        "agencies": [
            _agency(PREFECTURE, "例示県", WORKS, GOODS),
            _agency(CITY, "例示市", WORKS, GOODS),
            _agency(TOWN, "例示町", WORKS, GOODS),
            _agency(VILLAGE, "例示村", WORKS) | {"new_card_during_review": False},
        ],
        "opening_hours": {
            "opens": "08:30",
            "closes": "20:00",
            "weekdays": [0, 1, 2, 3, 4],
            "closed_on_public_holidays": True,
            "year_end": None,
        },
        "password": {},
        "roster_mappings": [],
        "propagation": "at_once",
        "propagation_chosen_at": ["change", "renewal"],
        "mails": {
            "sender_name": "例示県電子入札共同システム",
            "registration": {"subject": "利用者登録のお知らせ", "body": "登録されました。\n" + body},
            "registration_notice": {
                "subject": "お知らせ（{agency}）",
                "body": "証明書 {card_serial}（{holder_name}）、記録 {entry_position} {entry_digest}\n" + body,
            },
        },
        "help_desk": {
            "name": _text("ヘルプデスク"),
            "telephone": "048-000-0009",
            "mail_address": "desk@example.lg.jp",
            "url": "https://www.example.lg.jp/",
            "hours": _text("平日"),
        },
        "operations": [
            {"operation": operation, "name": _text(name), "what_for": _text("")}
            for operation, name in (("registration", "登録"), ("change", "変更"), ("renewal", "ICカード更新"))
        ],
    }
    if changes.get("propagation") == "night":
        content["propagation_at"] = "22:00"
    return Profile.model_validate(content | changes)
