"""Test certificate authorities that imitate the cards of Japanese private CAs and of JPKI. Keys stay in memory.

A private CA's certificate: the subject in romaji, company and address in kanji in a directoryName of the SAN, no mail
address, an extended key usage defined by the CA, critical certificatePolicies, a serial number of 158 bits. A JPKI
certificate: no company, name and address in otherNames of the SAN. OIDs are below 2.999, the arc for examples.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Self

from asn1crypto import algos, core  # type: ignore[import-untyped]  # the library has no types
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

CARD_POLICY = "2.999.1.1"
CARD_KEY_USAGE = "2.999.1.2"
JPKI_POLICY = "1.2.392.200149.8.5.1.1.20"
# 氏名, 生年月日 and 住所 in the SAN of a signing certificate of JPKI (公的個人認証サービス プロファイル仕様書).
JPKI_NAME = "1.2.392.200149.8.5.5.1"
JPKI_BIRTH_DATE = "1.2.392.200149.8.5.5.4"
JPKI_ADDRESS = "1.2.392.200149.8.5.5.5"

_SIGNING = ("digital_signature", "content_commitment")
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def new_rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Returns a new RSA key with the exponent 65537."""
    return rsa.generate_private_key(65537, bits)


def new_ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """Returns a new key on P-256, or on the given curve."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def serial_of_158_bits() -> int:
    """Returns a random serial number of exactly 158 bits, as private CAs use."""
    return secrets.randbits(157) | 1 << 157


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """An issued card: certificate, key and, as on a real card, the CA's certificates."""

    certificate: x509.Certificate
    key: Key = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        """Returns the certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def sha256(self) -> bytes:
        """Returns the SHA-256 of the certificate, which identifies the card."""
        return sha256(self.der).digest()

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
        """Signs as the card's chip does: RSA PKCS#1 v1.5 or ECDSA over `data`, by default with SHA-256."""
        algorithm = algorithm or hashes.SHA256()
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(data, padding.PKCS1v15(), algorithm)
        return self.key.sign(data, ec.ECDSA(algorithm))

    def pkcs12(self, password: bytes) -> bytes:
        """Returns key, certificate and chain as a PKCS#12 file."""
        encryption = serialization.BestAvailableEncryption(password)
        return pkcs12.serialize_key_and_certificates(b"card", self.key, self.certificate, self.chain, encryption)


@dataclass(slots=True)
class CertificateAuthority:
    """A root CA (`create()`) or a CA below another (`create(parent=…)`)."""

    certificate: x509.Certificate
    key: Key = field(repr=False)
    parent: "CertificateAuthority | None" = None
    crl_url: str | None = None
    revoked: dict[int, datetime] = field(default_factory=dict, repr=False)
    crl_number: int = 0

    @classmethod
    def create(
        cls,
        name: str = "Toroku Test CA",
        *,
        organization: str = "Toroku Test Certification",
        crl_url: str | None = None,
        parent: Self | None = None,
        key: Key | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        path_length: int | None = None,
        policies: Sequence[str] = (),
    ) -> Self:
        """Creates a CA, self-signed or signed by `parent`; by default valid for ten years from yesterday."""
        key = key or new_rsa_key()
        subject = _name(("C", "JP"), ("O", organization), ("CN", name))
        start = not_before or _now() - timedelta(days=1)
        signer, issuer = (parent.key, parent.certificate.subject) if parent else (key, subject)
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), serial_of_158_bits())
            .not_valid_before(start)
            .not_valid_after(not_after or start + timedelta(days=3652))
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_authority_key_identifier(signer), critical=False)
        )
        if policies:
            builder = builder.add_extension(_policies(policies), critical=True)
        if parent and parent.crl_url:
            builder = builder.add_extension(_distribution_point(parent.crl_url), critical=False)
        return cls(builder.sign(signer, hashes.SHA256()), key, parent, crl_url)

    @property
    def der(self) -> bytes:
        """Returns the CA's certificate in DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        """Returns the CA's certificate in PEM, as a profile needs it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_sha256(self) -> str:
        """Returns the pin of the CA's key: SHA-256 of its SubjectPublicKeyInfo, in hexadecimal."""
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return sha256(self.key.public_key().public_bytes(encoding, form)).hexdigest()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Returns the CA's certificate and those above it, up to the root."""
        return (self.certificate, *(self.parent.chain if self.parent else ()))

    def issue(
        self,
        *,
        company: str | None = "登録建設株式会社",
        holder: str | None = "登録 太郎",
        address: str | None = "埼玉県さいたま市浦和区高砂三丁目15番1号",
        holder_address: str | None = None,
        company_romaji: str = "Toroku Kensetsu K.K.",
        holder_romaji: str = "Tarou Touroku",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        key: Key | None = None,
        serial: int | None = None,
        key_usage: Sequence[str] = _SIGNING,
        extended_key_usages: Sequence[str] = (CARD_KEY_USAGE,),
        policies: Sequence[str] = (CARD_POLICY,),
        hash_algorithm: hashes.HashAlgorithm | None = None,
        string_type: x509.name._ASN1Type | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> IssuedCard:
        """Issues a card as a private CA does; by default valid for two years from yesterday, with an RSA-2048 key.

        None for company, holder or address omits that part. `hash_algorithm` SHA-1 or MD5 and weak keys make the bad
        cards of the tests. `string_type` is the encoding of the kanji (UTF8String, BMPString).
        """
        kanji = [(kind, text) for kind, text in (("L", address), ("O", company), ("CN", holder)) if text is not None]
        names: list[tuple[str, str]] = [("C", "JP"), ("O", company_romaji)]
        if holder_address is not None:
            names.append(("STREET", holder_address))
        extra = list(extensions)
        if kanji:
            directory_name = _name(("C", "JP"), *kanji, string_type=string_type)
            extra.append((x509.SubjectAlternativeName([x509.DirectoryName(directory_name)]), False))
        if extended_key_usages:
            extra.append((x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, extended_key_usages)), False))
        return self._issue(
            _name(*names, ("CN", holder_romaji)),
            [*extra, (_key_usage(*key_usage), True), (_policies(policies), True)],
            *(key or new_rsa_key(), serial, not_before, not_after, hash_algorithm),
        )

    def issue_personal(
        self,
        *,
        holder: str = "登録　花子",
        address: str = "埼玉県さいたま市浦和区高砂三丁目15番1号",
        birth_date: str = "19800401",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        key: Key | None = None,
    ) -> IssuedCard:
        """Issues a card with a certificate like JPKI's signing certificate: a person, no company."""
        texts = ((JPKI_NAME, holder), (JPKI_BIRTH_DATE, birth_date), (JPKI_ADDRESS, address))
        names = [x509.OtherName(x509.ObjectIdentifier(oid), core.UTF8String(text).dump()) for oid, text in texts]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.SubjectAlternativeName(names), False),
            (_key_usage(*_SIGNING), True),
            (_policies([JPKI_POLICY]), True),
        ]
        subject = _name(("C", "JP"), ("L", "Saitama-Ken"), ("L", "Saitama-Shi"), ("CN", secrets.token_hex(16).upper()))
        return self._issue(subject, extensions, key or new_rsa_key(), None, not_before, not_after, None)

    def revoke(self, card: IssuedCard | x509.Certificate, at: datetime | None = None) -> None:
        """Revokes a certificate: it is on the next list."""
        certificate = card.certificate if isinstance(card, IssuedCard) else card
        self.revoked[certificate.serial_number] = at or _now()

    def crl(
        self,
        now: datetime | None = None,
        *,
        valid_for: timedelta = timedelta(days=2),
        signed_by: Key | None = None,
        number: int | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        """Issues a list of revoked certificates at `now`, in DER; every call increments the CRL number.

        `crl(long_ago)` is a stale list, `crl(signed_by=…)` one of the wrong signer.
        """
        now = now or _now()
        self.crl_number = self.crl_number + 1 if number is None else number
        entries = [
            x509.RevokedCertificateBuilder(serial, at.replace(microsecond=0, tzinfo=None)).build()
            for serial, at in self.revoked.items()
        ]
        builder = (
            x509.CertificateRevocationListBuilder(self.certificate.subject, None, None, [], entries)
            .last_update(now)
            .next_update(now + valid_for)
            .add_extension(x509.CRLNumber(self.crl_number), critical=False)
            .add_extension(_authority_key_identifier(self.key), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        revocation_list = builder.sign(signed_by or self.key, hashes.SHA256())
        return revocation_list.public_bytes(serialization.Encoding.DER)

    def _issue(
        self,
        subject: x509.Name,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
        key: Key,
        serial: int | None,
        not_before: datetime | None,
        not_after: datetime | None,
        hash_algorithm: hashes.HashAlgorithm | None,
    ) -> IssuedCard:
        start = not_before or _now() - timedelta(days=1)
        builder = (
            x509.CertificateBuilder(self.certificate.subject, subject, key.public_key(), serial or serial_of_158_bits())
            .not_valid_before(start)
            .not_valid_after(not_after or start + timedelta(days=730))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_authority_key_identifier(self.key), critical=False)
        )
        if self.crl_url:
            builder = builder.add_extension(_distribution_point(self.crl_url), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        certificate = builder.sign(self.key, hashes.SHA256())
        if hash_algorithm is not None:
            certificate = _sign_again(certificate, self.key, hash_algorithm)
        return IssuedCard(certificate, key, self.chain)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _name(*parts: tuple[str, str], string_type: x509.name._ASN1Type | None = None) -> x509.Name:
    kinds = {
        "C": NameOID.COUNTRY_NAME,
        "L": NameOID.LOCALITY_NAME,
        "STREET": NameOID.STREET_ADDRESS,
        "O": NameOID.ORGANIZATION_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    # Real CAs exceed the 64 or 128 characters of X.520 with addresses, so the lengths are not checked.
    return x509.Name(
        x509.NameAttribute(kinds[kind], text, string_type if kind != "C" else None, _validate=kind == "C")
        for kind, text in parts
    )


def _key_usage(*usages: str) -> x509.KeyUsage:
    return x509.KeyUsage(*(usage in usages for usage in _USAGES))


def _policies(oids: Sequence[str]) -> x509.CertificatePolicies:
    return x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids])


def _authority_key_identifier(key: Key) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _distribution_point(url: str) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)])


def _sign_again(certificate: x509.Certificate, key: Key, algorithm: hashes.HashAlgorithm) -> x509.Certificate:
    # The library's builder rightly refuses weak hashes, so a bad certificate is assembled here.
    parsed = asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
    kind = "rsa" if isinstance(key, rsa.RSAPrivateKey) else "ecdsa"
    identifier = algos.SignedDigestAlgorithm({"algorithm": f"{algorithm.name}_{kind}"})
    parsed["tbs_certificate"]["signature"] = identifier
    tbs = parsed["tbs_certificate"].dump(force=True)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(tbs, padding.PKCS1v15(), algorithm)
    else:
        signature = key.sign(tbs, ec.ECDSA(algorithm))
    parsed["signature_algorithm"] = identifier
    parsed["signature_value"] = core.OctetBitString(signature)
    return x509.load_der_x509_certificate(parsed.dump(force=True))
