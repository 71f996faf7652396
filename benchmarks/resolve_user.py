"""ResolveUser of the real service, side by side with a bare servicer that runs the same SELECT."""

import asyncio
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.bare_process import running_bare
from benchmarks.h2load import Load, load
from benchmarks.process_costs import read_cpu
from benchmarks.results import Measured, write_aim
from operator_command.launcher.instance import Instance, running_instance
from operator_command.topology import HOST
from tests.support.infrastructure.trace_collector import trace_collector
from toroku.certificate.v1 import user_lookup_pb2

ROOT = Path(__file__).parents[1]
METHOD = "/toroku.certificate.v1.UserLookup/ResolveUser"
AGENCY = "saitama-prefecture"
CARDS, AGENCIES = 30_000, 60
ROUNDS = 5
BARE = f"{HOST}:19443"
# Of the bare servicer's.
LEAST_RATE, MOST_P99, MOST_CPU, LEAST_SEQUENTIAL = 1.8, 0.8, 0.5, 0.9

FILL = (
    # Cards without a certificate would not pass, so the worker must not judge them: these rules are not its own.
    "UPDATE trust_rules SET sha256 = sha256('benchmark')",
    """
    INSERT INTO trust_path (path_sha256, authority, issuers, authorities, lists, valid_until, revocation_as_of)
    VALUES (sha256('path'), 'test-ca', ARRAY[sha256('CN=Test')], '{}', '{}', now() + interval '5 years',
        now() - interval '1 hour')
    """,
    """
    INSERT INTO card (certificate_sha256, tbs_sha256, certificate, other_certificates, authority, issuer, issuer_sha256,
        serial, not_before, not_after, revocation_status, checked_at, first_seen_at, path_sha256, revocation_as_of)
    SELECT sha256(('card ' || n)::bytea), sha256(('tbs ' || n)::bytea), '', '{}', 'test-ca', 'CN=Test',
        sha256('CN=Test'), decode(lpad(to_hex(n), 8, '0'), 'hex'), now() - interval '1 day',
        now() + interval '2 years', 'good', now(), now(), sha256('path'), now() - interval '1 hour'
    FROM generate_series(1, %(cards)s) AS n
    """,
    # Qualified at all agencies, in this term and in the next.
    """
    INSERT INTO bidder_state (bidder_id, category, status, suspended_agencies, qualified_since, qualified_at,
        review_agencies, review_began_at, version_epoch, version_number, recorded_at)
    SELECT (1000000000 + n)::text, 'works', 'active', '{}',
        ARRAY[now() - interval '1 year', now() + interval '1 year', now() + interval '3 years'],
        ARRAY['  ', codes, codes, '  '], '{}', '{}', 1, 1, now()
    FROM generate_series(1, %(cards)s) AS n, (
        SELECT ' ' || string_agg(CASE a WHEN 1 THEN %(agency)s ELSE 'agency-' || a END, ' ') || ' ' AS codes
        FROM generate_series(1, %(agencies)s) AS a
    ) AS offered
    """,
    """
    INSERT INTO binding (certificate_sha256, category, number, bidder_id, began_at, began_because, password_proven,
        company, holder)
    SELECT sha256(('card ' || n)::bytea), 'works', 1, (1000000000 + n)::text, now(), 'registration', true, 'same',
        'not compared'
    FROM generate_series(1, %(cards)s) AS n
    """,
    """
    INSERT INTO registration (agency, category, certificate_sha256, binding_number, registration_id, bidder_id,
        registered_at, origin)
    SELECT CASE a WHEN 1 THEN %(agency)s ELSE 'agency-' || a END, 'works', sha256(('card ' || n)::bytea), 1,
        gen_random_uuid(), (1000000000 + n)::text, now(), CASE a WHEN 1 THEN 'contractor' ELSE 'propagation' END
    FROM generate_series(1, %(cards)s) AS n, generate_series(1, %(agencies)s) AS a
    """,
    """
    INSERT INTO request_outcome (certificate_sha256, method, request_id, payload_sha256, request_sha256,
        registration_id, category, agency, recorded_at)
    SELECT certificate_sha256, 'register', gen_random_uuid(), certificate_sha256, certificate_sha256, registration_id,
        category, agency, registered_at
    FROM registration WHERE origin = 'contractor'
    """,
    """
    INSERT INTO card_state (certificate_sha256, category, version_epoch, version_number)
    SELECT certificate_sha256, category, 1, 1 FROM binding
    """,
)


@dataclass(frozen=True, slots=True)
class Run:
    """A measurement: the load, and the CPU seconds of the servicer's process and of PostgreSQL meanwhile."""

    load: Load
    cpu: float
    database_cpu: float


async def measure() -> Measured:
    """Prints calls per second, p99, CPU per call and their ratios, with 64 concurrent calls and for one caller."""
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        async with trace_collector() as collected:
            settings = {"TOROKU_OTLP_ENDPOINT": collected.endpoint, "TOROKU_TRACE_SAMPLING": "0.01"}
            async with running_instance(
                ROOT / "profiles" / "saitama.yaml",
                Path(folder) / "state",
                durable=False,
                further_settings=settings,
                postgresql_settings={"shared_buffers": "1GB"},
            ) as instance:
                await asyncio.to_thread(fill, instance)
                print(f"{CARDS * AGENCIES:,} registrations, tracing at 1 %; fsync is off, since neither side writes")
                dsn = instance.services["user-lookup"].database or ""
                async with running_bare(instance, "user-lookup", "benchmarks.bare_resolve_user", dsn, BARE) as bare:
                    sent, figures = await _compare(instance, bare)
                spans = sum(span.name == METHOD for _, span in collected.spans)
                log = instance.services["user-lookup"].server.log
        counted = ", ".join(f"{outcome}: {count}" for outcome, count in read_counts(log, METHOD).items()) or "no call"
    print(f"{spans} of {sent} calls were traced; the server counts {counted}")
    return Measured(figures)


async def _compare(instance: Instance, bare_pid: int) -> tuple[int, Mapping[str, float]]:
    sent, figures = 0, dict[str, float]()
    sides = (
        (instance.addresses.of("user-lookup", "agency"), instance.services["user-lookup"].server.pid),
        (BARE, bare_pid),
    )
    for name, clients, streams, calls in (("64 concurrent", 8, 8, 20_000), ("sequential", 1, 1, 2_000)):
        ours: list[Run] = []
        bare: list[Run] = []
        for round_number in range(ROUNDS + 1):
            # The order alternates, so that neither is always first; the first round only warms up.
            for which in (ours, bare) if round_number % 2 else (bare, ours):
                address, pid = sides[which is bare]
                before = read_cpu(pid), read_cpu(instance.postgresql.pid)
                measured = await resolve(instance, address, clients=clients, streams=streams, calls=calls)
                run = Run(measured, read_cpu(pid) - before[0], read_cpu(instance.postgresql.pid) - before[1])
                sent += calls if which is ours else 0
                if round_number:
                    which.append(run)
        figures |= _print(name, ours, bare)
    print(write_aim("calls/s with 64 at a time, of bare", figures["64 concurrent: ratio"], LEAST_RATE, most=False))
    print(write_aim("p99 with 64 at a time, of bare", figures["64 concurrent: ratio of p99"], MOST_P99))
    print(write_aim("CPU per call with 64 at a time, of bare", figures["64 concurrent: ratio of CPU"], MOST_CPU))
    print(write_aim("calls/s of one caller, of bare", figures["sequential: ratio"], LEAST_SEQUENTIAL, most=False))
    return sent, figures


async def resolve(instance: Instance, address: str, *, clients: int, streams: int, calls: int) -> Load:
    """Asks for one of the cards that `fill` registered, as an agency."""
    with psycopg.connect(instance.services["certificate-registry"].database or "") as connection:
        row = connection.execute("SELECT sha256('card 4711')").fetchone()
    assert row is not None
    request = user_lookup_pb2.ResolveUserRequest(
        agency=AGENCY, category="works", certificate_sha256=row[0], possession_verified=True
    )
    caller = instance.certificates.agencies[AGENCY]
    return await load(address, METHOD, request, caller, clients=clients, streams=streams, calls=calls)


def _print(name: str, ours: list[Run], bare: list[Run]) -> Mapping[str, float]:
    print(name)
    figures: dict[str, float] = {}
    for who, runs in (("ours", ours), ("bare", bare)):
        rates, p50, p99 = zip(*((run.load.calls_per_second, run.load.p50, run.load.p99) for run in runs), strict=True)
        cpu, database = (
            statistics.median(seconds / run.load.calls * 1e6 for run, seconds in each)
            for each in ([(run, run.cpu) for run in runs], [(run, run.database_cpu) for run in runs])
        )
        print(
            f"  {who}  {statistics.median(rates):7.0f} calls/s ({min(rates):.0f} to {max(rates):.0f})"
            f"  p50 {statistics.median(p50):6.2f} ms  p99 {statistics.median(p99):6.2f} ms"
            f"  CPU {cpu:.0f} µs a call, PostgreSQL {database:.0f} µs"
        )
        figures |= {f"{name}: {who} calls/s": statistics.median(rates), f"{name}: {who} CPU µs": cpu}
    for what, ratios in (
        (
            "ratio",
            [one.load.calls_per_second / other.load.calls_per_second for one, other in zip(ours, bare, strict=True)],
        ),
        ("ratio of p50", [one.load.p50 / other.load.p50 for one, other in zip(ours, bare, strict=True)]),
        ("ratio of p99", [one.load.p99 / other.load.p99 for one, other in zip(ours, bare, strict=True)]),
        ("ratio of CPU", [one.cpu / other.cpu for one, other in zip(ours, bare, strict=True)]),
    ):
        figures[f"{name}: {what}"] = statistics.median(ratios)
        print(f"  {what} {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return figures


def fill(instance: Instance) -> None:
    """Registers CARDS cards at AGENCIES agencies."""
    dsn = instance.services["certificate-registry"].database
    assert dsn is not None
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement, {"cards": CARDS, "agencies": AGENCIES, "agency": AGENCY})
        connection.execute("VACUUM ANALYZE card, bidder_state, binding, registration, request_outcome, card_state")


def read_counts(log: Path, method: str) -> dict[str, int]:
    """Returns the calls to a method by outcome, as a server logs them when it ends."""
    counts: dict[str, int] = {}
    for line in log.read_text().splitlines():
        _, found, counted = line.partition(f"calls: {method} ")
        if found:
            outcome, _, count = counted.rpartition(": ")
            counts[outcome] = int(count)
    return counts
