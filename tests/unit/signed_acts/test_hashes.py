"""The hashes in an act: of a form, and of a list of subjects."""

import hashlib
import json

import pytest

from refusals import Refusal
from signed_acts.keys import MOST_SUBJECTS, SubjectKind, SubjectList
from signed_acts.request import hash_canonical
from signed_acts.subjects import hash_subjects
from toroku.contact.v1 import contact_pb2 as contact
from toroku.frontdoor.v1 import front_door_pb2 as registration


def test_canonical_form_is_sorted_json_with_field_names() -> None:
    form = registration.RegistrationForm(
        request_id="r",
        bidder_id="1000000001",
        certificate_sha256=b"\x00\xff",
        card_contact=contact.Contact(person_name="髙橋 一郎"),
    )
    by_hand = (
        '{"bidder_id":"1000000001","card_contact":{"person_name":"髙橋 一郎"},'
        '"certificate_sha256":"AP8=","request_id":"r"}'
    )
    assert json.loads(by_hand)
    assert hash_canonical(form) == hashlib.sha256(by_hand.encode()).digest()


def test_set_of_subjects_has_one_hash() -> None:
    expected = hashlib.sha256(b'["0000000001","0000000002","K10"]').digest()
    for order in (["0000000001", "0000000002", "K10"], ["K10", "0000000002", "0000000001"]):
        assert hash_subjects(SubjectKind.BIDDER, order) == SubjectList(SubjectKind.BIDDER, 3, expected)
    assert hash_subjects(SubjectKind.PERSON, ["K10"]).sha256 == hashlib.sha256(b'["K10"]').digest()


@pytest.mark.parametrize(
    ("kind", "subjects"),
    [
        (SubjectKind.BIDDER, []),
        (SubjectKind.BIDDER, ["1", "1"]),
        (SubjectKind.BIDDER, ["1", ""]),
        (SubjectKind.BIDDER, ["１"]),
        (SubjectKind.CARD, ["1"]),
        (SubjectKind.CARD, ["AB" * 32]),
        (SubjectKind.PERSON, ["a b"]),
    ],
)
def test_list_that_is_no_set_of_subjects_is_refused(kind: SubjectKind, subjects: list[str]) -> None:
    with pytest.raises(Refusal) as refused:
        hash_subjects(kind, subjects)
    assert (refused.value.reason, refused.value.metadata) == ("PURPOSE_MALFORMED", {"part": "subjects"})


def test_number_of_subjects_is_bounded() -> None:
    most = [str(number) for number in range(MOST_SUBJECTS)]
    assert hash_subjects(SubjectKind.BIDDER, most).count == MOST_SUBJECTS
    with pytest.raises(Refusal, match="PURPOSE_MALFORMED"):
        hash_subjects(SubjectKind.BIDDER, [*most, "one"])
