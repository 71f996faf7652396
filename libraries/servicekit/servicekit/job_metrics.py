"""Metrics of a worker: waiting and failing jobs, their age, peers that are away, and the outcomes of runs."""

from prometheus_client import Counter, Gauge, Histogram

from servicekit import jobs
from servicekit.call_counts import INTERNAL_FAILURE, OK
from servicekit.database_connection import Connection
from servicekit.metrics import Ages, Metrics, Snapshot

# Upper bounds in seconds; the longest timeout of a task is ten minutes.
BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class JobMetrics:
    """The metrics of one worker. All its tasks and queues are shown from the start, with zeros."""

    def __init__(self, metrics: Metrics, work: jobs.Work) -> None:
        self._queues = jobs.queues(work)
        self._runs = Counter(
            "toroku_job_runs_total",
            "Runs of jobs that ended, by outcome",
            ("task", "outcome"),
            registry=metrics.registry,
        )
        self._seconds = Histogram(
            "toroku_job_seconds",
            "How long runs of jobs took, in seconds",
            ("task",),
            buckets=BUCKETS,
            registry=metrics.registry,
        )
        for task in work.tasks:
            self._seconds.labels(task)
            for outcome in (OK, INTERNAL_FAILURE):
                self._runs.labels(task, outcome)
        self._waiting = Snapshot(metrics, "toroku_jobs_waiting", "Jobs that are not done yet", ("queue",))
        self._failing = Snapshot(
            metrics,
            "toroku_jobs_failing",
            "Jobs that are not done yet and whose last try failed",
            ("queue",),
        )
        self._peers_away = Gauge(
            "toroku_jobs_peer_away",
            "1 while the jobs of a queue wait because the peer that they call does not answer, otherwise 0",
            ("queue", "peer"),
            registry=metrics.registry,
        )
        self._peers = {queue: peer.name for queue, peer in work.peers.items()}
        for queue in self._peers:
            self.report_peer(queue, False)
        self._oldest = Ages(
            metrics,
            "toroku_jobs_oldest_waiting_seconds",
            "How long ago the oldest job that is not done yet was enqueued, in seconds; missing where none waits",
            ("queue",),
        )

    def count(self, task: str, outcome: str, seconds: float) -> None:
        """Counts one run; `job_run.run` calls it."""
        self._runs.labels(task, outcome).inc()
        self._seconds.labels(task).observe(seconds)

    def report_peer(self, queue: str, is_away: bool) -> None:
        """Shows whether the jobs of a queue wait for their peer; `job_run.run` calls it."""
        self._peers_away.labels(queue, self._peers[queue]).set(is_away)

    async def look(self, connection: Connection) -> None:
        """Reads the waiting jobs; `Metrics.refreshed` calls it."""
        counts = dict.fromkeys(self._queues, 0) | dict(await jobs.waiting(connection))
        self._waiting.replace({(queue,): count for queue, count in counts.items()})
        failing = dict.fromkeys(self._queues, 0) | dict(await jobs.failing(connection))
        self._failing.replace({(queue,): count for queue, count in failing.items()})
        oldest = await jobs.oldest_waiting(connection)
        self._oldest.since({(queue,): enqueued_at for queue, enqueued_at in oldest.items()})
