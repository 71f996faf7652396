"""The connections of a server and the files that its process may open: raised, watched, and reported before they end.

gRPC closes connections beyond a listener's bound without a word, and a process without a file left refuses everybody.
Both are read from /proc; where there is none (macOS), nothing is watched.
"""

import asyncio
import logging
import resource
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

log = logging.getLogger(__name__)

# Files that a server opens besides its connections: database, peers, probes, scrapes, libraries.
RESERVED_FILES = 256
# Seconds between two looks, and between repeated log lines.
LOOK_INTERVAL = 5.0
LOG_AGAIN_AFTER = 30.0
# The share of the files that a process may open above which the log says so.
_MOST_SHARE = 0.9

_PROCESS = Path("/proc/self")
_ESTABLISHED = "01"


class ConnectionWatch(Collector):
    """The connections of each listener, by its name, and the open files of the process."""

    def __init__(self, listeners: Mapping[str, tuple[str, int]]) -> None:
        # By name: the port in the form of /proc, and the bound.
        self._listeners = {
            name: (f"{int(address.rpartition(':')[2]):04X}", most) for name, (address, most) in listeners.items()
        }
        self._log_again_at: dict[str, float] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks every five seconds until the block ends."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    @override
    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of a scrape."""
        found = self._count()
        open_now = GaugeMetricFamily("toroku_connections", "Open connections of a listener", labels=("listener",))
        most = GaugeMetricFamily(
            "toroku_most_connections", "Connections that a listener admits at a time", labels=("listener",)
        )
        for name, (_, bound) in self._listeners.items():
            open_now.add_metric((name,), found[name])
            most.add_metric((name,), bound)
        yield open_now
        yield most

    async def _watch(self) -> None:
        while True:
            try:
                files = await count_open_files()
                # The table has the connections of the whole machine: it is read only where a listener could be full.
                may_be_full = any(most <= files for _, most in self._listeners.values())
                found = await asyncio.to_thread(self._count) if may_be_full else {}
            except OSError as error:
                log.warning("connections and open files can't be counted: %s", error)
                return
            for name, number in found.items():
                most = self._listeners[name][1]
                if number >= most:
                    self._warn(name, f"{name} listener: all {most} connections are open, further ones are closed")
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            if files > limit * _MOST_SHARE:
                self._warn("files", f"{files} of the {limit} files that this process may open are open")
            await asyncio.sleep(LOOK_INTERVAL)

    def _count(self) -> Mapping[str, int]:
        ports = Counter(row[1].rpartition(":")[2] for row in _read_connections())
        return {name: ports[port] for name, (port, _) in self._listeners.items()}

    def _warn(self, what: str, line: str) -> None:
        if time.monotonic() >= self._log_again_at.get(what, 0.0):
            self._log_again_at[what] = time.monotonic() + LOG_AGAIN_AFTER
            log.warning("%s", line)


def raise_file_limit(connections: int) -> None:
    """Lets this process open as many files as its listeners admit connections, and says so where it may not."""
    needed = connections + RESERVED_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < needed:
        log.warning(
            "the listeners admit %s connections, but this process may open %s files only: raise the hard limit of open "
            "files (ulimit -n, LimitNOFILE) to %s, or lower the bounds",
            *(connections, soft, needed),
        )


async def count_open_files() -> int:
    """Returns how many files this process has open."""
    folder = _PROCESS / "fd"
    # Linux counts them since 6.2; before, the size is 0, and they have to be listed.
    return folder.stat().st_size or await asyncio.to_thread(lambda: sum(1 for _ in folder.iterdir()))


def _read_connections() -> Iterator[list[str]]:
    # A listener on all addresses has its IPv4 connections in the table of IPv6.
    for table in ("tcp", "tcp6"):
        file = _PROCESS / "net" / table
        if file.exists():
            rows = file.read_text("ascii").splitlines()[1:]
            yield from (columns for row in rows if (columns := row.split())[3] == _ESTABLISHED)
