"""Certificates and CRLs whose names are compared as DER first, and prepared (RFC 4518) only if that does not decide.

Preparing a name is slow, and refuses private-use and newer characters, which names of Japanese companies contain
(gaiji, variation selectors). A name that can't be prepared equals only itself, byte for byte. Whoever compares the name
of a certificate that a stranger sent verifies a signature over it first (`trust_store.is_issued_by`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import core, crl, x509  # type: ignore[import-untyped]  # the library has no types
from typing_extensions import override

# Forms of names that the path validation library can neither compare nor keep.
_OPAQUE_FORMS = frozenset({"other_name", "x400_address", "edi_party_name"})


class ComparableName(x509.Name):  # type: ignore[misc]  # the library has no types
    """A distinguished name with a cheap comparison."""

    @override
    @property
    def hashable(self) -> str:
        """Returns the prepared name; of a name that can't be prepared, its DER in hexadecimal."""
        return _prepare(self.dump())

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, x509.Name):
            return False
        if self.dump() == other.dump():
            return True
        try:
            return bool(self.chosen == other.chosen)
        except ValueError:
            return False

    @override
    def __ne__(self, other: object) -> bool:
        return not self == other

    @override
    def __hash__(self) -> int:
        return hash(self.hashable)


class ParsedCertificate(x509.Certificate):  # type: ignore[misc]  # the library has no types
    """A certificate with comparable names, and with name constraints that only the names they are about can fail."""

    @override
    @property
    def issuer(self) -> ComparableName:
        """Returns the issuer's name."""
        return _load_name(self["tbs_certificate"]["issuer"].dump())

    @override
    @property
    def subject(self) -> ComparableName:
        """Returns the subject's name."""
        return _load_name(self["tbs_certificate"]["subject"].dump())

    @override
    @property
    def name_constraints_value(self) -> Mapping[str, "_Subtrees | None"] | None:
        """Returns the permitted and excluded subtrees, or None without the extension."""
        constraints = super().name_constraints_value
        if constraints is None:
            return None
        return {key: _read_subtrees(constraints[key]) for key in ("permitted_subtrees", "excluded_subtrees")}


class ParsedRevocationList(crl.CertificateList):  # type: ignore[misc]  # the library has no types
    """A CRL with a comparable issuer."""

    @override
    @property
    def issuer(self) -> ComparableName:
        """Returns the issuer's name."""
        return _load_name(self["tbs_cert_list"]["issuer"].dump())


@dataclass(frozen=True, slots=True)
class _OpaqueBase:
    # The library computes a hash of each base, and can't of these forms. It compares a base only with names of the same
    # form, and refuses the path then, because it has no comparison for them (RFC 5280, 4.2.1.10).
    name: str
    chosen: core.OctetString


class _Subtrees(x509.GeneralSubtrees):  # type: ignore[misc]  # the library has no types
    @override
    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for subtree in super().__iter__():
            base = subtree["base"]
            if base.name in _OPAQUE_FORMS:
                base = _OpaqueBase(base.name, core.OctetString(base.dump()))
            yield {"base": base, "minimum": subtree["minimum"], "maximum": subtree["maximum"]}


def _read_subtrees(subtrees: core.Asn1Value) -> _Subtrees | None:
    if not isinstance(subtrees, x509.GeneralSubtrees):
        return None
    read: _Subtrees = _Subtrees.load(subtrees.untag().dump())
    return read


def _load_name(der: bytes) -> ComparableName:
    name: ComparableName = ComparableName.load(der)
    return name


# Names of CAs come again with every card; so does the name of a card's holder, which is why the cache is small.
@lru_cache(maxsize=1024)
def _prepare(der: bytes) -> str:
    try:
        hashable: str = x509.Name.load(der).hashable
    except ValueError:
        return der.hex()
    return hashable
