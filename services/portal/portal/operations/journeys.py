"""Makes the steps of journeys, each once, whichever process is asked: docs/adr/0037."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from portal.convert.journey import open_journey, seal_journey
from portal.domain.browser_session import BrowserSession
from portal.domain.journey import ENDS, CardAnswer, Journey, Operation, Part, SignatureAnswer, Step
from portal.domain.parts import AdvicePart, ChangePart, RegistrationPart, RenewalPart
from portal.operations.form_fields import FIELD_NAMES
from portal.operations.incidents import Incidents
from portal.operations.refusals import read_problem
from portal.operations.way import Way
from portal.store import drafts
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.sealing import SealBroken, SealingKey

# A card's session ends ten minutes after its last use, and up to twenty seconds earlier.
IDLE = timedelta(minutes=9, seconds=40)
# Seconds that a second click waits for the first one, and between two looks.
_PATIENCE, _LOOK = 8.0, 0.1
_PARTS: Mapping[Operation, Callable[[], Part]] = {
    Operation.REGISTRATION: RegistrationPart,
    Operation.CHANGE: ChangePart,
    Operation.RENEWAL: RenewalPart,
    Operation.ADVICE: AdvicePart,
}

Action = Callable[[Way, Journey], Awaitable[Journey]]


@dataclass(frozen=True, slots=True)
class Draft:
    """A journey with the id and version of its draft; `is_busy` while a step of it is being made."""

    draft_id: str
    version: int
    journey: Journey
    is_busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Journeys:
    """The journeys of all browser sessions."""

    database: Database
    key: SealingKey
    clock: Callable[[], datetime]
    ways: Mapping[Operation, Way]
    incidents: Incidents

    async def begin(self, session: BrowserSession, operation: Operation, agency: str, category: str) -> Draft:
        """Begins a journey."""
        journey = Journey(
            operation=operation,
            agency=agency,
            category=category,
            request_id=str(uuid4()),
            step=Step.CARD,
            part=_PARTS[operation](),
        )
        journey = self.ways[operation].begin(journey)
        draft_id = secrets.token_urlsafe(16)
        async with self.database.transaction() as connection:
            sealed = seal_journey(journey, self.key, draft_id)
            await drafts.add_draft(connection, session.session_sha256, draft_id, sealed)
        return Draft(draft_id, 1, journey)

    async def find(self, session: BrowserSession, draft_id: str) -> Draft | None:
        """Returns a journey of the session as it stands; one whose log-in ran out stands before a new one."""
        draft = await self._find(session, draft_id)
        if draft is None or draft.is_busy or not self._has_run_out(draft.journey):
            return draft

        async def stop(_way: Way, journey: Journey) -> Journey:
            return journey

        return await self._work(session, draft, stop)

    async def find_newest(self, session: BrowserSession) -> Draft | None:
        """Returns the journey of the session whose last step is the newest, unless it has ended."""
        async with self.database.read() as connection:
            for stored in await drafts.list_drafts(connection, session.session_sha256):
                draft = self._open(stored)
                if draft is not None and draft.journey.step not in ENDS:
                    return draft
        return None

    async def list_all(self, session: BrowserSession) -> list[Draft]:
        """Returns all journeys of the session."""
        async with self.database.read() as connection:
            stored = await drafts.list_drafts(connection, session.session_sha256)
        return [draft for draft in map(self._open, stored) if draft is not None]

    async def submit(
        self, session: BrowserSession, draft_id: str, version: int, step: Step, fields: Mapping[str, str]
    ) -> Draft | None:
        """Makes the step of a form. A form that is not of the newest version changes nothing."""

        async def act(way: Way, journey: Journey) -> Journey:
            if not way.may_show(journey, step):
                return journey
            if way.is_committing(journey):
                return journey
            return await way.submit(journey, step, fields)

        return await self._work_on(session, draft_id, version, act, fields)

    async def take_card(self, session: BrowserSession, draft_id: str, version: int, answer: CardAnswer) -> Draft | None:
        """Makes the step of a card that the agent found."""

        async def act(way: Way, journey: Journey) -> Journey:
            return await way.take_card(journey, answer)

        return await self._work_on(session, draft_id, version, act)

    async def take_signature(
        self, session: BrowserSession, draft_id: str, version: int, answer: SignatureAnswer
    ) -> Draft | None:
        """Makes the step of a signature; one of another purpose than the journey waits for is refused."""

        async def act(way: Way, journey: Journey) -> Journey:
            if journey.signing is None or journey.signing.purpose != answer.signed.purpose:
                raise Refusal("AGENT_ANSWER_UNEXPECTED", Code.INVALID_ARGUMENT)
            return await way.take_signature(journey, answer)

        return await self._work_on(session, draft_id, version, act)

    async def take_refusal(
        self, session: BrowserSession, draft_id: str, version: int, refusal: Refusal
    ) -> Draft | None:
        """Notes what the agent said instead of an answer: the person stays at this hop.

        An agent that was started anew knows no card, so that the person goes on from the card's own hop.
        """

        async def act(way: Way, journey: Journey) -> Journey:
            self.incidents.note(refusal, journey.step, journey)
            if refusal.reason == "CARD_NOT_CHOSEN":
                journey = way.place_refusal(journey, refusal)
            return replace(journey, problem=read_problem(refusal, from_agent=True))

        return await self._work_on(session, draft_id, version, act)

    async def keep(
        self,
        session: BrowserSession,
        draft_id: str,
        version: int,
        fields: Mapping[str, str],
        touch: Callable[[Journey], Awaitable[None]],
    ) -> Draft | None:
        """Keeps what was typed so far, and the log-in alive (`touch`) if it has not ended; the version stays the same.

        Nothing is kept while a step is being made: that one has what the person sent.
        """
        async with self.database.read() as connection:
            stored = await drafts.find_draft(connection, session.session_sha256, draft_id)
        draft = self._open(stored) if stored is not None else None
        if stored is None or draft is None or draft.version != version or draft.is_busy:
            return draft
        journey = _type(draft.journey, fields)
        if not self._has_run_out(journey):
            await touch(journey)
            journey = self._extend(journey)
        sealed = seal_journey(journey, self.key, draft_id)
        async with self.database.single_change() as connection:
            is_kept = await drafts.keep_draft(connection, stored, sealed)
        return replace(draft, journey=journey) if is_kept else draft

    async def _work_on(
        self,
        session: BrowserSession,
        draft_id: str,
        version: int,
        action: Action,
        typed: Mapping[str, str] | None = None,
    ) -> Draft | None:
        draft = await self._find(session, draft_id)
        if draft is None or draft.version != version or draft.is_busy:
            return draft
        return await self._work(session, draft, action, typed or {})

    async def _work(
        self, session: BrowserSession, draft: Draft, action: Action, typed: Mapping[str, str] | None = None
    ) -> Draft | None:
        """Makes one step of a draft, unless another process makes one."""
        async with self.database.single_change() as connection:
            sealed = await drafts.claim_draft(connection, session.session_sha256, draft.draft_id, draft.version)
        if sealed is None:
            return await self._find(session, draft.draft_id)
        way = self.ways[draft.journey.operation]
        journey = _type(open_journey(sealed, self.key, draft.draft_id), typed or {})
        was_committing = way.is_committing(journey)
        try:
            if self._has_run_out(journey):
                raise Refusal("CARD_SESSION_EXPIRED", Code.UNAUTHENTICATED)
            journey = await action(way, replace(journey, problem=None))
        except Refusal as refusal:
            self.incidents.note(refusal, journey.step, journey)
            journey = way.place_refusal(journey, refusal)
        else:
            journey = self._extend(journey)
            if way.is_committing(journey):
                if not was_committing:
                    # The act is on record here before it is sent, so that whoever comes after a crash sends it again.
                    await self._store(draft, journey, is_complete=False)
                journey = await self._commit(way, journey)
        await self._store(draft, journey)
        return Draft(draft.draft_id, draft.version + 1, journey)

    async def _commit(self, way: Way, journey: Journey) -> Journey:
        try:
            return await way.commit(journey)
        except Refusal as refusal:
            self.incidents.note(refusal, journey.step, journey)
            return way.place_refusal(journey, refusal)

    async def _store(self, draft: Draft, journey: Journey, *, is_complete: bool = True) -> None:
        sealed = seal_journey(journey, self.key, draft.draft_id)
        async with self.database.single_change() as connection:
            await drafts.store_draft(connection, draft.draft_id, draft.version, sealed, is_complete=is_complete)

    async def _find(self, session: BrowserSession, draft_id: str) -> Draft | None:
        """Returns a draft; waits for a step that is being made, for some seconds."""
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            async with self.database.read() as connection:
                stored = await drafts.find_draft(connection, session.session_sha256, draft_id)
            if stored is None or not stored.is_busy or asyncio.get_running_loop().time() > deadline:
                return self._open(stored) if stored is not None else None
            await asyncio.sleep(_LOOK)

    def _open(self, stored: drafts.StoredDraft) -> Draft | None:
        try:
            journey = open_journey(stored.sealed, self.key, stored.draft_id)
        except SealBroken:
            # Of another key: the person begins again.
            return None
        return Draft(stored.draft_id, stored.version, journey, stored.is_busy)

    def _extend(self, journey: Journey) -> Journey:
        ends_at = self.clock() + IDLE
        cards = {
            role: replace(card, expires_at=ends_at) if card.session_token else card
            for role, card in journey.cards.items()
        }
        return replace(journey, cards=cards)

    def _has_run_out(self, journey: Journey) -> bool:
        if journey.step in ENDS:
            return False
        now = self.clock()
        return any(
            card.session_token and card.expires_at is not None and card.expires_at <= now
            for card in journey.cards.values()
        )


def _type(journey: Journey, fields: Mapping[str, str]) -> Journey:
    """Returns the journey with what was typed into fields that a form of ours has."""
    typed = {name: value for name, value in fields.items() if name in FIELD_NAMES}
    return replace(journey, typed={**journey.typed, **typed}) if typed else journey
