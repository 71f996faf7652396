"""Identification of callers by certificate; agencies and officers must be registered."""

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from instance_profile.base import OPERATOR as RESERVED_IN_PROFILES
from refusals import Code, Refusal
from servicekit.identity import ANYONE, OPERATOR, Caller, Kind, RegisteredCallers, identify, read_peer, require_acts_for

OFFICER = "spiffe://saitama/officer/saitama-prefecture/hanako"
NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
VALID_UNTIL = NOW + timedelta(days=1)


def connection(*uris: str) -> tuple[dict[str, list[bytes]], str]:
    """The authentication context that gRPC has of a connection with these URIs, and the fingerprint of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(VALID_UNTIL)
        .sign(key, hashes.SHA256())
    )
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    context = {
        "peer_uri": [uri.encode() for uri in uris],
        "x509_pem_cert": [certificate.public_bytes(Encoding.PEM)],
    }
    return context, hashlib.sha256(public).hexdigest()


def test_service_is_identified_by_its_only_uri() -> None:
    context, _ = connection("spiffe://saitama/service/agency-sync")
    assert identify(read_peer(context), "saitama", RegisteredCallers(None), NOW) == Caller(Kind.SERVICE, "agency-sync")


@pytest.mark.parametrize(
    "uris",
    [
        (),
        ("spiffe://saitama/service/agency-sync", "spiffe://saitama/service/front-door"),
        ("spiffe://aomori/service/agency-sync",),
        ("spiffe://saitama/service/agency-sync/more",),
        ("https://saitama/service/agency-sync",),
    ],
    ids=["none", "two", "another instance", "longer", "another scheme"],
)
def test_other_names_are_refused(uris: tuple[str, ...]) -> None:
    context, _ = connection(*uris)
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        identify(read_peer(context), "saitama", RegisteredCallers(None), NOW)


def test_caller_acts_for_its_own_agency_and_the_operators_officers_for_all() -> None:
    officer = Caller(Kind.OFFICER, "saitama-city/hanako", "saitama-city")
    for caller in (officer, Caller(Kind.AGENCY, "saitama-city", "saitama-city")):
        require_acts_for(caller, "saitama-city")
    for agency in ("saitama-city", "kawagoe-city", OPERATOR):
        require_acts_for(Caller(Kind.OFFICER, "operator/taro", OPERATOR), agency)
    strangers = [
        (officer, "kawagoe-city"),
        (officer, OPERATOR),
        (officer, ""),
        (Caller(Kind.AGENCY, OPERATOR, OPERATOR), "saitama-city"),
        (Caller(Kind.AGENCY, OPERATOR, OPERATOR), OPERATOR),
        (Caller(Kind.SERVICE, "front-door"), "saitama-city"),
        (ANYONE, ""),
    ]
    for caller, agency in strangers:
        with pytest.raises(Refusal, match="AGENCY_NOT_OWN") as caught:
            require_acts_for(caller, agency)
        assert caught.value.metadata == {"agency": agency}


def test_operators_code_is_the_same_in_profiles_and_in_certificates() -> None:
    assert OPERATOR == RESERVED_IN_PROFILES


def write_officers(keys: Mapping[str, Sequence[str]], *roles: str) -> str:
    """Returns a file of callers with officers; an agency in it is admitted whatever they are."""
    officers = {name: {"roles": list(roles) or ["administrator"], "key_sha256": [*of]} for name, of in keys.items()}
    return yaml.safe_dump({"agencies": {"kawagoe-city": {"key_sha256": ["0" * 64]}}, "officers": officers})


@pytest.mark.parametrize(
    ("others", "roles"),
    [(0, ["roster"]), (0, ["administrator", "roster"]), (2, ["administrator"])],
    ids=["another role", "a further role", "three administrators"],
)
def test_file_of_callers_has_two_administrators_and_no_other_officers(
    tmp_path: Path, others: int, roles: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    context, key_sha256 = connection(OFFICER)
    of_agency, agency_key = connection("spiffe://saitama/agency/kawagoe-city")
    file = tmp_path / "callers.yaml"
    further = {f"operator/person-{number}": ["0" * 64] for number in range(others)}
    text = write_officers({"saitama-prefecture/hanako": [key_sha256], **further}, *roles)
    file.write_text(text.replace("0" * 64, agency_key, 1))
    registered = RegisteredCallers(file)
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        identify(read_peer(context), "saitama", registered, NOW)
    assert "administrators" in caplog.text
    assert identify(read_peer(of_agency), "saitama", registered, NOW).name == "kawagoe-city"


def test_officer_is_admitted_until_the_fingerprint_is_removed(tmp_path: Path) -> None:
    context, key_sha256 = connection(OFFICER)
    file = tmp_path / "callers.yaml"
    file.write_text(write_officers({"saitama-prefecture/hanako": [key_sha256]}))
    registered = RegisteredCallers(file)
    found = identify(read_peer(context), "saitama", registered, NOW)
    assert (found.kind, found.name) == (Kind.OFFICER, "saitama-prefecture/hanako")
    assert found.roles == frozenset({"administrator"})

    file.write_text("officers: {}\n")
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        identify(read_peer(context), "saitama", registered, NOW)


@pytest.mark.parametrize("second", [-1, VALID_UNTIL.timestamp() - NOW.timestamp() + 1], ids=["before", "after"])
def test_certificate_outside_of_its_validity_is_refused_with_both_ends(second: float) -> None:
    context, _ = connection("spiffe://saitama/service/agency-sync")
    registered = RegisteredCallers(None)
    for within in (NOW, VALID_UNTIL):
        assert identify(read_peer(context), "saitama", registered, within).name == "agency-sync"
    with pytest.raises(Refusal, match="CALLER_CERTIFICATE_NOT_VALID") as refused:
        identify(read_peer(context), "saitama", registered, NOW + timedelta(seconds=second))
    assert refused.value.code is Code.UNAUTHENTICATED
    assert refused.value.metadata == {
        "caller": "service agency-sync",
        "valid_from": NOW.isoformat(),
        "valid_until": VALID_UNTIL.isoformat(),
    }


MALFORMED = {
    "not YAML": b"agencies: [not, a, mapping",
    "not UTF-8": "agencies: {}  # 川越市".encode("cp932"),
    "a list": b"[agencies]",
    "no fingerprints": b"agencies: {kawagoe-city: {}}",
    "a day that does not exist": b"agencies: {}\nsince: 2026-02-30",
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_malformed_callers_file_refuses_everyone_and_is_read_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    context, key_sha256 = connection("spiffe://saitama/agency/kawagoe-city")
    file = tmp_path / "callers.yaml"
    good = f"agencies:\n  kawagoe-city:\n    key_sha256: [{key_sha256}]\n"
    file.write_text(good)
    registered = RegisteredCallers(file)
    assert identify(read_peer(context), "saitama", registered, NOW).agency == "kawagoe-city"

    for times in (1, 2):
        file.write_bytes(content + b"\n" * times)
        with count_reads(file) as count:
            for _ in range(5):
                with pytest.raises(Refusal, match="CALLERS_UNREADABLE") as refused:
                    identify(read_peer(context), "saitama", registered, NOW)
                assert refused.value.code is Code.UNAVAILABLE
            assert count() == 1
        assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == times

    file.write_text(good)
    assert identify(read_peer(context), "saitama", registered, NOW).agency == "kawagoe-city"


def test_missing_callers_file_refuses_everyone_until_it_is_there_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context, key_sha256 = connection("spiffe://saitama/agency/kawagoe-city")
    file = tmp_path / "callers.yaml"
    registered = RegisteredCallers(file)
    for _ in range(5):
        with pytest.raises(Refusal, match="CALLERS_UNREADABLE"):
            identify(read_peer(context), "saitama", registered, NOW)
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    file.write_text(f"agencies:\n  kawagoe-city:\n    key_sha256: [{key_sha256}]\n")
    assert identify(read_peer(context), "saitama", registered, NOW).agency == "kawagoe-city"


def test_services_do_not_need_the_callers_file(tmp_path: Path) -> None:
    context, _ = connection("spiffe://saitama/service/agency-sync")
    assert (
        identify(read_peer(context), "saitama", RegisteredCallers(tmp_path / "missing.yaml"), NOW).name == "agency-sync"
    )


@contextmanager
def count_reads(file: Path) -> Iterator[Callable[[], int]]:
    """Yields a function that counts how often this process opened a file since."""
    opened = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal opened
        if is_counting and event == "open" and str(arguments[0]) == str(file):
            opened += 1

    is_counting = True
    # An audit hook stays until the process ends.
    sys.addaudithook(count)
    try:
        yield lambda: opened
    finally:
        is_counting = False


def test_registered_key_does_not_admit_another_name(tmp_path: Path) -> None:
    context, key_sha256 = connection("spiffe://saitama/agency/kawagoe-city")
    file = tmp_path / "callers.yaml"
    file.write_text(f"agencies:\n  saitama-city:\n    key_sha256: [{key_sha256}]\n")
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        identify(read_peer(context), "saitama", RegisteredCallers(file), NOW)
