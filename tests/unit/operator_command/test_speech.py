"""The language of the commands, and what they call fields, agencies and categories."""

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from operator_command.client.call import INTERFACES, find_methods
from operator_command.console import print_refusal
from operator_command.field_words import FIELD_WORDS, find_field_words
from operator_command.speech import Language, Phrase, Speech
from refusals import Code, Refusal, Violation
from tests.support.example_profile import CITY, WORKS, example_profile
from toroku.access.v1 import access_pb2

JAPANESE, ENGLISH = Language.JAPANESE, Language.ENGLISH


def list_fields(message: Descriptor) -> Iterator[str]:
    """Yields the names of a message's fields, and those of the messages in it."""
    for field in message.fields:
        # What is signed is checked as a whole, and has reasons of its own.
        if field.name == "act":
            continue
        yield field.name
        if field.message_type is not None:
            yield from list_fields(field.message_type)


def is_officers(method: MethodDescriptor) -> bool:
    """Returns whether officers call a method, with or without an act."""
    access = method.GetOptions().Extensions[access_pb2.access]
    return bool(access.officer_roles) or access.unregistered_officers


def test_every_field_of_an_officers_request_has_words_and_no_words_are_left_over() -> None:
    methods = [method for service in INTERFACES for method in find_methods(service) if is_officers(method)]
    assert len(methods) > 25
    assert {name for method in methods for name in list_fields(method.input_type)} == set(FIELD_WORDS)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("name", "商号又は名称"),
        ("header.term_from", "名簿の有効期間の開始日"),
        ("decisions[3].bidder_id", "業者の番号"),
        ("bidder_ids[12]", "業者の番号"),
        ("certificate_der", "certificate_der"),
    ],
)
def test_field_is_named_by_its_words(path: str, label: str) -> None:
    assert find_field_words(path).ja == label


def test_wrong_fields_are_shown_by_label_in_one_language(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, violations=[Violation("name", "FIELD_REQUIRED", {})])
    print_refusal(refusal, Speech(JAPANESE))
    shown = capsys.readouterr().err
    assert "商号又は名称：" in shown
    assert "name" not in shown
    print_refusal(refusal, Speech(ENGLISH))
    shown = capsys.readouterr().err
    assert "  company name: " in shown
    assert "商号" not in shown


def test_agencies_and_categories_are_named_beside_their_codes() -> None:
    speech = Speech(JAPANESE, example_profile())
    metadata = {"agency": CITY, "category": WORKS}
    assert f"例示市（{CITY}）" in speech.explain("AGENCY_NOT_OWN", metadata).what
    assert speech.name_category(WORKS) == "工事等"
    assert speech.name_agencies(f"{CITY} elsewhere") == "例示市、elsewhere"
    assert "例示市では、「工事等」は" in speech.explain("CATEGORY_NOT_OFFERED", metadata).what
    # Without a profile nobody knows the names.
    assert f"「{CITY}」" in Speech(JAPANESE).explain("AGENCY_NOT_OWN", metadata).what


def test_help_desk_and_bidder_id_are_the_instances() -> None:
    profile = example_profile()
    failed = Speech(JAPANESE, profile).explain("INTERNAL_FAILURE", {"trace_id": "0af7"}).next
    assert profile.help_desk.telephone in failed
    suspended = Speech(JAPANESE, profile).explain("BIDDER_SUSPENDED", {}).what
    assert profile.bidder_id.label.ja in suspended


def test_phrase_is_said_in_the_language() -> None:
    phrase = Phrase("版", "version")
    assert (Speech(JAPANESE).say(phrase), Speech(ENGLISH).say(phrase)) == ("版", "version")
