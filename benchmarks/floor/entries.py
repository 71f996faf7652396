"""What a floor and its entries say, and the values that statements of several services name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CERTIFICATES, QUALIFICATIONS = "certificate_registry", "qualification_registry"
CONTACTS, PROPAGATIONS = "contact_notification", "agency_sync"
DATABASES = (CERTIFICATES, QUALIFICATIONS, CONTACTS, PROPAGATIONS)


# A queue for each client of pgbench: none finds its job taken by another one.
QUEUE = "('floor ' || (:client_id)::text)::varchar"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as pgbench runs it, and why its operation can't do without it.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What one operation must do: statements by step, calls of ours, and how often what costs CPU."""

    # "a registration", as its sentences begin.
    operation: str
    steps: Sequence[Step]
    calls: Sequence[Call]
    # Of certificate paths. What follows the first one of a card rests on it for as long as certificate, chain and
    # lists are the same.
    validations: int
    # Of passwords, by argon2.
    verifications: int
    card_signatures: int
    # By a key of a service, or of a renewal.
    statements_signed: int
    statements_verified: int
    # What was done before, and is not measured: its steps leave the rows that these ones need.
    after: "Floor | None" = None


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


def look_for_delayed(name: str, database: str) -> Step:
    """Returns what a job costs besides that begins later: mails wait until the entry of their act is sealed."""
    sql = f"SELECT min(scheduled_at) FROM jobs.procrastinate_jobs WHERE queue_name = {QUEUE} AND status = 'todo'"
    return reads(name, database, Statement("the worker, which was woken by it, learns when it is due", sql))


def enqueue(why: str, count: int) -> Statement:
    """Returns the statement that enqueues jobs in their transaction."""
    row = (
        f"ROW({QUEUE}, 'floor', 0, NULL, NULL, jsonb_build_object('card', md5((:n)::text), 'traceparent', ''), NULL)"
        "::jobs.procrastinate_job_to_defer_v1"
    )
    return Statement(why, f"SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[{', '.join([row] * count)}])")


# A registration's values. Those of another operation are named after it: what it finds was registered under the same
# number.
CARD = "sha256(('card ' || (:n)::text)::bytea)"
LOG_IN = "sha256(('log-in ' || (:n)::text)::bytea)"
ACT = "sha256(('act ' || (:n)::text)::bytea)"
SESSION = "sha256(('session ' || (:n)::text)::bytea)"
BIDDER = "(:bidder)::text"
REGISTRATION = "md5('registration ' || (:n)::text)::uuid"
REQUEST = "md5('request ' || (:n)::text)::uuid"
NOTICE = "md5('notice ' || (:n)::text)::uuid"
SECOND_NOTICE = "md5('second notice ' || (:n)::text)::uuid"
CHANGE_LOG_IN = "sha256(('log-in of change ' || (:n)::text)::bytea)"
CHANGE_ACT = "sha256(('act of change ' || (:n)::text)::bytea)"
CHANGE_SESSION = "sha256(('session of change ' || (:n)::text)::bytea)"
CHANGE_REQUEST = "md5('request of change ' || (:n)::text)::uuid"
CHANGE_NOTICE = "md5('notice of change ' || (:n)::text)::uuid"
NEW_CARD = "sha256(('new card ' || (:n)::text)::bytea)"
OLD_LOG_IN = "sha256(('log-in of old card ' || (:n)::text)::bytea)"
NEW_LOG_IN = "sha256(('log-in of new card ' || (:n)::text)::bytea)"
OLD_ACT = "sha256(('act of old card ' || (:n)::text)::bytea)"
NEW_ACT = "sha256(('act of new card ' || (:n)::text)::bytea)"
OLD_SESSION = "sha256(('session of old card ' || (:n)::text)::bytea)"
NEW_SESSION = "sha256(('session of new card ' || (:n)::text)::bytea)"
RENEWAL = "md5('renewal ' || (:n)::text)::uuid"
RENEWAL_REQUEST = "md5('request of renewal ' || (:n)::text)::uuid"
RENEWAL_NOTICE = "md5('notice of renewal ' || (:n)::text)::uuid"
SECOND_RENEWAL_NOTICE = "md5('second notice of renewal ' || (:n)::text)::uuid"
DER = "decode(repeat('30', 1100), 'hex')"
