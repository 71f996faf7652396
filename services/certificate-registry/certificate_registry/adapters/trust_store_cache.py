"""The trust store of this process: the CAs of the profile, with the CRLs of the database, parsed only when changed."""

import asyncio
from collections.abc import Mapping, Sequence, Set
from datetime import timedelta

from certificate_registry.convert.registry import read_card_authorities
from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule, hash_rules
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.revocation_list import RevocationList, parse_revocation_list
from certificate_registry.pki.trust_store import TrustStore, build_trust_store, collect_fetch_urls
from certificate_registry.store import revocation_lists
from instance_profile.load import ProfileError
from instance_profile.model import Profile
from servicekit.database_connection import Connection


class TrustStoreCache:
    """Raises ValueError, with the id of the CA, for an error in the profile."""

    def __init__(self, authorities: Sequence[CardAuthority]) -> None:
        self._authorities = {authority.id: authority for authority in authorities}
        self.authority_ids = tuple(self._authorities)
        self.rules_sha256 = hash_rules(authorities)
        self._trust_store = build_trust_store(authorities)
        self._lists: dict[bytes, RevocationList] = {}
        self._update = asyncio.Lock()

    async def current(self, connection: Connection, *, parsed: RevocationList | None = None) -> TrustStore:
        """Returns the trust store with the CRLs that the database has now; parses only those that changed.

        `parsed` is a CRL that was just written: it is not parsed, nor its signature verified, a second time.
        """
        versions, _ = await revocation_lists.read_versions(connection)
        return await self.adopt(connection, versions, parsed=parsed)

    async def adopt(
        self, connection: Connection, versions: Mapping[bytes, bytes], *, parsed: RevocationList | None = None
    ) -> TrustStore:
        """Returns the trust store with the CRLs that were just seen in the database: SHA-256 by scope.

        It is the same object for as long as these are the same. `parsed`: as for `current`.
        """
        if self._is_current(versions):
            return self._trust_store
        async with self._update:
            if self._is_current(versions):
                return self._trust_store
            if parsed is not None and versions.get(parsed.scope) == parsed.sha256:
                self._lists[parsed.scope] = parsed
            changed = [scope for scope, sha256 in versions.items() if not self._has(scope, sha256)]
            for der in await revocation_lists.read_lists(connection, changed) if changed else ():
                # In a thread, because parsing a long CRL would block calls.
                revocation_list = await asyncio.to_thread(parse_revocation_list, der)
                self._lists[revocation_list.scope] = revocation_list
            for scope in self._lists.keys() - versions.keys():
                del self._lists[scope]
            self._trust_store = self._trust_store.with_lists(self._lists.values())
            return self._trust_store

    def list_sources(self) -> Sequence[tuple[str, str | None]]:
        """Returns the CRL addresses of the profile, the CA certificates and the CRLs: (url, id of the CA or None)."""
        configured = {
            url: authority.id for authority in self._authorities.values() for url in authority.revocation.crl_urls
        }
        return [(url, configured.get(url)) for url in sorted(collect_fetch_urls(self._trust_store))]

    def map_issuers(self) -> Mapping[str, Set[str]]:
        """Returns the ids of the CAs by the issuer of their CRLs (`RevocationList.issuer_key`).

        A root above several CAs of the profile issues CRLs for all of them.
        """
        issuers: dict[str, set[str]] = {}
        for authority in self._authorities.values():
            for der in authority.certificates:
                subject = parse_certificate(der).parsed.subject.hashable
                issuers.setdefault(subject, set()).add(authority.id)
        return issuers

    def revocation_rule(self, authority_id: str | None) -> RevocationRule:
        """Returns a CA's rule; for an address that belongs to no one CA, the rule with the shortest refresh time."""
        authority = self._authorities.get(authority_id or "")
        if authority is not None:
            return authority.revocation
        rules = [authority.revocation for authority in self._authorities.values()]
        return min(rules, key=lambda rule: rule.refresh, default=RevocationRule())

    def list_refreshes(self) -> Mapping[str | None, timedelta]:
        """Returns the longest time between two fetches of a CRL, by CA id; None is that of addresses of no one CA."""
        return {id: self.revocation_rule(id).refresh for id in (*self.authority_ids, None)}

    def _is_current(self, versions: Mapping[bytes, bytes]) -> bool:
        return len(versions) == len(self._lists) and all(self._has(scope, sha256) for scope, sha256 in versions.items())

    def _has(self, scope: bytes, sha256: bytes) -> bool:
        revocation_list = self._lists.get(scope)
        return revocation_list is not None and revocation_list.sha256 == sha256


def open_trust_stores(profile: Profile) -> TrustStoreCache:
    """Returns the trust stores of a profile's CAs; raises ProfileError."""
    try:
        return TrustStoreCache(read_card_authorities(profile))
    except ValueError as error:
        # Loading the profile checks the same; whatever it does not find is a mistake of the profile all the same.
        raise ProfileError([str(error)]) from error
