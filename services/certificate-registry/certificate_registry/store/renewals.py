"""Renewals: what their commit writes, a few statements whatever it changes, and what they made."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, text

from certificate_registry.domain.binding import ENDED_BY_RENEWAL, BindingState, RegistrationState
from certificate_registry.domain.challenge import hash_nonce
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.notice import NoticeKind
from certificate_registry.domain.outcome import Method, Outcome
from certificate_registry.domain.proven import Proven
from certificate_registry.domain.registration import Origin, Registration
from certificate_registry.domain.renewal import CommittedRenewal
from certificate_registry.store.cards import CARD_COLUMNS, read_card
from certificate_registry.store.commits import PROVE_BINDING, write_binding_begin
from certificate_registry.store.registrations import build_registration
from certificate_registry.store.tables import request_outcome
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_SETTLE = Statement(
    text(
        f"""
        WITH used AS (
            UPDATE challenge SET used_at = :now
            WHERE nonce_sha256 = ANY (CAST(:nonces AS bytea[])) AND used_at IS NULL
            RETURNING 1
        ), renewed AS (
            UPDATE card_session SET last_used_at = greatest(last_used_at, :now) WHERE token_sha256 = :new_token_sha256
        ), ended AS (
            UPDATE card_session SET ended_at = :now WHERE token_sha256 = :old_token_sha256
        ), recorded AS (
            INSERT INTO request_outcome (
                certificate_sha256, method, request_id, payload_sha256, request_sha256, registration_id, category,
                agency, recorded_at
            ) VALUES (
                :certificate_sha256, '{Method.RENEW.value}', :request_id, :payload_sha256, :request_sha256,
                :registration_id, :category, :agency, :now
            )
        )
        SELECT count(*) FROM used
        """  # noqa: S608  # constants
    )
)


def _renew_statement(bind: str) -> Statement:
    # The old card's registration is seen as it was before this statement, so its binding is held against the others.
    return Statement(
        text(
            f"""
            WITH replaced AS (
                UPDATE registration SET state = '{RegistrationState.REPLACED.value}', reason = '{ENDED_BY_RENEWAL}',
                    replaced_by = CAST(:certificate_sha256 AS bytea)
                WHERE certificate_sha256 = :old_certificate_sha256 AND category = :category AND agency = :agency
                    AND binding_number = :old_number AND state = '{RegistrationState.GOOD.value}'
                RETURNING 1
            ), closed AS (
                UPDATE binding SET ended_at = :now, ended_as = '{BindingState.CLOSED.value}',
                    ended_because = '{ENDED_BY_RENEWAL}'
                WHERE certificate_sha256 = :old_certificate_sha256 AND category = :category AND number = :old_number
                    AND ended_at IS NULL AND NOT EXISTS (
                        SELECT FROM registration AS other
                        WHERE other.certificate_sha256 = :old_certificate_sha256 AND other.category = :category
                            AND other.binding_number = :old_number AND other.agency <> :agency
                            AND other.state IN (
                                '{RegistrationState.GOOD.value}', '{RegistrationState.SUSPENDED.value}'
                            )
                    )
            ), bound AS ({bind}), registered AS (
                INSERT INTO registration (
                    certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at,
                    origin, predecessor, stays_here
                ) VALUES (
                    :certificate_sha256, :category, :agency, :number, :registration_id, :bidder_id, :now,
                    '{Origin.RENEWAL.value}', :old_certificate_sha256, :stays_here
                )
            ), noticed AS (
                INSERT INTO notice (notice_id, kind, registration_id, history_number, written_at)
                SELECT notice_id, kind, :registration_id, CAST(:history_number AS bigint), :now
                FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:notice_kinds AS text[])) AS written (notice_id, kind)
            ), numbered AS (
                INSERT INTO card_state AS known (certificate_sha256, category, version_epoch, version_number)
                SELECT changed.certificate_sha256, :category, epoch.epoch, 1
                FROM epoch, unnest(
                    ARRAY[CAST(:certificate_sha256 AS bytea), CAST(:old_certificate_sha256 AS bytea)]
                ) AS changed(certificate_sha256)
                ON CONFLICT (certificate_sha256, category) DO UPDATE SET version_epoch = excluded.version_epoch,
                    version_number = known.version_number + 1
            )
            SELECT count(*) FROM replaced
            """  # noqa: S608  # constants
        )
    )


_RENEW_WITH_NEW_BINDING = _renew_statement(write_binding_begin(ENDED_BY_RENEWAL))
_RENEW_WITH_LIVE_BINDING = _renew_statement(PROVE_BINDING)

_FIND = Statement(
    select(request_outcome.c.registration_id).where(
        request_outcome.c.certificate_sha256 == bindparam("certificate_sha256"),
        request_outcome.c.method == Method.RENEW.value,
        request_outcome.c.request_id == bindparam("request_id"),
    )
)

# Two rows, the new card's first.
_READ = Statement(
    text(
        f"""
        SELECT registration.registration_id, registration.agency, registration.category, registration.bidder_id,
            registration.registered_at, registration.origin, registration.stays_here,
            history_entry.number AS history_number, history_entry.digest AS history_digest,
            {CARD_COLUMNS}
        FROM request_outcome AS outcome
        JOIN registration ON registration.certificate_sha256 = outcome.certificate_sha256
            AND registration.category = outcome.category AND registration.agency = outcome.agency
            AND registration.registration_id = outcome.registration_id
        JOIN history_entry ON history_entry.request_id = outcome.request_id
            AND history_entry.certificate_sha256 = outcome.certificate_sha256
            AND history_entry.what = '{HistoryAction.RENEWED.value}'
        JOIN card ON card.certificate_sha256 IN (registration.certificate_sha256, registration.predecessor)
        WHERE outcome.registration_id = :registration_id
        ORDER BY card.certificate_sha256 = registration.certificate_sha256 DESC
        """  # noqa: S608  # constants
    )
)


async def settle(
    connection: Connection,
    certificate_sha256: bytes,
    request_id: UUID,
    outcome: Outcome,
    *,
    nonces: Sequence[bytes],
    old_token_sha256: bytes,
    new_token_sha256: bytes,
    now: datetime,
) -> bool:
    """Uses up the nonces of both acts, ends the old card's session, and records the outcome under the new card.

    Returns whether all nonces were unused. The caller has locked both cards, and seen that there is no outcome.
    """
    used = await connection.fetch_value(
        _SETTLE,
        certificate_sha256=certificate_sha256,
        request_id=request_id,
        payload_sha256=outcome.payload_sha256,
        request_sha256=outcome.request_sha256,
        registration_id=outcome.registration_id,
        category=outcome.category,
        agency=outcome.agency,
        nonces=[hash_nonce(nonce) for nonce in nonces],
        old_token_sha256=old_token_sha256,
        new_token_sha256=new_token_sha256,
        now=now,
    )
    return bool(used == len(nonces))


async def write_renewal(
    connection: Connection,
    registration: Registration,
    *,
    old_certificate_sha256: bytes,
    old_binding_number: int,
    binding_number: int,
    proven: Proven,
    begins_binding: bool,
    stays_here: bool,
    notices: Mapping[UUID, NoticeKind],
    history_number: int,
) -> None:
    """Replaces the old card's good registration at this agency by the new card's, as `write_registration` writes one.

    The old binding is closed where nothing else of it is good or suspended. Both states get their next number. The
    caller has locked both cards.
    """
    replaced = await connection.fetch_value(
        _RENEW_WITH_NEW_BINDING if begins_binding else _RENEW_WITH_LIVE_BINDING,
        certificate_sha256=registration.certificate_sha256,
        old_certificate_sha256=old_certificate_sha256,
        category=registration.category,
        agency=registration.agency,
        number=binding_number,
        old_number=old_binding_number,
        registration_id=registration.registration_id,
        bidder_id=registration.bidder_id,
        password_proven=proven.password,
        company=proven.company.value,
        holder=proven.holder.value,
        now=registration.registered_at,
        stays_here=stays_here,
        notice_ids=list(notices),
        notice_kinds=[kind.value for kind in notices.values()],
        history_number=history_number,
    )
    if replaced != 1:
        raise RuntimeError("a card that is registered here could not be replaced")


async def find_renewed(connection: Connection, certificate_sha256: bytes, request_id: UUID) -> UUID | None:
    """Returns the id of the registration that a request to renew made, by its new card."""
    renewed: UUID | None = await connection.fetch_value(
        _FIND, certificate_sha256=certificate_sha256, request_id=request_id
    )
    return renewed


async def read_renewal(connection: Connection, registration_id: UUID) -> tuple[CommittedRenewal, int]:
    """Returns what a renewal made, whether it is still good or not, and the number of its entry in the history.

    Both cards are returned as they are now.
    """
    new, old = await connection.fetch_rows(_READ, registration_id=registration_id)
    committed = CommittedRenewal(
        registration=build_registration(new),
        old_card=read_card(old),
        new_card=read_card(new),
        propagate=not new.stays_here,
        history_digest=new.history_digest,
    )
    return committed, new.history_number
