"""Officers' acts are taken and remembered, in the transaction of what they do.

An operation first asks `find_outcome`, then `take_act`, does its work and writes its history entry, and at the end
calls `save_outcome`, unless its response has secrets.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import text

from officers.act import OfficerAct
from officers.directory import lock_officer
from refusals import Code, Refusal
from servicekit.access import refuse_caller
from servicekit.database_connection import Connection
from servicekit.identity import Kind
from servicekit.officers import require_good_certificate
from servicekit.statements import Statement

LIFETIME = timedelta(minutes=5)

# What a repetition of a request is answered by: ids, and instants as texts.
Response = Mapping[str, Any]

_USE_CHALLENGE = Statement(
    text(
        """
        WITH found AS (
            SELECT nonce_sha256, purpose_sha256, created_at, used_at FROM officer_challenge
            WHERE nonce_sha256 = :nonce_sha256 FOR UPDATE
        ), used AS (
            UPDATE officer_challenge SET used_at = :now FROM found
            WHERE officer_challenge.nonce_sha256 = found.nonce_sha256 AND found.used_at IS NULL
        )
        SELECT purpose_sha256, created_at, used_at FROM found
        """
    )
)
# Of two calls with one request at a time, one waits for the other's outcome.
_LOCK_REQUEST = Statement(text("SELECT pg_advisory_xact_lock(hashtextextended(:request, 0))"))
_FIND_OUTCOME = Statement(
    text(
        """
        SELECT request_sha256, CAST(response AS text) AS response FROM officer_outcome
        WHERE person_id = :person_id AND method = :method AND request_id = :request_id
        """
    )
)
_SAVE_OUTCOME = Statement(
    text(
        """
        INSERT INTO officer_outcome (person_id, method, request_id, request_sha256, response, recorded_at)
        VALUES (:person_id, :method, :request_id, :request_sha256, CAST(:response AS jsonb), now())
        """
    )
)


async def find_outcome(connection: Connection, act: OfficerAct) -> Response | None:
    """Returns what this request of the officer was answered by, or None; waits for a call with the same request.

    Raises REQUEST_ID_REUSED where it had other content.
    """
    await connection.fetch_value(_LOCK_REQUEST, request=f"{act.officer.person_id} {act.method} {act.request_id}")
    row = await connection.fetch_row(
        _FIND_OUTCOME, person_id=act.officer.person_id, method=act.method, request_id=act.request_id
    )
    if row is None:
        return None
    if row.request_sha256 != act.request_sha256:
        raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
    response: Response = json.loads(row.response)
    return response


async def take_act(connection: Connection, act: OfficerAct, now: datetime) -> None:
    """Uses an act up, and checks that its officer may do this now, which stays so until the transaction ends.

    Raises CHALLENGE_UNKNOWN, CHALLENGE_USED, CHALLENGE_EXPIRED, PURPOSE_ALTERED, OFFICER_CERTIFICATE_WITHDRAWN,
    OFFICER_CERTIFICATE_EXPIRED, CALLER_NOT_ALLOWED.
    """
    row = await connection.fetch_row(_USE_CHALLENGE, nonce_sha256=sha256(act.purpose.nonce).digest(), now=now)
    if row is None:
        raise Refusal("CHALLENGE_UNKNOWN", Code.FAILED_PRECONDITION)
    if row.used_at is not None:
        raise Refusal("CHALLENGE_USED", Code.FAILED_PRECONDITION)
    if now > row.created_at + LIFETIME:
        raise Refusal("CHALLENGE_EXPIRED", Code.FAILED_PRECONDITION)
    if sha256(act.signed.purpose).digest() != row.purpose_sha256:
        raise Refusal("PURPOSE_ALTERED", Code.INVALID_ARGUMENT)
    await require_officer(connection, act, now)


async def require_officer(connection: Connection, act: OfficerAct, now: datetime) -> None:
    """Checks that an act's officer may do this now; raises as `take_act`.

    Who stands in the file of callers only, or is not registered at all, was judged when the call began.
    """
    officer = act.officer
    if officer.kind is not Kind.OFFICER or officer.is_broken_glass:
        return
    found = await lock_officer(connection, officer.person_id, act.certificate_sha256)
    if found is None:
        raise refuse_caller(officer, act.method)
    require_good_certificate(found, now)
    if found.agency != officer.agency or (act.roles and found.roles.isdisjoint(act.roles)):
        raise refuse_caller(officer, act.method)


async def save_outcome(connection: Connection, act: OfficerAct, response: Response) -> None:
    """Keeps what a repetition of the request is answered by."""
    await connection.change(
        _SAVE_OUTCOME,
        person_id=act.officer.person_id,
        method=act.method,
        request_id=act.request_id,
        request_sha256=act.request_sha256,
        response=json.dumps(response, ensure_ascii=False),
    )
