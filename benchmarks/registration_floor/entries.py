"""What an entry of the list says, and the values that statements of several services name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CERTIFICATES, QUALIFICATIONS = "certificate_registry", "qualification_registry"
CONTACTS, PROPAGATIONS = "contact_notification", "agency_sync"
DATABASES = (CERTIFICATES, QUALIFICATIONS, CONTACTS, PROPAGATIONS)


# A queue for each client of pgbench: none finds its job taken by another one.
QUEUE = "('floor ' || (:client_id)::text)::varchar"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as pgbench runs it, and why a registration can't do without it.

    `gets` stores the columns of its row as variables.
    """

    why: str
    sql: str
    gets: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """Statements of one step in one database: reads, each for itself, or one transaction that writes."""

    name: str
    database: str
    statements: Sequence[Statement]
    writes: bool

    @property
    def has_block(self) -> bool:
        """Whether it needs BEGIN and COMMIT."""
        return self.writes and len(self.statements) > 1


@dataclass(frozen=True, slots=True)
class Call:
    """A call of ours: service and method, how often, and the bytes of request and response."""

    method: str
    times: int
    request: int
    response: int


def reads(name: str, database: str, *statements: Statement) -> Step:
    """Returns a step that changes nothing."""
    return Step(name, database, statements, writes=False)


def change(name: str, database: str, *statements: Statement) -> Step:
    """Returns a step that is one transaction."""
    return Step(name, database, statements, writes=True)


def job(name: str, database: str) -> Iterable[Step]:
    """Returns what one job costs beside its work: to be claimed by one worker only, and to be over for ever."""
    claim = f"SELECT id AS job FROM jobs.procrastinate_fetch_job_v2(ARRAY[{QUEUE}], NULL::bigint)"
    yield change(name, database, Statement("one worker runs it, and it runs again if that one dies", claim, gets=True))
    finish = "DELETE FROM jobs.procrastinate_jobs WHERE id = (:job)::bigint AND status IN ('todo', 'doing')"
    yield change(name, database, Statement("it does not run again", finish))


def enqueue(why: str, count: int) -> Statement:
    """Returns the statement that enqueues jobs in their transaction."""
    row = (
        f"ROW({QUEUE}, 'floor', 0, NULL, NULL, jsonb_build_object('card', md5((:n)::text), 'traceparent', ''), NULL)"
        "::jobs.procrastinate_job_to_defer_v1"
    )
    return Statement(why, f"SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[{', '.join([row] * count)}])")


CARD = "sha256(('card ' || (:n)::text)::bytea)"
LOG_IN = "sha256(('log-in ' || (:n)::text)::bytea)"
ACT = "sha256(('act ' || (:n)::text)::bytea)"
SESSION = "sha256(('session ' || (:n)::text)::bytea)"
BIDDER = "(:bidder)::text"
REGISTRATION = "md5('registration ' || (:n)::text)::uuid"
REQUEST = "md5('request ' || (:n)::text)::uuid"
NOTICE = "md5('notice ' || (:n)::text)::uuid"
SECOND_NOTICE = "md5('second notice ' || (:n)::text)::uuid"
DER = "decode(repeat('30', 1100), 'hex')"
