"""CRLs and cards that are not trusted, by CA of the profile, and the pool that judges strangers' certificates."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from certificate_registry.adapters.judgement_pool import JudgementPool
from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.pki.revocation_list import RevocationList
from certificate_registry.store import revocation_lists, trust
from servicekit.clock import now
from servicekit.database_connection import Connection
from servicekit.metrics import Ages, Metrics, Snapshot

# Label of addresses that only CA certificates or CRLs name; several CAs may share one.
NO_ONE_AUTHORITY = "unknown"


class RevocationListMetrics:
    """The CRLs of each CA; of several CRLs of one CA the worst counts."""

    def __init__(self, metrics: Metrics, trust_stores: TrustStoreCache, *, clock: Callable[[], datetime] = now) -> None:
        self._trust_stores = trust_stores
        self._issuers = trust_stores.map_issuers()
        label = ("authority",)
        self._count = Snapshot(metrics, "toroku_crl_lists", "Current CRLs", label)
        self._age = Ages(
            metrics,
            "toroku_crl_age_seconds",
            "Age of the oldest current CRL of the CA, from its thisUpdate, in seconds",
            label,
            clock=clock,
        )
        self._expires = Snapshot(
            metrics,
            "toroku_crl_expires_timestamp_seconds",
            "When the first current CRL of the CA expires (nextUpdate), in Unix time",
            label,
        )
        self._failures = Snapshot(
            metrics, "toroku_crl_fetch_failures", "Failed fetches of the CA's CRLs since the last success", label
        )

    async def refresh(self, connection: Connection) -> None:
        """Reads the CRLs and their fetches from the database; for `Metrics.refreshed`."""
        lists = await self._read_lists(connection)
        self._count.replace({(authority,): len(crls) for authority, crls in lists.items()})
        self._age.since(
            {(authority,): min(crl.this_update for crl in crls) for authority, crls in lists.items() if crls}
        )
        expiries = {
            authority: [crl.next_update for crl in crls if crl.next_update is not None]
            for authority, crls in lists.items()
        }
        self._expires.replace(
            {(authority,): min(instants).timestamp() for authority, instants in expiries.items() if instants}
        )
        failures = dict.fromkeys(self._trust_stores.authority_ids, 0)
        for authority, count in (await revocation_lists.count_failures(connection)).items():
            # The addresses of a CA that was removed from the profile are still stored.
            if authority is None or authority in failures:
                failures[authority or NO_ONE_AUTHORITY] = count
        self._failures.replace({(authority,): count for authority, count in failures.items()})

    async def _read_lists(self, connection: Connection) -> dict[str, list[RevocationList]]:
        lists: dict[str, list[RevocationList]] = {authority: [] for authority in self._trust_stores.authority_ids}
        current_scopes = await revocation_lists.read_current_scopes(connection)
        for issuer, crls in (await self._trust_stores.current(connection)).lists.items():
            for authority in self._issuers.get(issuer, ()):
                lists[authority] += [crl for crl in crls if crl.scope in current_scopes]
        return lists


class CardTrustMetrics:
    """The stored cards that are no longer trusted, of the profile's CAs and of those that were taken out of it."""

    def __init__(self, metrics: Metrics, trust_stores: TrustStoreCache) -> None:
        self._trust_stores = trust_stores
        self._count = Snapshot(
            metrics, "toroku_cards_not_trusted", "Unexpired cards of the CA that are no longer trusted", ("authority",)
        )

    async def refresh(self, connection: Connection) -> None:
        """Counts the cards in the database; for `Metrics.refreshed`."""
        counts = dict.fromkeys(self._trust_stores.authority_ids, 0) | dict(await trust.count_distrusted(connection))
        self._count.replace({(authority,): count for authority, count in counts.items()})


class JudgementMetrics(Collector):
    """The pool of one server, read at every scrape."""

    def __init__(self, metrics: Metrics, pool: JudgementPool) -> None:
        self._pool = pool
        metrics.registry.register(self)

    @override
    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of a scrape."""
        yield GaugeMetricFamily(
            "toroku_judgements_admitted",
            "Certificates of strangers that wait to be judged or are judged now",
            value=self._pool.admitted,
        )
        yield CounterMetricFamily(
            "toroku_judgement_processes_replaced",
            "Processes that ended or took too long while they judged a certificate",
            value=self._pool.replaced,
        )
