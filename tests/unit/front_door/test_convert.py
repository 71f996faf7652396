"""What passes through the front door unchanged, and what it reads."""

from datetime import UTC, datetime

import pytest

from front_door.convert.bidder import read_bidder_proof, read_company, write_company
from front_door.convert.card_session import read_card, read_signed_purpose, write_card, write_signed_purpose
from front_door.convert.registration import read_registration_draft
from front_door.domain.bidder import require_statement
from refusals import Refusal
from servicekit.messages import write_timestamp
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2
from toroku.contact.v1.contact_pb2 import Contact, ContactForm
from toroku.frontdoor.v1 import registration_pb2
from toroku.qualification.v1 import bidder_pb2

NOT_AFTER = datetime(2028, 3, 31, 15, 0, tzinfo=UTC)
# Field 1000, a varint, of a message that a newer peer sends.
UNKNOWN_FIELD = b"\xc0\x3e\x01"


def test_card_is_passed_on_with_fields_that_are_unknown_here() -> None:
    message = card_pb2.Card(serial_decimal="42", holder_name="登録 太郎", not_after=write_timestamp(NOT_AFTER))
    message.MergeFromString(UNKNOWN_FIELD)
    converted = read_card(message)
    assert (converted.serial_decimal, converted.company_name, converted.not_after) == ("42", None, NOT_AFTER)
    assert write_card(converted).SerializeToString() == message.SerializeToString()


def test_company_profile_is_passed_on_whole() -> None:
    message = bidder_pb2.CompanyProfile(
        bidder_id="1", name="株式会社髙﨑建設", fax="", grades=[bidder_pb2.Grade(kind="土木")]
    )
    converted = read_company(message)
    assert (converted.name, converted.branch, converted.full_name) == ("株式会社髙﨑建設", "", "株式会社髙﨑建設")
    assert write_company(converted) == message


def test_unknown_signature_algorithm_is_passed_on_to_be_refused_by_the_registry() -> None:
    message = signed_purpose_pb2.SignedPurpose.FromString(b"\x0a\x01p\x10\x63\x1a\x01s")
    assert message.algorithm == 99
    assert write_signed_purpose(read_signed_purpose(message)) == message


@pytest.mark.parametrize(
    "statement",
    [
        b"",
        b"\xff\xff",
        bidder_pb2.BidderStatement(bidder_id="1", certificate_sha256=b"short").SerializeToString(),
        bidder_pb2.BidderStatement(certificate_sha256=bytes(32)).SerializeToString(),
    ],
    ids=["empty", "unreadable", "short hash", "no bidder"],
)
def test_proof_without_bidder_or_card_is_refused(statement: bytes) -> None:
    proof = read_bidder_proof(bidder_pb2.BidderProof(statement=statement))
    with pytest.raises(Refusal, match="BIDDER_PROOF_INVALID"):
        require_statement(proof)


@pytest.mark.parametrize(
    ("form", "counts"),
    [
        (None, False),
        (ContactForm(), False),
        (ContactForm(contact=Contact()), False),
        (ContactForm(mail_address_again="a@contractor.example"), True),
        (ContactForm(contact=Contact(fax="048-000-0001")), True),
    ],
)
def test_representative_contact_counts_once_a_value_is_typed(form: ContactForm | None, counts: bool) -> None:
    draft = read_registration_draft(registration_pb2.PrepareRegistrationRequest(representative_contact=form))
    assert (draft.representative_contact is not None) is counts
