"""A profile in which every text is another one, so that a test can see which of them a screen shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message

from instance_profile.model import Profile
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.instance_overlay import card_authority
from tests.support.example_profile import PREFECTURE, WORKS, example_profile
from toroku.frontdoor.v1 import front_door_pb2

# The CA of every card of the fake certificate-registry.
AUTHORITY = "test-ca"
_ANY = {"ja": "―", "en": "―"}


def marked_profile() -> Profile:
    """Returns the example's profile with all that a category and an agency can say, each text marked by its place."""
    category = {
        "operations": ["registration"],
        "search_checks": [_ANY, _ANY],
        "company_fields": [
            {"field": field, "label": _ANY} for field in ("permit_number", "name", "grades", "region", "address")
        ],
        "grade_kinds": [{"kind": kind, "grades": ["A", "B"]} for kind in ("物品の製造", "物品の販売")],
        "contact_sections": [
            {"section": section, "heading": _ANY, "note": _ANY} for section in ("card", "representative")
        ],
        "mail_address_typed_twice": True,
        "card_display": {
            "fields": ["holder_name", "company_address"],
            "serial_number": ["decimal", "hexadecimal"],
        },
        "receipts": [{"operation": "registration", "title": _ANY, "must_print": True}],
        "reissue": {"summary": _ANY, "forms": [{"document": _ANY, "enclosures": [_ANY], "receiver": _ANY}]},
    }
    content = example_profile(category=category).model_dump()
    for search_field in content["categories"][0]["search_fields"]:
        search_field["required"] = search_field["field"] == "name"
    # Of the other two fields, the agencies want the password.
    for agency in content["agencies"]:
        agency["in_category"] = [
            {"category": WORKS, "holder_note": _ANY, "search_text": _ANY, "required_search_fields": ["password"]}
        ]
    authority = card_authority(CertificateAuthority.create(key=new_ec_key()))
    advice = {"pin_tries": 10, "unlocking": _ANY, "renewal": _ANY, "help": _ANY}
    content |= {
        "card_authorities": [authority | {"id": AUTHORITY} | advice],
        "neighbouring_systems": [{"name": _ANY, "hours": _ANY}],
        "operations": [{"operation": "registration", "name": _ANY, "what_for": _ANY, "not_for": _ANY}],
    }
    content["help_desk"]["chat_url"] = "https://chat.example.lg.jp/"
    return Profile.model_validate(_mark(content, ""))


def list_texts_of_a_registration(instance: front_door_pb2.Instance) -> Iterator[front_door_pb2.Text]:
    """Yields the texts of an instance that concern a registration at the prefecture's works."""
    other_parts = front_door_pb2.Instance()
    other_parts.CopyFrom(instance)
    for agency in other_parts.agencies:
        if agency.code != PREFECTURE:
            del agency.rules[:]
        for rules in [rules for rules in agency.rules if rules.category != WORKS]:
            agency.rules.remove(rules)
    for category in other_parts.categories:
        if category.code != WORKS:
            category.CopyFrom(front_door_pb2.Category(name=category.name))
    yield from _list_texts(other_parts)


def _list_texts(message: Message) -> Iterator[front_door_pb2.Text]:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.is_repeated else (value,):
            if isinstance(part, front_door_pb2.Text):
                yield part
            else:
                yield from _list_texts(part)


def _mark(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        if value.keys() == {"ja", "en"}:
            return {"ja": f"〈{path}〉", "en": f"<{path}>"}
        return {key: _mark(part, f"{path}.{key}") for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_mark(part, f"{path}.{number}") for number, part in enumerate(value)]
    return value
