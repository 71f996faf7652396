"""Request ids, and the canonical form of messages."""

import hashlib
import json
from uuid import UUID

import pytest

from refusals import Refusal
from servicekit.messages import check_request_id, hash_canonical
from toroku.contact.v1 import contact_pb2 as contact
from toroku.frontdoor.v1 import front_door_pb2 as registration


def test_request_id_is_a_uuid_in_its_usual_form() -> None:
    request_id = "0b8b6bb4-0d5e-4d43-9b58-1f6c1f2f2a11"
    assert check_request_id(request_id) == UUID(request_id)
    for wrong in ("", "1", "0B8B6BB4-0D5E-4D43-9B58-1F6C1F2F2A11", "{0b8b6bb4-0d5e-4d43-9b58-1f6c1f2f2a11}"):
        with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
            check_request_id(wrong)


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
