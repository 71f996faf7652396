"""The CA entries of a profile are checked when it is loaded: whatever would end certificate-registry's start."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.convert.registry import read_card_authorities
from instance_profile import ProfileError, load_profile
from instance_profile.__main__ import main
from instance_profile.model import CardAuthority, Profile
from simulators.certificate_authorities import CertificateAuthority, new_ec_key, new_rsa_key
from simulators.instance_overlay import card_authority, write_overlay

SAITAMA = Path(__file__).parents[3] / "profiles" / "saitama.yaml"
ROOT = CertificateAuthority.create("Root", key=new_ec_key())
ISSUING = CertificateAuthority.create("Issuing", parent=ROOT, key=new_ec_key())
STRANGER = CertificateAuthority.create("Stranger", key=new_ec_key())
HOLDER = ISSUING.issue(key=new_ec_key())
BELOW_A_CARD = CertificateAuthority.create("Below a card", parent=CertificateAuthority(HOLDER.certificate, HOLDER.key))
WEAK = CertificateAuthority.create("Weak", key=new_rsa_key(1024))
OTHER_CURVE = CertificateAuthority.create("Curve", key=ec.generate_private_key(ec.SECP256K1()))
GARBAGE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

Change = Callable[[dict[str, Any]], object]
GOOD: dict[str, Change] = {
    "unchanged": lambda entry: None,
    "several certificates in one text": lambda entry: entry.update(certificates=["\n".join(entry["certificates"])]),
    "a certificate twice": lambda entry: entry["certificates"].append(ROOT.pem),
    "a text around the certificate": lambda entry: entry["certificates"].append("subject=CN=Root\n" + ROOT.pem),
    "the issuing CA is pinned": lambda entry: entry.update(key_sha256=[ISSUING.key_sha256], certificates=[ISSUING.pem]),
    "two pins": lambda entry: entry["key_sha256"].append(ISSUING.key_sha256),
}
BROKEN: dict[str, tuple[Change, str]] = {
    "garbage": (
        lambda entry: entry.update(certificates=[GARBAGE]),
        "certificates[0]: the CA certificate can't be read",
    ),
    "no PEM": (lambda entry: entry.update(certificates=["hello"]), "certificates[0]: the CA certificate can't be read"),
    "no base64": (
        lambda entry: entry.update(certificates=[ROOT.pem.replace("\nMII", "\n***")]),
        "certificates[0]: the CA certificate can't be read",
    ),
    "cut off": (
        lambda entry: entry["certificates"].append(ROOT.pem[:200] + "\n-----END CERTIFICATE-----\n"),
        "certificates[2]: the CA certificate can't be read",
    ),
    "weak key": (
        lambda entry: entry.update(certificates=[WEAK.pem], key_sha256=[WEAK.key_sha256]),
        "certificates[0]: the CA certificate can't be read: its key is too weak",
    ),
    "another curve": (
        lambda entry: entry.update(certificates=[OTHER_CURVE.pem], key_sha256=[OTHER_CURVE.key_sha256]),
        "certificates[0]: the CA certificate can't be read: its key is too weak",
    ),
    "wrong pin": (lambda entry: entry.update(key_sha256=["0" * 64]), "key_sha256[0]: no certificate of the profile"),
    "a pin too many": (
        lambda entry: entry["key_sha256"].append("0" * 64),
        "key_sha256[1]: no certificate of the profile",
    ),
    "a stranger's certificate": (
        lambda entry: entry["certificates"].append(STRANGER.pem),
        "certificates[2]: no pinned key vouches for this certificate",
    ),
    "a certificate below a card": (
        lambda entry: entry["certificates"].extend((_pem(HOLDER.certificate), BELOW_A_CARD.pem)),
        "certificates[3]: no pinned key vouches for this certificate",
    ),
    "the root is missing": (
        lambda entry: entry.update(certificates=[ISSUING.pem]),
        "key_sha256[0]: no certificate of the profile",
    ),
    "an unknown attribute": (lambda entry: entry.update(company_name=["subject.nonsense"]), "company_name[0]: "),
    "an otherName without OID": (lambda entry: entry.update(holder_name=["san.otherName.CN"]), "holder_name[0]: "),
}


def _pem(certificate: Any) -> str:
    return CertificateAuthority(certificate, HOLDER.key).pem


def _entry(change: Change) -> dict[str, Any]:
    entry = copy.deepcopy(card_authority(ISSUING))
    change(entry)
    return entry


def _unchecked(entry: dict[str, Any]) -> Profile:
    # What a program would start with that does not check the entries.
    authority = CardAuthority.model_construct(
        **{
            **CardAuthority.model_validate(card_authority(ISSUING)).__dict__,
            **{k: v for k, v in entry.items() if k != "revocation"},
        }
    )
    return load_profile(SAITAMA).model_copy(update={"card_authorities": (authority,)})


@pytest.mark.parametrize("kind", GOOD)
def test_right_entry_passes_and_starts(kind: str, tmp_path: Path) -> None:
    overlay = write_overlay(tmp_path / "overlay.yaml", [_entry(GOOD[kind])])
    assert main(["check", str(SAITAMA), "--overlay", str(overlay)]) == 0
    TrustStoreCache(read_card_authorities(load_profile(SAITAMA, overlay)))


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_entry_is_one_line_that_names_the_key(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, expected = BROKEN[kind]
    overlay = write_overlay(tmp_path / "overlay.yaml", [_entry(change)])
    assert main(["check", str(SAITAMA), "--overlay", str(overlay)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{overlay}:")
    assert f"card_authorities[0].{expected}" in line


@pytest.mark.parametrize("kind", BROKEN)
def test_check_finds_what_the_start_would_refuse(kind: str) -> None:
    with pytest.raises(ValueError, match=r"card authority|is not a locator|block"):
        TrustStoreCache(read_card_authorities(_unchecked(_entry(BROKEN[kind][0]))))


@pytest.mark.parametrize("rest", [{"unknown": "accept"}, {"crl_urls": ["http://crl.ca.example/list.crl"]}])
def test_ca_without_access_to_its_lists_has_no_other_rule_for_them(rest: dict[str, Any], tmp_path: Path) -> None:
    entry = _entry(lambda entry: entry.update(revocation={"access": False} | rest))
    (key,) = rest
    with pytest.raises(ProfileError, match=rf"card_authorities\[0\]\.revocation\.{key}: without access"):
        load_profile(SAITAMA, write_overlay(tmp_path / "overlay.yaml", [entry]))


def test_pin_belongs_to_one_entry(tmp_path: Path) -> None:
    second = _entry(lambda entry: entry.update(id="second"))
    overlay = write_overlay(tmp_path / "overlay.yaml", [_entry(GOOD["unchanged"]), second])
    with pytest.raises(ProfileError, match=r"card_authorities\[1\]\.key_sha256\[0\]: test-ca pins this key too"):
        load_profile(SAITAMA, overlay)


def test_ca_certificate_may_stand_in_another_entry(tmp_path: Path) -> None:
    root = _entry(lambda entry: entry.update(certificates=[ROOT.pem]))
    issuing = _entry(
        lambda entry: entry.update(
            id="second", key_sha256=[STRANGER.key_sha256], certificates=[STRANGER.pem, ISSUING.pem]
        )
    )
    profile = load_profile(SAITAMA, write_overlay(tmp_path / "overlay.yaml", [root, issuing]))
    assert len(TrustStoreCache(read_card_authorities(profile)).authority_ids) == 2
