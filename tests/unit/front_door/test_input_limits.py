"""What the public listener accepts."""

import pytest
from google.protobuf.message import Message

from front_door.commands.serve import ADVICE, CHANGE, ENTRY, REGISTRATION, RENEWAL
from front_door.servicer.input_limits import check_input, compute_sizes
from refusals import Refusal
from toroku.act.v1.signed_purpose_pb2 import SignedPurpose
from toroku.contact.v1.contact_pb2 import Contact, ContactForm
from toroku.frontdoor.v1 import change_pb2, entry_pb2, registration_pb2
from toroku.qualification.v1.bidder_pb2 import BidderProof


def violations_of(request: Message) -> list[tuple[str, str]]:
    with pytest.raises(Refusal, match="FIELDS_INVALID") as caught:
        check_input(request)
    return [(violation.field, violation.reason) for violation in caught.value.violations]


def test_ordinary_request_passes() -> None:
    form = ContactForm(contact=Contact(person_name="髙﨑　太郎", address="埼玉県さいたま市浦和区高砂３－１５－１"))
    check_input(registration_pb2.PrepareRegistrationRequest(session_token="x" * 43, agency="city", card_contact=form))
    check_input(registration_pb2.BeginRegistrationRequest(certificate=bytes(16 * 1024), other_certificates=[b"x"] * 8))
    check_input(entry_pb2.DescribeInstanceRequest())


@pytest.mark.parametrize("character", ["\x00", "\n", "\r", "\t", "\x7f", "\x85", "\u202e", "\u200b", "\u2028"])
def test_invisible_character_is_refused_at_its_field(character: str) -> None:
    request = registration_pb2.FindBidderRequest(
        agency=f"a{character}", name=f"株式会社{character}", password=f"x{character}"
    )
    assert violations_of(request) == [
        ("agency", "FIELD_HAS_CONTROL_CHARACTERS"),
        ("name", "FIELD_HAS_CONTROL_CHARACTERS"),
        ("password", "FIELD_HAS_CONTROL_CHARACTERS"),
    ]


def test_contact_fields_are_named_as_in_the_contact_rules() -> None:
    form = ContactForm(contact=Contact(person_name="a\r\nBcc: x@example.com"), mail_address_again="a\x00")
    request = registration_pb2.PrepareRegistrationRequest(card_contact=form, representative_contact=form)
    assert [field for field, _ in violations_of(request)] == [
        "card_contact.person_name",
        "card_contact.mail_address_again",
        "representative_contact.person_name",
        "representative_contact.mail_address_again",
    ]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (registration_pb2.FindBidderRequest(name="長" * 301), ("name", "FIELD_TOO_LONG")),
        (registration_pb2.FindBidderRequest(session_token="x" * 65), ("session_token", "FIELD_TOO_LONG")),
        (registration_pb2.BeginRegistrationRequest(agency="x" * 41), ("agency", "FIELD_TOO_LONG")),
        (
            registration_pb2.BeginRegistrationRequest(certificate=bytes(16 * 1024 + 1)),
            ("certificate", "INPUT_TOO_LARGE"),
        ),
        (
            registration_pb2.BeginRegistrationRequest(other_certificates=[b""] * 9),
            ("other_certificates", "INPUT_TOO_MANY"),
        ),
        (
            registration_pb2.BeginRegistrationRequest(other_certificates=[bytes(11 * 1024)] * 3),
            ("other_certificates", "INPUT_TOO_LARGE"),
        ),
        (
            registration_pb2.RegisterRequest(act=SignedPurpose(purpose=bytes(16 * 1024 + 1))),
            ("act.purpose", "INPUT_TOO_LARGE"),
        ),
        (
            registration_pb2.RegisterRequest(act=SignedPurpose(signature=bytes(1025))),
            ("act.signature", "INPUT_TOO_LARGE"),
        ),
        (
            registration_pb2.RegisterRequest(proof=BidderProof(statement=bytes(4097))),
            ("proof.statement", "INPUT_TOO_LARGE"),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_oversized_value_is_refused_at_its_field(request_: Message, expected: tuple[str, str]) -> None:
    assert violations_of(request_) == [expected]


def test_refusal_never_contains_the_value() -> None:
    with pytest.raises(Refusal) as caught:
        check_input(registration_pb2.FindBidderRequest(password="geheim\x00"))
    assert "geheim" not in f"{caught.value!r} {caught.value} {caught.value.violations}"


def test_number_of_violations_is_limited() -> None:
    contact = Contact(**{field.name: "\x00" for field in Contact.DESCRIPTOR.fields})
    form = ContactForm(contact=contact, mail_address_again="\x00")
    request = registration_pb2.PrepareRegistrationRequest(
        session_token="\x00",
        agency="\x00",
        category="\x00",
        request_id="\x00",
        proof=BidderProof(key_id="\x00"),
        card_contact=form,
        representative_contact=form,
    )
    assert len(violations_of(request)) == 20


def test_size_of_each_method_has_room_for_its_largest_request() -> None:
    text = "\U0002000b" * 300
    largest = registration_pb2.BeginRegistrationRequest(
        agency=text[:40],
        category=text[:40],
        certificate=bytes(16 * 1024),
        other_certificates=[bytes(4 * 1024)] * 8,
        resume_request_id=text,
    )
    check_input(largest)
    contact = Contact(**{field.name: text for field in Contact.DESCRIPTOR.fields})
    form = ContactForm(contact=contact, mail_address_again=text)
    prepare = registration_pb2.PrepareRegistrationRequest(
        session_token=text[:64],
        agency=text[:40],
        category=text[:40],
        request_id=text,
        proof=BidderProof(statement=bytes(4 * 1024), key_id=text, signature=bytes(1024)),
        card_contact=form,
        representative_contact=form,
        person_in_charge=text,
        predecessor_serial=text[:60],
    )
    check_input(prepare)
    sizes = compute_sizes([REGISTRATION])
    for name, request in (("BeginRegistration", largest), ("PrepareRegistration", prepare)):
        most = sizes[f"/toroku.frontdoor.v1.Registration/{name}"]
        # Room for what is not needed here is little.
        assert most - 5 * 1024 < request.ByteSize() < most


def test_size_of_a_change_has_room_for_its_largest_request() -> None:
    text = "\U0002000b" * 300
    contact = Contact(**{field.name: text for field in Contact.DESCRIPTOR.fields})
    form = change_pb2.ChangeForm(
        request_id=text,
        instance=text,
        agency=text[:40],
        category=text[:40],
        bidder_id=text,
        certificate_sha256=bytes(1024),
        card_contact=contact,
        representative_contact=contact,
        propagate=True,
    )
    act = SignedPurpose(purpose=bytes(16 * 1024), signature=bytes(1024))
    submit = change_pb2.SubmitChangeRequest(
        session_token=text[:64], agency=text[:40], category=text[:40], form=form, act=act
    )
    check_input(submit)
    most = compute_sizes([CHANGE])["/toroku.frontdoor.v1.Change/SubmitChange"]
    assert most - 5 * 1024 < submit.ByteSize() < most


def test_no_stranger_may_send_more_than_a_card_has() -> None:
    sizes = compute_sizes([ENTRY, REGISTRATION, CHANGE, RENEWAL, ADVICE])
    assert len(sizes) == 26
    assert max(sizes.values()) < 56 * 1024
