"""What a commit of a registration writes: a few statements, whatever it changes."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.challenge import hash_nonce
from certificate_registry.domain.notice import NoticeKind
from certificate_registry.domain.outcome import Method, Outcome
from certificate_registry.domain.proven import Proven
from certificate_registry.domain.registration import Origin, Registration
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_SETTLE = Statement(
    text(
        f"""
        WITH used AS (
            UPDATE challenge SET used_at = :now WHERE nonce_sha256 = :nonce_sha256 AND used_at IS NULL RETURNING 1
        ), renewed AS (
            UPDATE card_session SET last_used_at = greatest(last_used_at, :now) WHERE token_sha256 = :token_sha256
        ), recorded AS (
            INSERT INTO request_outcome (
                certificate_sha256, method, request_id, payload_sha256, request_sha256, registration_id, category,
                agency, recorded_at
            ) VALUES (
                :certificate_sha256, '{Method.REGISTER.value}', :request_id, :payload_sha256, :request_sha256,
                :registration_id, :category, :agency, :now
            )
            ON CONFLICT DO NOTHING
            RETURNING 1
        )
        SELECT EXISTS (SELECT FROM used) AS is_used, EXISTS (SELECT FROM recorded) AS is_recorded
        """  # noqa: S608  # a constant
    )
)


def write_binding_begin(because: str) -> str:
    """Returns the statement by which a binding begins for this reason, a constant."""
    return f"""
        INSERT INTO binding (
            certificate_sha256, category, number, bidder_id, began_at, began_because, password_proven, company, holder
        ) VALUES (
            :certificate_sha256, :category, :number, :bidder_id, :now, '{because}', :password_proven, :company, :holder
        )
    """  # noqa: S608  # see above


# A binding is proven again.
PROVE_BINDING = """
    UPDATE binding SET password_proven = :password_proven, company = :company, holder = :holder
    WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND number = :number
"""


def _register_statement(bind: str) -> Statement:
    return Statement(
        text(
            f"""
            WITH bound AS ({bind}), registered AS (
                INSERT INTO registration (
                    certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at,
                    origin
                ) VALUES (
                    :certificate_sha256, :category, :agency, :number, :registration_id, :bidder_id, :now,
                    '{Origin.CONTRACTOR.value}'
                )
            ), noticed AS (
                INSERT INTO notice (notice_id, kind, registration_id, history_number, written_at)
                SELECT notice_id, kind, :registration_id, CAST(:history_number AS bigint), :now
                FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:notice_kinds AS text[])) AS written (notice_id, kind)
            )
            INSERT INTO card_state AS known (certificate_sha256, category, version_epoch, version_number)
            SELECT :certificate_sha256, :category, epoch.epoch, 1 FROM epoch
            ON CONFLICT (certificate_sha256, category) DO UPDATE SET version_epoch = excluded.version_epoch,
                version_number = known.version_number + 1
            """  # noqa: S608  # constants
        )
    )


_REGISTER_WITH_NEW_BINDING = _register_statement(write_binding_begin("registration"))
_REGISTER_WITH_LIVE_BINDING = _register_statement(PROVE_BINDING)


async def settle(
    connection: Connection,
    certificate_sha256: bytes,
    request_id: UUID,
    outcome: Outcome,
    *,
    nonce: bytes,
    token_sha256: bytes,
    now: datetime,
) -> tuple[bool, bool]:
    """Uses up a nonce, renews the session, whose row the caller has locked, and records the outcome of its request.

    Returns whether the nonce was unused, and whether the request had no outcome yet. Waits for a concurrent transaction
    that does one of these: the first one to commit counts.
    """
    row = await connection.fetch_row(
        _SETTLE,
        certificate_sha256=certificate_sha256,
        request_id=request_id,
        payload_sha256=outcome.payload_sha256,
        request_sha256=outcome.request_sha256,
        registration_id=outcome.registration_id,
        category=outcome.category,
        agency=outcome.agency,
        nonce_sha256=hash_nonce(nonce),
        token_sha256=token_sha256,
        now=now,
    )
    return row.is_used, row.is_recorded


async def write_registration(
    connection: Connection,
    registration: Registration,
    *,
    binding_number: int,
    proven: Proven,
    begins_binding: bool,
    notices: Mapping[UUID, NoticeKind],
    history_number: int,
) -> None:
    """Writes a contractor's registration, what was proven with its binding, its notices, and the next number of the
    card's state. `history_number` is its entry in the history.

    The caller has locked the card, and has checked that there is no such registration; and with `begins_binding`, that
    no binding is live.
    """
    await connection.change(
        _REGISTER_WITH_NEW_BINDING if begins_binding else _REGISTER_WITH_LIVE_BINDING,
        **CardKey(registration.certificate_sha256, registration.category)._asdict(),
        agency=registration.agency,
        number=binding_number,
        registration_id=registration.registration_id,
        bidder_id=registration.bidder_id,
        password_proven=proven.password,
        company=proven.company.value,
        holder=proven.holder.value,
        now=registration.registered_at,
        notice_ids=list(notices),
        history_number=history_number,
        notice_kinds=[kind.value for kind in notices.values()],
    )
