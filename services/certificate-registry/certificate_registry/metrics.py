"""How old the revocation lists are, when they expire, and whether they can be fetched, for each CA of the profile."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.adapters.trust_store_cache import Trusted
from certificate_registry.pki.revocation_list import RevocationList
from certificate_registry.store import revocation_lists as crl_store
from servicekit.clock import now
from servicekit.metrics import Ages, Metrics, Snapshot

# Of a place that only CA certificates or lists name, and that several CAs may share.
NO_ONE_AUTHORITY = "unknown"


class RevocationListMetrics:
    """The lists by which a CA's cards are judged; of several the one that is worst off counts."""

    def __init__(self, metrics: Metrics, trusted: Trusted, *, clock: Callable[[], datetime] = now) -> None:
        self._trusted = trusted
        self._issuers = trusted.issuers()
        label = ("authority",)
        self._held = Snapshot(metrics, "toroku_crl_lists", "Lists of revoked certificates that are held", label)
        self._age = Ages(
            metrics,
            "toroku_crl_age_seconds",
            "How long ago the CA issued the oldest of its lists that are held (thisUpdate), in seconds",
            label,
            clock=clock,
        )
        self._expires = Snapshot(
            metrics,
            "toroku_crl_expires_timestamp_seconds",
            "When the first of the CA's lists that are held expires (nextUpdate), in Unix time",
            label,
        )
        self._failures = Snapshot(
            metrics, "toroku_crl_fetch_failures", "How often fetching the CA's lists failed since it succeeded", label
        )

    async def look(self, connection: AsyncConnection) -> None:
        """Reads which lists are held, and how fetching goes; for `Metrics.refreshed`."""
        lists = await self._lists(connection)
        self._held.replace({(authority,): len(held) for authority, held in lists.items()})
        self._age.since(
            {(authority,): min(one.this_update for one in held) for authority, held in lists.items() if held}
        )
        ends = {
            authority: [one.next_update for one in held if one.next_update is not None]
            for authority, held in lists.items()
        }
        self._expires.replace({(authority,): min(found).timestamp() for authority, found in ends.items() if found})
        failures = dict.fromkeys(self._trusted.authorities, 0)
        for authority, count in (await crl_store.failures_in_a_row(connection)).items():
            # A CA that was taken out of the profile leaves its places behind.
            if authority is None or authority in failures:
                failures[authority or NO_ONE_AUTHORITY] = count
        self._failures.replace({(authority,): count for authority, count in failures.items()})

    async def _lists(self, connection: AsyncConnection) -> dict[str, list[RevocationList]]:
        found: dict[str, list[RevocationList]] = {authority: [] for authority in self._trusted.authorities}
        standing = await crl_store.standing_scopes(connection)
        for issuer, lists in (await self._trusted.now(connection)).lists.items():
            for authority in self._issuers.get(issuer, ()):
                found[authority] += [one for one in lists if one.scope in standing]
        return found
