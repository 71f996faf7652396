"""The rules of a renewal (REN-02)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from certificate_registry.domain.binding import BindingState, CardRecord, RegistrationKind, RegistrationState
from certificate_registry.domain.card import Card
from certificate_registry.domain.renewal import (
    SUCCESSOR_PREFIX,
    determine_renewal_kind,
    require_same_company,
    require_two_cards,
    verify_successor,
)
from certificate_registry.pki.certificate import CardValues
from certificate_registry.pki.path_validation import RevocationStatus
from refusals import Refusal

NOW = datetime(2026, 4, 1, tzinfo=UTC)
ADDRESS = "埼玉県さいたま市浦和区高砂三丁目15番1号"
OLD = Card(
    certificate_sha256=b"o" * 32,
    tbs_sha256=b"o" * 32,
    certificate=b"",
    other_certificates=(),
    authority="ca",
    issuer="CN=CA",
    serial=b"\x01",
    values=CardValues("株式会社登録建設", ADDRESS, "登録 太郎", None),
    not_before=NOW,
    not_after=NOW + timedelta(days=700),
    revocation_status=RevocationStatus.GOOD,
    crl_this_update=NOW,
)
LIVE = CardRecord(number=1, state=BindingState.LIVE, bound_to="1")
HERE = replace(LIVE, here=RegistrationState.GOOD)


def new_card(company: str | None = "株式会社登録建設", address: str | None = ADDRESS, authority: str = "ca") -> Card:
    """Returns another card with these values."""
    return replace(
        OLD, certificate_sha256=b"n" * 32, authority=authority, values=CardValues(company, address, None, None)
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"company": "（株）登録建設"},
        {"company": None},
        {"address": None},
        {"address": "埼玉県さいたま市　浦和区 高砂三丁目１５番１号"},
    ],
)
def test_values_that_are_the_same_or_missing_pass(changes: dict[str, str | None]) -> None:
    require_same_company(OLD, new_card(**changes), same_authority=True)  # type: ignore[arg-type]  # see above


@pytest.mark.parametrize("hyphen", "-‐‑‒–—―−─ー－﹣")
def test_hyphens_of_an_address_are_not_compared(hyphen: str) -> None:
    old = new_card(address="高砂3-15-1")
    require_same_company(old, new_card(address=f"高砂３{hyphen}１５{hyphen}１"), same_authority=True)
    with pytest.raises(Refusal, match="CARD_ADDRESS_DIFFERS"):
        require_same_company(old, new_card(address=f"高砂３{hyphen}１５{hyphen}２"), same_authority=True)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (new_card(company="登録建設株式会社"), "CARD_COMPANY_DIFFERS"),
        (new_card(address="埼玉県川越市元町一丁目3番1号"), "CARD_ADDRESS_DIFFERS"),
        (new_card(authority="other", company="別の会社"), "CARD_AUTHORITY_DIFFERS"),
    ],
)
def test_values_that_differ_are_refused(new: Card, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        require_same_company(OLD, new, same_authority=True)


def test_another_ca_is_accepted_where_the_profile_says_so() -> None:
    require_same_company(OLD, new_card(authority="other"), same_authority=False)


def test_card_does_not_replace_itself() -> None:
    require_two_cards(OLD, new_card())
    with pytest.raises(Refusal, match="CARDS_EQUAL"):
        require_two_cards(OLD, OLD)


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (CardRecord(), RegistrationKind.NEW_BINDING),
        (CardRecord(number=1, state=BindingState.RELEASED), RegistrationKind.NEW_BINDING),
        (LIVE, RegistrationKind.FURTHER_AGENCY),
    ],
)
def test_new_card_is_free_or_the_same_bidders(new: CardRecord, kind: RegistrationKind) -> None:
    assert determine_renewal_kind(HERE, new, "1") is kind


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (LIVE, CardRecord(), "CARD_NOT_REGISTERED_HERE"),
        (CardRecord(), CardRecord(), "CARD_NOT_REGISTERED_HERE"),
        (replace(LIVE, here=RegistrationState.REPLACED), CardRecord(), "CARD_REPLACED"),
        (replace(HERE, bound_to="2"), CardRecord(), "CARD_BOUND_TO_ANOTHER_BIDDER"),
        (HERE, replace(LIVE, bound_to="2"), "CARD_BOUND_TO_ANOTHER_BIDDER"),
        (HERE, HERE, "CARD_ALREADY_REGISTERED"),
        (HERE, replace(LIVE, here=RegistrationState.SUSPENDED), "NEW_CARD_UNUSABLE"),
        (HERE, replace(LIVE, here=RegistrationState.REPLACED), "NEW_CARD_UNUSABLE"),
        (HERE, replace(LIVE, is_suspended=True), "NEW_CARD_UNUSABLE"),
        (HERE, CardRecord(number=1, state=BindingState.CLOSED), "NEW_CARD_UNUSABLE"),
    ],
)
def test_cards_that_may_not_change_places_are_refused(old: CardRecord, new: CardRecord, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        determine_renewal_kind(old, new, "1")


def test_successor_key_signs_for_one_card_and_one_request() -> None:
    key, request_id = Ed25519PrivateKey.generate(), uuid4()
    public = key.public_key().public_bytes_raw()
    new = new_card()
    signature = key.sign(SUCCESSOR_PREFIX + new.certificate_sha256 + str(request_id).encode())
    verify_successor(public, signature, new, request_id)
    others: list[tuple[bytes, bytes, Card, UUID]] = [
        (sha256(public).digest(), signature, new, request_id),
        (public, signature[:-1], new, request_id),
        (public, signature, OLD, request_id),
        (public, signature, new, uuid4()),
    ]
    for arguments in others:
        with pytest.raises(Refusal, match="SUCCESSOR_SIGNATURE_INVALID"):
            verify_successor(*arguments)
