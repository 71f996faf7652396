"""Refusals are converted for gRPC without loss, and every reason has words in both languages."""

import re

import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # comes without types

from refusals import Code, Refusal, Violation
from refusals.catalogue import UNKNOWN, catalogue, explain, list_reasons
from refusals.status import from_status, to_status
from tools.reasons_in_sources import map_reasons_to_components, map_reasons_to_rpcs

# The Japanese legal form is what this one is about.
ENGLISH_WITH_JAPANESE = {"LEGAL_FORM_ABBREVIATED"}


def test_refusal_survives_conversion_to_a_status() -> None:
    sent = Refusal(
        "FIELDS_INVALID",
        Code.INVALID_ARGUMENT,
        {"agency": "川口市"},
        [Violation("card_contact.address", "FIELD_TOO_LONG", {"most": "60", "actual": "61"})],
    )
    got = from_status(to_status(sent))
    assert got is not None
    assert (got.reason, got.code, got.metadata, got.violations) == (
        sent.reason,
        sent.code,
        sent.metadata,
        sent.violations,
    )


@pytest.mark.parametrize(
    "hint", ["two\nlines", "one\r\nother", "a\u2028line separator", "name=value", "", '"quoted" \\n', "㈱川口土木"]
)
def test_metadata_of_a_violation_survive_conversion_to_a_status(hint: str) -> None:
    # The hints come from a profile, where a text may have several lines.
    violation = Violation("card_contact.address", "FIELD_PATTERN_DIFFERS", {"hint_ja": hint, "hint_en": "=a\nb=c"})
    got = from_status(to_status(Refusal("FIELDS_INVALID", Code.INVALID_ARGUMENT, violations=[violation])))
    assert got is not None
    assert got.violations == (violation,)


def test_metadata_of_a_violation_are_a_json_object_that_any_client_can_read() -> None:
    metadata = [{"most": "60", "name": "川口市"}, {}]
    sent = Refusal("FIELDS_INVALID", violations=[Violation("name", "FIELD_TOO_LONG", each) for each in metadata])
    bad_request = error_details_pb2.BadRequest()
    assert to_status(sent).details[1].Unpack(bad_request)
    assert [entry.description for entry in bad_request.field_violations] == ['{"most":"60","name":"川口市"}', ""]


@pytest.mark.parametrize(
    "description",
    ["The name is too long.", "{", "[1]", "null", pytest.param("[" * 50_000, id="deep"), '{"most": 60}', '{"most"'],
)
def test_description_of_another_kind_leaves_a_violation_without_metadata(description: str) -> None:
    status = to_status(Refusal("FIELDS_INVALID", violations=[Violation("name", "FIELD_TOO_LONG")]))
    bad_request = error_details_pb2.BadRequest()
    bad_request.field_violations.add(field="name", reason="FIELD_TOO_LONG", description=description)
    status.details[1].Pack(bad_request)
    got = from_status(status)
    assert got is not None
    assert got.violations == (Violation("name", "FIELD_TOO_LONG"),)


def test_every_reason_that_is_raised_has_words() -> None:
    assert sorted(set(map_reasons_to_components()) - set(catalogue())) == []


def test_reasons_are_listed_without_reading_their_words() -> None:
    catalogue.cache_clear()
    reasons = list_reasons()
    assert catalogue.cache_info().currsize == 0
    assert reasons == catalogue().keys()


def test_words_are_for_reasons_that_are_raised() -> None:
    assert sorted(set(catalogue()) - set(map_reasons_to_components()) - {UNKNOWN}) == []


def test_the_comments_of_the_proto_files_name_reasons_that_are_raised() -> None:
    assert {
        reason: rpcs for reason, rpcs in map_reasons_to_rpcs().items() if reason not in map_reasons_to_components()
    } == {}


def test_reasons_are_found_however_they_reach_the_refusal() -> None:
    found = map_reasons_to_components()
    assert "instance-profile" in found["AGENCY_UNKNOWN"]  # through a function that makes the refusal
    assert "contact-notification" in found["REQUEST_SHA256_INVALID"]  # through a function of another package
    assert "signed-acts" in found["PURPOSE_FOR_ANOTHER_ROLE"]  # put together
    assert "qualification-registry" in found["ROSTER_QUOTE_OPEN"]  # given back by a function
    assert "servicekit" in found["INTERNAL_FAILURE"]


@pytest.mark.parametrize("reason", sorted(catalogue()))
def test_words_have_cause_and_remedy_in_both_languages(reason: str) -> None:
    words = catalogue()[reason]
    for side in (words.ja, words.en):
        assert side.what.strip()
        assert side.next.strip()
    assert re.search("[ぁ-ん]", words.ja.what)
    assert words.en.what.isascii() or reason in ENGLISH_WITH_JAPANESE
    assert "None" not in str(explain(reason).ja)


def test_unknown_reason_is_shown() -> None:
    assert "NEVER_HEARD_OF" in explain("NEVER_HEARD_OF").ja.what
