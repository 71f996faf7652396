"""登録: the act that a card signs, its commit (`Registering.register`), and what became of a request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.adapters.trust_store_cache import Trusted
from certificate_registry.domain import purpose as purposes
from certificate_registry.domain.bidder_proof import (
    BidderProof,
    BidderStatement,
    ProofKeys,
    expect_statement,
    verify_proof,
)
from certificate_registry.domain.binding import RegistrationKind, kind_of_registration
from certificate_registry.domain.card import Card, SignedPurpose, card_of, require_not_revoked
from certificate_registry.domain.challenge import issue, new_nonce, require_good
from certificate_registry.domain.purpose import Act, Purpose, PurposeType, Role
from certificate_registry.domain.registration import (
    Outcome,
    Registration,
    payload_sha256,
    require_may_act,
    settled,
)
from certificate_registry.operations.card_session import Authenticated, Place, authenticate, use_up, validating, verify
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import validate_certificate
from certificate_registry.store import log_in as store
from certificate_registry.store import registrations as registration_store
from certificate_registry.store.registrations import SignedAct
from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.telemetry import span

DELIVER = "deliver_registration"
CONTACT_NOTIFICATION = "contact-notification"
AGENCY_SYNC = "agency-sync"
BECAUSE = "registration"


@dataclass(frozen=True, slots=True)
class WantedAct:
    """What is to become an act. Without `request_sha256` (32 bytes) and `lines` it can only be tried, not made."""

    request_id: UUID
    request_sha256: bytes | None
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """A session, a proof and a signed act: all that a registration needs."""

    token: str = field(repr=False)
    place: Place
    proof: BidderProof
    request_id: UUID
    act: SignedPurpose


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of a request: abandoned, or a registration, or neither yet."""

    abandoned: bool = False
    registration: Registration | None = None
    card: Card | None = None
    request_sha256: bytes = b""


class Registering:
    """Registers the cards of one instance. `read_statement` reads the statement of a proof that was verified."""

    def __init__(
        self,
        *,
        database: Database,
        trusted: Trusted,
        instance: str,
        proof_keys: ProofKeys,
        read_statement: Callable[[BidderProof], BidderStatement],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._trusted = trusted
        self._instance = instance
        self._proof_keys = proof_keys
        self._read_statement = read_statement
        self._clock = clock

    async def create_act(
        self, token: str, place: Place, proof: BidderProof, wanted: WantedAct, *, validate_only: bool
    ) -> tuple[bytes, datetime] | None:
        """Raises what `register` would raise; else the act to be signed, and until when (None with validate_only)."""
        now = self._clock()
        async with self._database.transaction() as connection:
            found = await authenticate(connection, token, place, now)
            bidder_id = self._bidder(proof, place, found.card, now)
            payload = None
            if wanted.request_sha256 is not None:
                payload = _payload(place, bidder_id, wanted.request_sha256)
            outcome = await registration_store.find_outcome(
                connection, found.card.certificate_sha256, wanted.request_id
            )
            settled(outcome, payload)
            _require_writable(found)
            require_not_revoked(found.card)
            await self._validated(connection, found.card, now)
            await self._may_register(connection, found.card, place, bidder_id)
            if validate_only or wanted.request_sha256 is None:
                return None
            nonce = new_nonce()
            encoded = purposes.encode(
                Purpose(
                    instance=self._instance,
                    type=PurposeType.ACT,
                    operation=place.operation,
                    role=Role.SOLE,
                    agency=place.agency,
                    category=place.category,
                    nonce=nonce,
                    certificate_sha256=found.card.certificate_sha256,
                    act=Act(bidder_id, str(wanted.request_id), wanted.request_sha256, wanted.lines),
                )
            )
            issued = issue(nonce, encoded, now)
            await store.keep_challenge(connection, issued, certificate_sha256=found.card.certificate_sha256)
            return encoded, issued.expires_at

    async def register(self, request: CommitRequest) -> tuple[Registration, Card]:
        """Registers, in one transaction: everything that can have changed is checked again, and then all is written.

        The outcome of the request is looked up before anything else but the session, so that a retry gets the same
        answer when nonce and proof are long past. A retry that comes while the first try is still running waits for it.
        """
        now = self._clock()
        async with self._database.transaction() as connection:
            found = await authenticate(connection, request.token, request.place, now)
            certificate_sha256 = found.card.certificate_sha256
            # Tries of one card take turns from here on: who comes second finds the outcome of the first.
            locked = await store.find_card(connection, certificate_sha256, lock=True)
            outcome = await registration_store.find_outcome(connection, certificate_sha256, request.request_id)
            # A tombstone is told also where the act can't be read.
            settled(outcome, None)
            purpose = purposes.decode(request.act.purpose)
            payload = _payload_of(purpose, request.place)
            done = settled(outcome, payload)
            if done is not None:
                return await self._registered(connection, done), found.card
            _require_writable(found)
            if locked is not None:
                require_not_revoked(locked)
            bidder_id, card = await self._verified(connection, request, purpose, found, now)
            with span("commit"):
                return await self._commit(connection, request, purpose, bidder_id, card, payload, now), card

    async def outcome(self, certificate_sha256: bytes, request_id: UUID, *, abandon: bool) -> Outcomes:
        """What became of a request. With `abandon`, where nothing did, nothing will any more.

        Waits for a registration of this request that is about to be committed.
        """
        async with self._database.transaction() as connection:
            if abandon:
                tombstone = Outcome(registration_id=None)
                await registration_store.record_outcome(
                    connection, certificate_sha256, request_id, tombstone, self._clock()
                )
            outcome = await registration_store.find_outcome(connection, certificate_sha256, request_id)
            if outcome is None:
                return Outcomes()
            if outcome.registration_id is None:
                return Outcomes(abandoned=True)
            registration = await self._registered(connection, outcome.registration_id)
            card = await store.find_card(connection, certificate_sha256)
            return Outcomes(registration=registration, card=card, request_sha256=outcome.request_sha256 or b"")

    def _bidder(self, proof: BidderProof, place: Place, card: Card, now: datetime) -> str:
        verify_proof(proof, self._proof_keys)
        return expect_statement(
            self._read_statement(proof),
            instance=self._instance,
            agency=place.agency,
            category=place.category,
            certificate_sha256=card.certificate_sha256,
            now=now,
        )

    async def _validated(self, connection: AsyncConnection, card: Card, now: datetime) -> Card:
        trust = await self._trusted.now(connection)
        certificate = parse_certificate(card.certificate)
        with validating():
            return card_of(await validate_certificate(certificate, card.other_certificates, trust, now))

    async def _may_register(
        self, connection: AsyncConnection, card: Card, place: Place, bidder_id: str, *, lock: bool = False
    ) -> RegistrationKind:
        require_may_act(await registration_store.bidder_status(connection, bidder_id, lock=lock))
        record = await registration_store.card_record(
            connection, card.certificate_sha256, agency=place.agency, category=place.category
        )
        return kind_of_registration(record, bidder_id)

    async def _verified(
        self,
        connection: AsyncConnection,
        request: CommitRequest,
        purpose: Purpose,
        found: Authenticated,
        now: datetime,
    ) -> tuple[str, Card]:
        """The bidder and the card, as they were just checked, if the card signed this act for this bidder."""
        place, card = request.place, found.card
        purposes.expect(
            purpose,
            instance=self._instance,
            type=PurposeType.ACT,
            operation=place.operation,
            agency=place.agency,
            category=place.category,
            certificate_sha256=card.certificate_sha256,
        )
        challenge, _ = await store.find_challenge(connection, purpose.nonce)
        require_good(challenge, request.act.purpose, now)
        bidder_id = self._bidder(request.proof, place, card, now)
        act = purpose.act
        purposes.expect_act(
            purpose,
            bidder_id=bidder_id,
            request_id=str(request.request_id),
            request_sha256=act.request_sha256 if act else b"",
        )
        verify(parse_certificate(card.certificate), request.act)
        return bidder_id, await self._validated(connection, card, now)

    async def _commit(
        self,
        connection: AsyncConnection,
        request: CommitRequest,
        purpose: Purpose,
        bidder_id: str,
        card: Card,
        payload: bytes,
        now: datetime,
    ) -> Registration:
        place, act = request.place, purpose.act
        if act is None:
            raise RuntimeError("an act was expected above")
        registration_id = uuid4()
        outcome = Outcome(registration_id, payload, act.request_sha256)
        if not await registration_store.record_outcome(
            connection, card.certificate_sha256, request.request_id, outcome, now
        ):
            # The same request came twice at once, or was abandoned in this moment.
            settled_by_other = await registration_store.find_outcome(
                connection, card.certificate_sha256, request.request_id
            )
            done = settled(settled_by_other, payload)
            if done is None:
                raise RuntimeError("an outcome that could not be recorded is there")
            return await self._registered(connection, done)
        await use_up(connection, purpose.nonce, now)
        kind = await self._may_register(connection, card, place, bidder_id, lock=True)
        if kind is RegistrationKind.NEW_BINDING:
            await registration_store.begin_binding(
                connection, card.certificate_sha256, place.category, bidder_id, because=BECAUSE, now=now
            )
        registration = await registration_store.register(
            connection,
            registration_id,
            agency=place.agency,
            category=place.category,
            certificate_sha256=card.certificate_sha256,
            bidder_id=bidder_id,
            now=now,
        )
        if registration is None:
            # Propagation was a moment faster; nothing of this call stays.
            raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
        await registration_store.write_history(
            connection,
            who=f"card {card.certificate_sha256.hex()}",
            what="registered",
            certificate_sha256=card.certificate_sha256,
            category=place.category,
            agencies=[place.agency],
            bidder_id=bidder_id,
            before={"bound_to": None if kind is RegistrationKind.NEW_BINDING else bidder_id},
            after={
                "bound_to": bidder_id,
                "registrations": {place.agency: str(registration_id)},
                "request_id": str(request.request_id),
            },
            now=now,
            act=SignedAct(request.act.purpose, request.act.algorithm.value, request.act.signature, card.certificate),
        )
        for consumer in (CONTACT_NOTIFICATION, AGENCY_SYNC):
            arguments = {"registration_id": str(registration_id), "consumer": consumer}
            await jobs.enqueue(connection, DELIVER, queue="events", arguments=arguments)
        return registration

    @staticmethod
    async def _registered(connection: AsyncConnection, registration_id: UUID) -> Registration:
        registration = await registration_store.find_registration(connection, registration_id)
        if registration is None:
            # It gave way to a later one, after an officer ended the binding that it rested on.
            raise Refusal("CARD_BINDING_ENDED", Code.FAILED_PRECONDITION)
        return registration


def _payload(place: Place, bidder_id: str, request_sha256: bytes) -> bytes:
    return payload_sha256(
        agency=place.agency, category=place.category, bidder_id=bidder_id, request_sha256=request_sha256
    )


def _payload_of(purpose: Purpose, place: Place) -> bytes:
    if purpose.act is None:
        metadata = {"found": purpose.type.value, "expected": PurposeType.ACT.value}
        raise Refusal("PURPOSE_FOR_ANOTHER_TYPE", Code.FAILED_PRECONDITION, metadata)
    return _payload(place, purpose.act.bidder_id, purpose.act.request_sha256)


def _require_writable(found: Authenticated) -> None:
    if found.read_only:
        raise Refusal("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)
