"""Refusals are explained in the words of the instance, and name fields by section and label."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from card_agent.console import words
from card_agent.console.field_names import name_field
from card_agent.console.place import Place, list_names
from card_agent.console.words import Words
from refusals.catalogue import NEUTRAL_NAMES
from tests.support.described_instance import mark_category, mark_texts, text
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2, registration_pb2


@pytest.fixture(scope="module")
def place() -> Place:
    instance = front_door_pb2.Instance(
        agencies=[front_door_pb2.Agency(code="city", categories=["works"])],
        categories=[front_door_pb2.Category(code="works")],
    )
    mark_texts(instance, agency="city", category="works", authority="shinrai")
    return Place(instance, instance.agencies[0], instance.categories[0], "shinrai")


def test_everything_has_its_neutral_name_before_an_instance_is_known() -> None:
    assert list_names(Place()) == NEUTRAL_NAMES


def test_every_name_is_the_instances_once_it_is_known(place: Place) -> None:
    names = list_names(place)
    assert names == {
        "help_desk_ja": "〈help desk〉（電話 048-111-2222、〈hours of the help desk〉）",
        "help_desk_en": "<help desk> (telephone 048-111-2222, <hours of the help desk>)",
        "bidder_id_label_ja": "〈bidder_id〉",
        "bidder_id_label_en": "<bidder_id>",
        "agency_ja": "〈agency〉",
        "agency_en": "<agency>",
        "category_ja": "〈category〉",
        "category_en": "<category>",
        "reissue_ja": "〈reissue〉",
        "reissue_en": "<reissue>",
        "search_checks_ja": "・〈check 1〉\n・〈check 2〉",
        "search_checks_en": "- <check 1>\n- <check 2>",
        "authorities_ja": "〈ca〉",
        "authorities_en": "<ca>",
        "authority_ja": "〈ca〉",
        "authority_en": "<ca>",
        "blocked_card_note_ja": "〈ten tries〉",
        "blocked_card_note_en": "<ten tries>",
        "hours_ja": "〈opening hours〉",
        "hours_en": "<opening hours>",
    }
    assert names.keys() == NEUTRAL_NAMES.keys()


def test_what_an_instance_does_not_say_keeps_its_neutral_name() -> None:
    instance = front_door_pb2.Instance(help_desk=front_door_pb2.HelpDesk(name=text("desk")))
    instance.card_authorities.add(id="shinrai", name=text("ca"))
    names = list_names(Place(instance, authority="another"))
    assert names["help_desk_ja"] == "〈desk〉"
    assert names["authorities_ja"] == "〈ca〉"
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
    for path, name in {
        "representative_contact.postal_code": "〈representative_contact〉　〈contact postal_code〉",
        "card_contact.mail_address_again": "〈card_contact〉　〈contact mail_address〉（確認のためもう一度）",
        "representative_contact": "〈representative_contact〉",
        "bidder_id": "〈search bidder_id〉",
        "name": "〈search name〉",
        "log_in.signature": "ICカードの確認のための署名",
        "from_a_newer_server": "送信した内容",
    }.items():
        assert name_field(path, place).ja == name
    assert name_field("card_contact.fax", place).en == "<card_contact>, <contact fax>"


def test_usual_labels_stand_where_an_instance_has_none() -> None:
    place = Place(category=front_door_pb2.Category(contact_fields=mark_category("works").contact_fields))
    assert name_field("representative_contact.postal_code", Place()).ja == "代表窓口情報　連絡先郵便番号"
    assert name_field("card_contact.fax", place).ja == "ICカード利用部署情報　〈contact fax〉"
    assert name_field("bidder_id", Place()).ja == NEUTRAL_NAMES["bidder_id_label_ja"]
