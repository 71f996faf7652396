"""Identification of callers by certificate; agencies and officers must be registered."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from refusals import Refusal
from servicekit.identity import Caller, Kind, RegisteredCallers, identify

OFFICER = "spiffe://saitama/officer/saitama-prefecture/hanako"


def connection(*uris: str) -> tuple[dict[str, list[bytes]], str]:
    """The authentication context that gRPC has of a connection with these URIs, and the fingerprint of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
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
    assert identify(context, "saitama", RegisteredCallers(None)) == Caller(Kind.SERVICE, "agency-sync")


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
        identify(context, "saitama", RegisteredCallers(None))


def test_officer_is_admitted_until_the_fingerprint_is_removed(tmp_path: Path) -> None:
    context, key_sha256 = connection(OFFICER)
    file = tmp_path / "callers.yaml"
    file.write_text(f"officers:\n  saitama-prefecture/hanako:\n    roles: [roster]\n    key_sha256: [{key_sha256}]\n")
    registered = RegisteredCallers(file)
    found = identify(context, "saitama", registered)
    assert (found.kind, found.name, found.roles) == (Kind.OFFICER, "saitama-prefecture/hanako", frozenset({"roster"}))

    file.write_text("officers: {}\n")
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        identify(context, "saitama", registered)


def test_unreadable_callers_file_refuses_everyone(tmp_path: Path) -> None:
    context, key_sha256 = connection("spiffe://saitama/agency/kawagoe-city")
    file = tmp_path / "callers.yaml"
    file.write_text(f"agencies:\n  kawagoe-city:\n    key_sha256: [{key_sha256}]\n")
    registered = RegisteredCallers(file)
    assert identify(context, "saitama", registered).agency == "kawagoe-city"

    file.write_text("agencies: [not, a, mapping")
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        identify(context, "saitama", registered)


def test_registered_key_does_not_admit_another_name(tmp_path: Path) -> None:
    context, key_sha256 = connection("spiffe://saitama/agency/kawagoe-city")
    file = tmp_path / "callers.yaml"
    file.write_text(f"agencies:\n  saitama-city:\n    key_sha256: [{key_sha256}]\n")
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        identify(context, "saitama", RegisteredCallers(file))
