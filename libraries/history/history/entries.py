"""An entry of the history, its details, and the digests of both.

The digest of an entry covers all its columns and, by their own digest, its details: what happened, and the signed act.
Details are salted, so that nobody who has only the digest can guess them, and they can be erased without it.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, TypeAlias
from uuid import UUID

SALT_LENGTH = 32
# What an act of erasure is, and the name in its details of the entries whose details it erased.
ERASED = "erased details"
ERASED_ENTRIES = "erased_entries"
# A leaf of the tree, as opposed to a node (RFC 9162, 2.1.1).
_LEAF = b"\x00"
# With keys in ASCII and no numbers this is the form of RFC 8785, by the standard library's encoder in C.
_write = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_quote = json.encoder.encode_basestring

# What changed, by name: ids, and instants as texts.
State: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Chain:
    """Whose history it is: of which registry (a service's name), in which instance."""

    instance: str
    registry: str

    @cached_property
    def columns(self) -> str:
        """Instance and registry as the canonical JSON of an entry has them."""
        return _write({"instance": self.instance, "registry": self.registry})[1:-1]

    @cached_property
    def id(self) -> bytes:
        """The 32 bytes by which heads name the chain: SHA-256 of the canonical JSON of instance and registry."""
        return sha256(_write({"instance": self.instance, "registry": self.registry}).encode()).digest()


@dataclass(frozen=True, slots=True)
class SignedAct:
    """The act that a card signed: purpose, algorithm by name, signature, and the card's certificate in DER.

    None where the registry does not have the certificate, which the purpose names by its SHA-256.
    """

    purpose: bytes = field(repr=False)
    algorithm: str
    signature: bytes = field(repr=False)
    certificate: bytes | None = field(default=None, repr=False)


class Columns(Protocol):
    """What the digest of an entry covers, beside its details. Ids only, no personal data.

    `who` is a card, a caller or a service. By certificate (SHA-256), bidder, request and `who` an entry is looked for.
    """

    @property
    def happened_at(self) -> datetime: ...  # noqa: D102  # see the class
    @property
    def who(self) -> str: ...  # noqa: D102
    @property
    def what(self) -> str: ...  # noqa: D102
    @property
    def request_id(self) -> UUID | None: ...  # noqa: D102
    @property
    def trace_id(self) -> str | None: ...  # noqa: D102
    @property
    def certificate_sha256(self) -> bytes | None: ...  # noqa: D102
    @property
    def category(self) -> str | None: ...  # noqa: D102
    @property
    def agencies(self) -> Sequence[str]: ...  # noqa: D102
    @property
    def bidder_id(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry to be written: the columns (`Columns`), and the details `before`, `after` and `act`."""

    happened_at: datetime
    who: str
    what: str
    request_id: UUID | None = None
    trace_id: str | None = None
    certificate_sha256: bytes | None = None
    category: str | None = None
    agencies: Sequence[str] = ()
    bidder_id: str | None = None
    before: State
    after: State
    act: SignedAct | None = None


class StoredEntry(NamedTuple):
    """An entry as the database has it: claims, for a verification to judge.

    `position` is None where it was never sealed. `salt` and `details` are None where the row of details is missing;
    `erased_by` is the number of the act that is said to have erased them.
    """

    position: int | None
    number: int
    happened_at: datetime
    who: str
    what: str
    request_id: UUID | None
    trace_id: str | None
    certificate_sha256: bytes | None
    category: str | None
    agencies: Sequence[str]
    bidder_id: str | None
    details_digest: bytes
    digest: bytes
    salt: bytes | None
    details: str | None
    erased_by: int | None


class SealedEntry(NamedTuple):
    """The entry of an act by its digest; all else is None while it is not sealed.

    That is its position, number and hash of the head, and the proof that it is in the history (`history.receipt_text`).
    """

    digest: bytes
    position: int | None
    head_number: int | None
    head_sha256: bytes | None
    proof: bytes | None = None


def write_details(entry: Entry) -> str:
    """Returns the details in canonical JSON: `before`, `after` and, where there is one, the `act` with base64."""
    details: dict[str, Any] = {"before": entry.before, "after": entry.after}
    if entry.act is not None:
        details["act"] = {
            "purpose": _write_base64(entry.act.purpose),
            "algorithm": entry.act.algorithm,
            "signature": _write_base64(entry.act.signature),
        }
        if entry.act.certificate is not None:
            details["act"]["certificate"] = _write_base64(entry.act.certificate)
    return _write(details)


def digest_details(salt: bytes, details: str) -> bytes:
    """Returns SHA-256(salt ‖ details in UTF-8)."""
    return sha256(salt + details.encode()).digest()


def digest_entry(chain: Chain, columns: Columns, details_digest: bytes) -> bytes:
    """Returns the hash of an entry as a leaf: SHA-256(0x00 ‖ canonical JSON), RFC 9162, 2.1.1."""
    return sha256(_LEAF + write_entry(chain, columns, details_digest).encode()).digest()


def write_entry(chain: Chain, columns: Columns, details_digest: bytes) -> str:
    """Returns the canonical JSON of an entry (RFC 8785): its columns, the chain's, and the digest of its details.

    Hashes are in hexadecimal; the instant is in UTC with six decimals and `Z`; what an entry has not is null.
    """
    certificate = columns.certificate_sha256
    request_id = columns.request_id
    # By hand, since an encoder takes more than twice as long: millions of these are verified.
    return (
        f'{{"agencies":[{",".join(map(_quote, columns.agencies))}],"bidder_id":{_quote_or_null(columns.bidder_id)},'
        f'"category":{_quote_or_null(columns.category)},'
        f'"certificate_sha256":{_quote_or_null(None if certificate is None else certificate.hex())},'
        f'"details_digest":"{details_digest.hex()}","happened_at":"{write_instant(columns.happened_at)}",'
        f'{chain.columns},"request_id":{_quote_or_null(None if request_id is None else str(request_id))},'
        f'"trace_id":{_quote_or_null(columns.trace_id)},"what":{_quote(columns.what)},"who":{_quote(columns.who)}}}'
    )


def digest_erased(digests: Iterable[bytes]) -> str:
    """Returns by what an act of erasure names its entries: SHA-256 of their digests, ascending, in hexadecimal."""
    return sha256(b"".join(sorted(digests))).hexdigest()


def write_instant(instant: datetime) -> str:
    """Returns an instant in UTC with six decimals and `Z` (RFC 3339)."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _quote_or_null(value: str | None) -> str:
    return "null" if value is None else _quote(value)


def _write_base64(value: bytes) -> str:
    return b64encode(value).decode()
