"""What a stranger's certificates, lists and purposes may cost: a bound on CPU time over the worst of each.

The budget is ten times what the worst input needs, so that a busy machine does not exceed it: CPU time is counted, not
time on the clock. Preparing names that nobody vouched for exceeds it several times over.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import MOST_OTHER_CERTIFICATES, validate_certificate
from certificate_registry.pki.revocation_list import parse_revocation_list
from certificate_registry.pki.trust_store import accept_revocation_list
from instance_profile.strict_der import MOST_CERTIFICATE_BYTES, MOST_NAME_BYTES
from refusals import Refusal
from signed_acts.purpose import MOST_PURPOSE_BYTES, decode
from simulators.certificate_authorities import new_ec_key
from tests.unit.certificate_registry.conftest import NOW, CaHierarchy

# CPU seconds for one request.
BUDGET = 0.15
# One character that preparation makes 18 of.
LONG = "\ufdfa"
KEY = new_ec_key()


@contextmanager
def within_budget() -> Iterator[None]:
    """Fails if the block needs more CPU time than a request may."""
    start = time.process_time()
    yield
    spent = time.process_time() - start
    assert spent < BUDGET, f"{spent:.3f} s of CPU time"


def _name(*values: str) -> x509.Name:
    with warnings.catch_warnings():
        # The library warns of values longer than X.520 allows; that is the point here.
        warnings.simplefilter("ignore")
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, value, _validate=False) for value in values])


def _certificate(
    *extensions: x509.ExtensionType, subject: x509.Name | None = None, issuer: x509.Name | None = None
) -> bytes:
    subject = subject or _name("Stranger")
    start = NOW - timedelta(days=1)
    builder = (
        x509.CertificateBuilder(issuer or subject, subject, KEY.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def _distribution_points(points: int, names: int) -> x509.CRLDistributionPoints:
    url = x509.UniformResourceIdentifier("http://a")
    return x509.CRLDistributionPoints([x509.DistributionPoint([url] * names, None, None, None)] * points)


WORST_CERTIFICATES: dict[str, Callable[[], bytes]] = {
    "a subject of one long value": lambda: _certificate(subject=_name(LONG * 5100), issuer=_name("a")),
    "an issuer of one long value": lambda: _certificate(subject=_name("a"), issuer=_name(LONG * 5100)),
    "a subject of many values": lambda: _certificate(subject=_name(*["a"] * 900), issuer=_name("a")),
    "a subject at the bounds": lambda: _certificate(subject=_name(*[LONG * 21] * 26)),
    "many extensions": lambda: _certificate(
        *(x509.UnrecognizedExtension(x509.ObjectIdentifier(f"2.999.{arc}"), b"\x05\x00") for arc in range(900))
    ),
    "many distribution points": lambda: _certificate(_distribution_points(900, 1)),
    "many addresses of lists": lambda: _certificate(_distribution_points(1, 1400)),
    "many usages": lambda: _certificate(
        x509.ExtendedKeyUsage([x509.ObjectIdentifier(f"1.2.3.{arc}") for arc in range(2400)])
    ),
    "many policies": lambda: _certificate(
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)] * 1800)
    ),
    "many alternative names": lambda: _certificate(x509.SubjectAlternativeName([x509.DNSName("a")] * 3500)),
    "a long alternative name": lambda: _certificate(
        x509.SubjectAlternativeName([x509.DirectoryName(_name(LONG * 5000))])
    ),
    "many name constraints": lambda: _certificate(x509.NameConstraints([x509.DNSName("a")] * 1500, None)),
}


@pytest.mark.parametrize("kind", WORST_CERTIFICATES)
async def test_certificates_that_nobody_vouches_for_cost_little(ca: CaHierarchy, kind: str) -> None:
    worst = WORST_CERTIFICATES[kind]
    others = tuple(worst() for _ in range(MOST_OTHER_CERTIFICATES))
    assert all(len(der) <= MOST_CERTIFICATE_BYTES for der in others)
    card, trust_store = _certificate(), ca.trust_store(*ca.lists())
    with within_budget():
        with pytest.raises(Refusal) as refused:
            await validate_certificate(parse_certificate(card), others, trust_store, NOW)
        assert refused.value.reason == "CERTIFICATE_AUTHORITY_UNKNOWN"


@pytest.mark.parametrize("kind", WORST_CERTIFICATES)
async def test_card_that_nobody_vouches_for_costs_little(ca: CaHierarchy, kind: str) -> None:
    card, trust_store = WORST_CERTIFICATES[kind](), ca.trust_store(*ca.lists())
    with within_budget(), pytest.raises(Refusal):
        await validate_certificate(parse_certificate(card), (), trust_store, NOW)


def test_list_with_a_long_issuer_costs_little(ca: CaHierarchy) -> None:
    builder = x509.CertificateRevocationListBuilder(_name(LONG * 100_000), NOW, NOW + timedelta(days=1))
    der = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    trust_store = ca.trust_store()
    with within_budget(), pytest.raises(Refusal):
        accept_revocation_list(parse_revocation_list(der), trust_store, None, NOW)


def test_issuer_of_a_list_at_the_bounds_costs_little(ca: CaHierarchy) -> None:
    builder = x509.CertificateRevocationListBuilder(_name(*[LONG * 21] * 26), NOW, NOW + timedelta(days=1))
    der = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    trust_store = ca.trust_store()
    with within_budget(), pytest.raises(Refusal) as refused:
        accept_revocation_list(parse_revocation_list(der), trust_store, None, NOW)
    assert refused.value.reason == "CRL_SIGNER_UNKNOWN"


WORST_PURPOSES = {
    "nested": b"[" * MOST_PURPOSE_BYTES,
    "nested and closed": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "many keys": json.dumps({f"k{number}": 0 for number in range(1400)}).encode(),
    "many numbers": json.dumps([1] * 5000).encode(),
    "many fractions": json.dumps([1e300] * 2000).encode(),
    "long numbers": b"[" + b",".join([b"9" * 4200] * 3) + b"]",
    "long lines": json.dumps({"lines": [LONG * 400] * 13}, ensure_ascii=False).encode(),
    "escaped characters": json.dumps(["\x01" * 2600]).encode(),
}


@pytest.mark.parametrize("kind", WORST_PURPOSES)
def test_purposes_cost_little(kind: str) -> None:
    encoded = WORST_PURPOSES[kind]
    assert len(encoded) <= MOST_PURPOSE_BYTES
    with within_budget(), pytest.raises(Refusal, match="PURPOSE_MALFORMED"):
        decode(encoded)


class TestBounds:
    """Names and extensions have bounds; what is within them is read."""

    @pytest.mark.parametrize(
        ("values", "part"),
        [
            (("a" * 512,), None),
            (("a" * 513,), "names"),
            (("漢" * 512,), None),
            (("a",) * 32, None),
            (("a",) * 33, "names"),
            (("a" * 512,) * 3, None),
            (("a" * 512,) * 4, "names"),
        ],
    )
    def test_name_has_bounds(self, values: tuple[str, ...], part: str | None) -> None:
        name = _name(*values)
        for der in (_certificate(subject=name, issuer=_name("a")), _certificate(issuer=name)):
            assert _malformed_part(der) == part
        assert part is not None or len(name.public_bytes()) <= MOST_NAME_BYTES

    @pytest.mark.parametrize(("further", "part"), [(31, None), (32, "extensions")])
    def test_extensions_have_a_bound(self, further: int, part: str | None) -> None:
        oids = [x509.ObjectIdentifier(f"2.999.{arc}") for arc in range(further)]
        der = _certificate(*(x509.UnrecognizedExtension(oid, b"\x05\x00") for oid in oids))
        assert _malformed_part(der) == part

    @pytest.mark.parametrize(("points", "part"), [(50, None), (150, "extensions")])
    def test_addresses_of_lists_have_a_bound(self, points: int, part: str | None) -> None:
        assert _malformed_part(_certificate(_distribution_points(points, 1))) == part


def _malformed_part(der: bytes) -> str | None:
    try:
        parse_certificate(der)
    except Refusal as refusal:
        return refusal.metadata.get("part", refusal.reason)
    return None
