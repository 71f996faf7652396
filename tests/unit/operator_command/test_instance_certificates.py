"""The private CAs of an instance: names, separation, which certificates are kept and which are reissued."""

import hashlib
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from history.heads import load_public_keys
from history.sealing import load_sealing_key
from operator_command.instance_certificates import (
    ADMINISTRATORS,
    LEAF_DAYS,
    RENEW_DAYS,
    Identity,
    InstanceCertificates,
    issue_instance_certificates,
    list_default_officers,
)

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
SERVICES = ("certificate-registry", "front-door")


def issue(folder: Path, now: datetime = NOW, instance: str = "saitama") -> InstanceCertificates:
    return issue_instance_certificates(
        folder / "certificates",
        instance=instance,
        services=SERVICES,
        agencies=["prefecture", "city"],
        officers=["prefecture/officer"],
        now=now,
    )


def certificate(identity: Identity) -> x509.Certificate:
    return x509.load_pem_x509_certificate(identity.certificate.read_bytes())


def names(identity: Identity) -> x509.SubjectAlternativeName:
    return certificate(identity).extensions.get_extension_for_class(x509.SubjectAlternativeName).value


@pytest.mark.parametrize(
    ("kind", "name", "uri"),
    [
        ("services", "certificate-registry", "spiffe://saitama/service/certificate-registry"),
        ("agencies", "city", "spiffe://saitama/agency/city"),
        ("officers", "prefecture/officer", "spiffe://saitama/officer/prefecture/officer"),
    ],
)
def test_certificate_has_exactly_one_spiffe_id(tmp_path: Path, kind: str, name: str, uri: str) -> None:
    identity = getattr(issue(tmp_path), kind)[name]
    assert names(identity).get_values_for_type(x509.UniformResourceIdentifier) == [uri]


def test_server_certificates_have_host_names_and_callers_have_none(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    server_names = names(issued.services["front-door"])
    assert server_names.get_values_for_type(x509.DNSName) == ["front-door", "localhost"]
    assert [str(address) for address in server_names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert names(issued.agencies["city"]).get_values_for_type(x509.DNSName) == []
    assert names(issued.public).get_values_for_type(x509.UniformResourceIdentifier) == []


def test_no_ca_validates_the_certificates_of_another(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    identities = {
        "services": issued.services["front-door"],
        "agencies": issued.agencies["city"],
        "officers": issued.officers["prefecture/officer"],
        "public": issued.public,
    }
    for kind, identity in identities.items():
        for other, other_identity in identities.items():
            authority = x509.load_pem_x509_certificate(other_identity.authority.read_bytes())
            builder = PolicyBuilder().store(Store([authority])).time(NOW)
            # The verifier's default policy for web servers does not accept a certificate without a host name.
            verifier = builder.extension_policies(
                ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
            ).build_client_verifier()
            if kind == other:
                verifier.verify(certificate(identity), [])
            else:
                with pytest.raises(VerificationError):
                    verifier.verify(certificate(identity), [])


def test_agencies_and_officers_have_authorities_of_their_own(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    assert issued.agency_clients_authorities == issued.agencies["city"].authority
    assert issued.officer_clients_authorities == issued.officers["prefecture/officer"].authority


def test_callers_are_registered_by_key_fingerprint(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    callers = yaml.safe_load(issued.callers.read_text())
    key = certificate(issued.agencies["city"]).public_key()
    fingerprint = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    assert callers["agencies"]["city"] == {"key_sha256": [fingerprint]}
    # Who else is an officer, the services' tables say.
    assert {name: officer["roles"] for name, officer in callers["officers"].items()} == {
        "operator/administrator-1": ["administrator"],
        "operator/administrator-2": ["administrator"],
    }
    assert callers["officers"][ADMINISTRATORS[0]]["key_sha256"] == [issued.officers[ADMINISTRATORS[0]].key_sha256()]


def test_every_agency_and_the_operator_have_an_officer() -> None:
    assert list(list_default_officers(["prefecture", "city"])) == [
        "prefecture/officer",
        "city/officer",
        "operator/officer",
    ]


def test_files_and_folders_are_private(tmp_path: Path) -> None:
    issue(tmp_path)
    for path in (tmp_path / "certificates").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_second_start_leaves_every_file_untouched(tmp_path: Path) -> None:
    issue(tmp_path)
    files = [path for path in (tmp_path / "certificates").rglob("*") if path.is_file()]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
    issue(tmp_path, NOW + timedelta(days=1))
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files} == before


def test_expiring_certificate_is_reissued_with_the_same_key(tmp_path: Path) -> None:
    first = issue(tmp_path)
    old, fingerprint = certificate(first.agencies["city"]), first.agencies["city"].key_sha256()
    later = NOW + timedelta(days=LEAF_DAYS - RENEW_DAYS)
    second = issue(tmp_path, later)
    new = certificate(second.agencies["city"])
    assert new.serial_number != old.serial_number
    assert new.not_valid_after_utc == later + timedelta(days=LEAF_DAYS)
    assert second.agencies["city"].key_sha256() == fingerprint


@pytest.mark.parametrize("damaged", ["ca.crt", "city.crt"])
def test_damaged_certificate_is_reissued(tmp_path: Path, damaged: str) -> None:
    folder = tmp_path / "certificates" / "agencies"
    issue(tmp_path)
    (folder / damaged).write_text("-----BEGIN CERTIFICATE-----\nhalf\n")
    issued = issue(tmp_path)
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    certificate(issued.agencies["city"]).verify_directly_issued_by(authority)


def test_another_instance_gets_certificates_with_its_own_names(tmp_path: Path) -> None:
    issue(tmp_path)
    issued = issue(tmp_path, instance="aomori")
    uris = names(issued.agencies["city"]).get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == ["spiffe://aomori/agency/city"]


@pytest.mark.parametrize("name", ["bidder_proof", "act_proof", "history", "feed"])
def test_keys_of_statements_are_pairs(tmp_path: Path, name: str) -> None:
    issued = issue(tmp_path)
    private = load_pem_private_key(getattr(issued, f"{name}_private").read_bytes(), None)
    public = load_pem_public_key(getattr(issued, f"{name}_public").read_bytes())
    assert isinstance(private, Ed25519PrivateKey)
    assert isinstance(public, Ed25519PublicKey)
    public.verify(private.sign(b"statement"), b"statement")


def test_public_key_of_a_replaced_key_is_kept(tmp_path: Path) -> None:
    issued = issue(tmp_path)
    before = load_public_keys(issued.history_public.read_bytes())
    assert load_public_keys(issue(tmp_path).history_public.read_bytes()).keys() == before.keys()
    issued.history_private.unlink()
    issue(tmp_path)
    key_id = load_sealing_key(issued.history_private.read_bytes()).key_id
    after = load_public_keys(issued.history_public.read_bytes())
    assert [*after] == [*before, key_id]
