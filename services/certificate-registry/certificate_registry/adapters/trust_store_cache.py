"""The CAs and revocation lists by which cards are judged; the lists stand in the database and are read when changed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.revocation_list import RevocationList, parse_revocation_list
from certificate_registry.pki.trust_store import TrustStore, build_trust_store, collect_fetch_urls
from certificate_registry.store import revocation_lists as crl_store


class Trusted:
    """What one process trusts. Raises ValueError, naming the CA, where the profile is wrong."""

    def __init__(self, authorities: Sequence[CardAuthority]) -> None:
        self._authorities = {authority.id: authority for authority in authorities}
        self.authorities = tuple(self._authorities)
        self._trust = build_trust_store(authorities)
        self._lists: dict[bytes, RevocationList] = {}
        self._reading = asyncio.Lock()

    async def now(self, connection: AsyncConnection) -> TrustStore:
        """The trust with the lists as the database holds them now; only lists that changed are read."""
        versions = await crl_store.held_versions(connection)
        if self._is_current(versions.items()):
            return self._trust
        async with self._reading:
            changed = [scope for scope, sha256 in versions.items() if not self._holds(scope, sha256)]
            for der in await crl_store.read_lists(connection, changed):
                # A large list takes a while to be read; calls go on meanwhile.
                held = await asyncio.to_thread(parse_revocation_list, der)
                self._lists[held.scope] = held
            for scope in self._lists.keys() - versions.keys():
                del self._lists[scope]
            self._trust = self._trust.with_lists(self._lists.values())
            return self._trust

    def sources(self) -> Sequence[tuple[str, str | None]]:
        """The places where lists are fetched, as far as profile, CA certificates and lists say: (url, CA's id)."""
        configured = {
            url: authority.id for authority in self._authorities.values() for url in authority.revocation.crl_urls
        }
        return [(url, configured.get(url)) for url in sorted(collect_fetch_urls(self._trust))]

    def issuers(self) -> Mapping[str, Set[str]]:
        """The CAs of the profile by the names that issue their lists (`RevocationList.issuer_key`); a root that several
        of them stand under issues for all of those."""
        found: dict[str, set[str]] = {}
        for authority in self._authorities.values():
            for der in authority.certificates:
                subject = parse_certificate(der).parsed.subject.hashable
                found.setdefault(subject, set()).add(authority.id)
        return found

    def rule(self, authority: str | None) -> RevocationRule:
        """How often a CA's list is fetched; for a place that belongs to no one CA, the quickest rule of all."""
        known = self._authorities.get(authority or "")
        if known is not None:
            return known.revocation
        rules = [authority.revocation for authority in self._authorities.values()]
        return min(rules, key=lambda rule: rule.refresh, default=RevocationRule())

    def _is_current(self, versions: Iterable[tuple[bytes, bytes]]) -> bool:
        count = 0
        for scope, sha256 in versions:
            count += 1
            if not self._holds(scope, sha256):
                return False
        return count == len(self._lists)

    def _holds(self, scope: bytes, sha256: bytes) -> bool:
        held = self._lists.get(scope)
        return held is not None and held.sha256 == sha256
