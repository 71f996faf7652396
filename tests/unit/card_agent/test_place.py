"""Refusals are explained in the words of the instance, and name fields by section and label."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from card_agent.console import words
from card_agent.console.field_names import name_field
from card_agent.console.place import Place, list_authority_notes, list_names
from card_agent.console.words import Words
from front_door.convert.instance import InstanceDescription
from instance_profile.hours import determine_opening_state
from refusals.catalogue import NEUTRAL_NAMES
from tests.support.japanese_text import broken_rules
from tests.support.marked_profile import AUTHORITY, marked_profile
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2, registration_pb2, renewal_pb2

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)


def text(ja: str) -> front_door_pb2.Text:
    return front_door_pb2.Text(ja=ja, en=f"{ja} (en)")


@pytest.fixture(scope="module")
def place() -> Place:
    profile = marked_profile()
    description = InstanceDescription(profile).at(determine_opening_state(profile.opening_hours, NOW), NOW)
    instance = description.instance
    return Place(instance, instance.agencies[0], instance.categories[0], AUTHORITY)


def test_everything_has_its_neutral_name_before_an_instance_is_known() -> None:
    assert list_names(Place()) == NEUTRAL_NAMES


def test_every_name_is_the_instances_once_it_is_known(place: Place) -> None:
    instance, category = place.instance, place.category
    assert instance is not None
    assert category is not None
    desk, authority = instance.help_desk, instance.card_authorities[0]
    names = list_names(place)
    assert names == {
        "help_desk_ja": f"{desk.name.ja}（電話：048-000-0009、{desk.hours.ja}）",
        "help_desk_en": f"the {desk.name.en} (telephone 048-000-0009, {desk.hours.en})",
        "bidder_id_label_ja": "〈.bidder_id.label〉",
        "bidder_id_label_en": "<.bidder_id.label>",
        "agency_ja": "〈.agencies.0.name〉",
        "agency_en": "<.agencies.0.name>",
        "category_ja": "〈.categories.0.name〉",
        "category_en": "<.categories.0.name>",
        "reissue_ja": "〈.categories.0.reissue.summary〉",
        "reissue_en": "<.categories.0.reissue.summary>",
        "search_checks_ja": "・〈.categories.0.search_checks.0〉\n・〈.categories.0.search_checks.1〉",
        "search_checks_en": "- <.categories.0.search_checks.0>\n- <.categories.0.search_checks.1>",
        "authorities_ja": authority.name.ja,
        "authorities_en": authority.name.en,
        "authority_ja": authority.name.ja,
        "authority_en": authority.name.en,
        "pin_tries_ja": f"{authority.name.ja}のICカードは、PINを続けて10回間違えるとロックされます。",
        "pin_tries_en": f"A card of {authority.name.en} locks after 10 wrong PINs in a row.",
        "unlocking_ja": "〈.card_authorities.0.unlocking〉",
        "unlocking_en": "<.card_authorities.0.unlocking>",
        "card_renewal_ja": "〈.card_authorities.0.renewal〉",
        "card_renewal_en": "<.card_authorities.0.renewal>",
        "authority_help_ja": "〈.card_authorities.0.help〉",
        "authority_help_en": "<.card_authorities.0.help>",
        "hours_ja": instance.opening.hours.ja,
        "hours_en": instance.opening.hours.en,
    }
    assert names.keys() == NEUTRAL_NAMES.keys()
    assert [name for name in names.values() if broken_rules(name)] == []


def test_before_a_pin_is_typed_its_ca_says_what_to_mind(place: Place) -> None:
    assert place.instance is not None
    authority = place.instance.card_authorities[0]
    assert [note.ja for note in list_authority_notes(place.instance, AUTHORITY)] == [
        f"{authority.name.ja}のICカードは、PINを続けて10回間違えるとロックされます。",
        authority.unlocking.ja,
        authority.help.ja,
    ]
    assert list_authority_notes(place.instance, "another") == ()
    silent = front_door_pb2.Instance(card_authorities=[front_door_pb2.CardAuthority(id="shinrai", name=text("ca"))])
    assert list_authority_notes(silent, "shinrai") == ()


def test_what_an_instance_does_not_say_keeps_its_neutral_name() -> None:
    instance = front_door_pb2.Instance(help_desk=front_door_pb2.HelpDesk(name=text("desk")))
    instance.card_authorities.add(id="shinrai", name=text("ca"))
    names = list_names(Place(instance, authority="another"))
    assert names["help_desk_ja"] == "desk"
    assert names["authorities_ja"] == "ca"
    for name in ("authority_ja", "hours_en", "bidder_id_label_ja", "reissue_ja", "agency_en"):
        assert names[name] == NEUTRAL_NAMES[name]


def test_braces_of_an_instance_are_text() -> None:
    instance = front_door_pb2.Instance(bidder_id_label=front_door_pb2.Text(ja="{help_desk_ja}", en="{x}"))
    assert Place(instance).bidder_id_label == Words("{help_desk_ja}", "{x}")


def paths(message: Descriptor, prefix: str = "") -> Iterator[str]:
    """The paths by which the front door names the fields of a request (front_door.servicer.input_limits)."""
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_BOOL:
            # Both values are accepted.
            continue
        path = f"{prefix}{field.name}"
        if field.message_type is None:
            yield path
        elif field.name == "contact":
            yield from paths(field.message_type, prefix)
        else:
            # The section as a whole, as REPRESENTATIVE_CONTACT_REQUIRED has it, and its parts.
            yield path
            yield from paths(field.message_type, f"{path}.")


REQUEST_PATHS = {
    path
    for service in (
        entry_pb2.DESCRIPTOR.services_by_name["Entry"],
        registration_pb2.DESCRIPTOR.services_by_name["Registration"],
        renewal_pb2.DESCRIPTOR.services_by_name["Renewal"],
    )
    for method in service.methods
    for path in paths(method.input_type)
}


def test_every_field_of_every_request_has_words(place: Place) -> None:
    assert len(REQUEST_PATHS) > 30
    for each in (place, Place()):
        for path in REQUEST_PATHS:
            name = name_field(path, each)
            assert name != words.UNNAMED_FIELD, path
            assert path not in (name.ja, name.en)


def test_fields_are_named_by_the_instances_headings_and_labels(place: Place) -> None:
    category = place.category
    assert category is not None
    headings = {rule.section: rule.heading for rule in category.contact_sections}
    labels = {field.field: field.label for field in category.contact_fields}
    for path, name in {
        "representative_contact.postal_code": f"{headings['representative_contact'].ja}　{labels['postal_code'].ja}",
        "card_contact.mail_address_again": (
            f"{headings['card_contact'].ja}　{labels['mail_address'].ja}（確認のためもう一度）"
        ),
        "representative_contact": headings["representative_contact"].ja,
        "bidder_id": category.search_fields[1].label.ja,
        "name": category.search_fields[0].label.ja,
        "log_in.signature": "ICカードの確認のための署名",
        "from_a_newer_server": "送信した内容",
    }.items():
        assert name_field(path, place).ja == name
    assert name_field("card_contact.fax", place).en == f"{headings['card_contact'].en}, {labels['fax'].en}"


def test_usual_labels_stand_where_an_instance_has_none() -> None:
    assert name_field("representative_contact.postal_code", Place()).ja == "代表窓口情報　連絡先郵便番号"
    assert name_field("bidder_id", Place()).ja == NEUTRAL_NAMES["bidder_id_label_ja"]
    fax = front_door_pb2.ContactField(field="fax", label=text("FAX"))
    place = Place(category=front_door_pb2.Category(code="works", contact_fields=[fax]))
    assert name_field("card_contact.fax", place).ja == "ICカード利用部署情報　FAX"
