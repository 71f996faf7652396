"""A year of each service: what its use leaves behind in a day, and how old the rows of each table may become."""

from collections.abc import Awaitable, Callable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_bytes, token_hex
from uuid import uuid4

import certificate_registry.operations.expiry as of_cards
import contact_notification.operations.expiry as of_contacts
import qualification_registry.operations.expiry as of_rosters
from agency_sync.domain import card_state as agency_states
from agency_sync.domain.schedule import Schedule
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.operations.feed_expiry import ENTRIES_KEPT, SUBSCRIBERS_KEPT, FeedExpiry
from agency_sync.operations.record import CardStateRecord
from agency_sync.store import feed_appending, feed_reading
from certificate_registry.domain import registration as of_registration
from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import CardSession, SessionScope
from certificate_registry.domain.challenge import Challenge
from certificate_registry.domain.incident import Incident
from certificate_registry.domain.invitation import TRIES_FOR_PERSON_COUNT_FOR, Invitation
from certificate_registry.domain.officer_session import OfficerSession
from certificate_registry.domain.trust import StoredPath, TrustLimits, TrustPath
from certificate_registry.domain.valid_card import ValidCard
from certificate_registry.operations.outcomes import RequestOutcomes
from certificate_registry.pki.certificate import CardValues
from certificate_registry.pki.path_validation import RevocationStatus
from certificate_registry.pki.standing import Standing
from certificate_registry.store import (
    cards,
    incidents,
    invitations,
    log_in,
    officer_notices,
    officer_sessions,
    predecessors,
    revocation_lists,
    trust,
)
from certificate_registry.store import notices as card_notices
from contact_notification.domain.card_state import CardState, Registration, RegistrationState
from contact_notification.domain.contact import Contact, ContactForm
from contact_notification.domain.notice import CardOwner, Notice, NoticeKind, RegistrationFacts
from contact_notification.domain.staging import Company, StagingRequest
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.notices import Notices
from contact_notification.operations.takeovers import ContactTakeovers
from contact_notification.store import staging
from history.entries import Chain
from officers.expiry import CHALLENGE_DAYS, OUTCOME_DAYS
from qualification_registry.domain.card_approval import WAITS, CardAtAgency, Questions
from qualification_registry.domain.certificate_names import CertificateNames
from qualification_registry.domain.roster_identity import Suggestion
from qualification_registry.domain.roster_import import ImportCounts, PreviewRecord
from qualification_registry.domain.roster_lines import UndecidedLine
from qualification_registry.domain.throttle import Scope
from qualification_registry.store import card_approvals, previews, search_counts
from servicekit.database import Database
from servicekit.database_clock import find_time, read_time
from servicekit.database_connection import Connection
from servicekit.identity import Caller, Kind
from servicekit.versions import Version
from signed_acts.purpose import Operation
from tests.support.history import CHAIN, make_key, seal_all, write_entries

WINDOW = timedelta(hours=1)
_MAILBOX = "koji@contractor.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A service's year. `bounded` has how old a table's rows may become, `kept` the tables of what is kept for good."""

    package: str
    use: Callable[[Database], Awaitable[None]]
    purge: Callable[[Database], Awaitable[None]]
    bounded: Mapping[str, timedelta]
    kept: Set[str]


async def use_certificate_registry(database: Database) -> None:
    """A stranger's card logs in, from a CA that has just moved its CRL; a request is abandoned, a notice is sent."""
    certificate, scope, url = token_bytes(32), token_bytes(32), f"http://crl.example/{uuid4()}.crl"
    async with database.transaction() as connection:
        now = await read_time(connection)
        path = TrustPath(token_bytes(32), "ca", (b"i" * 32,), (b"a" * 33,), (scope,), now + timedelta(days=3650))
        limits = TrustLimits(now, now, now)
        await trust.add_paths(connection, [StoredPath(path, limits, judged_by=None)])
        await revocation_lists.add_sources(connection, [(url, None)], now)
        await connection.execute(
            "INSERT INTO crl SELECT %s, %s, 'CN=CA', 1, %s, %s, %s, %s, 'der'",
            [scope, scope, now, now + timedelta(days=1), url, now],
        )
        card = Card(
            certificate,
            certificate,
            b"der",
            (),
            "ca",
            "CN=CA",
            b"\x01",
            CardValues("㈱例", None, "登録 太郎", None),
            now,
            now,
            RevocationStatus.GOOD,
            now,
        )
        stands = Standing(now, now + timedelta(days=1))
        valid = ValidCard(card, b"k" * 91, "CN=CA", path, limits, frozenset(), stands)
        await cards.save_card(connection, valid, now=now)
        challenge = Challenge(token_bytes(32), b"p" * 32, now)
        await log_in.save_challenge(connection, challenge, certificate_sha256=certificate)
        session = CardSession(SessionScope(Operation.REGISTRATION, "city", "works"), certificate, now, now)
        assert await log_in.open_session(connection, token_bytes(32), session, nonce=challenge.nonce)
        notice_id = uuid4()
        await connection.execute(
            "INSERT INTO notice (notice_id, kind, registration_id, history_number, written_at) "
            "VALUES (%s, 'registration', %s, 1, %s)",
            [notice_id, uuid4(), now],
        )
        await card_notices.mark_sent(connection, [notice_id])
        await predecessors.name_predecessor(
            connection,
            of_registration.Registration(
                uuid4(), "city", "works", token_bytes(32), "1000000001", now, of_registration.Origin.CONTRACTOR
            ),
            token_bytes(32),
        )
        await incidents.add_incidents(
            connection,
            [
                Incident(
                    incident_id=uuid4(),
                    inquiry_number="a" * 32,
                    happened_at=now,
                    reported_by="front-door",
                    operation="Registration",
                    step="FindBidder",
                    agency="city",
                    category="works",
                    certificate_sha256=certificate,
                    bidder_id=None,
                    reason="BIDDER_NOT_FOUND",
                    metadata={},
                    fields={},
                )
            ],
        )
        await use_officers(connection, now)
    caller = Caller(Kind.SERVICE, "contact-notification")
    outcomes = RequestOutcomes(database=database, clock=find_time)
    assert (await outcomes.report(certificate, uuid4(), abandon=True, caller=caller)).abandoned
    await write_entries(database, [1])


async def use_officers(connection: Connection, now: datetime) -> None:
    """A person is invited by mail, tries a code, logs in and signs an act."""
    invitation = Invitation(
        invitation_id=uuid4(),
        person_id=f"p{uuid4().hex[:20]}",
        agency="city",
        name="例",
        mail_address="example@example.jp",
        is_further=False,
        code_hash="$argon2id$",
        invited_by="operator/first",
        invited_at=now,
    )
    assert await invitations.save_invitation(connection, invitation)
    await officer_notices.save_invitation_notice(
        connection, notice_id=uuid4(), invitation_id=invitation.invitation_id, sealed_code=b"sealed", now=now
    )
    await invitations.count_try(connection, f"person city/{invitation.person_id}", TRIES_FOR_PERSON_COUNT_FOR, now)
    session = OfficerSession(token_bytes(32), invitation.person_id, token_bytes(32), now, now)
    await officer_sessions.save_session(connection, session)
    await sign_act(connection, invitation.person_id, now)


async def sign_act(connection: Connection, person_id: str, now: datetime) -> None:
    """An officer is asked for an act, and carries it out."""
    await connection.execute(
        "INSERT INTO officer_challenge VALUES (%s, %s, %s, NULL)", [token_bytes(32), token_bytes(32), now]
    )
    await connection.execute(
        "INSERT INTO officer_outcome VALUES (%s, 'toroku.x.v1.X/Y', %s, %s, '{}', %s)",
        [person_id, uuid4(), token_bytes(32), now],
    )


async def purge_certificate_registry(database: Database) -> None:
    """Runs what its worker runs every minute, ten minutes and hour."""
    expired = of_cards.ExpiredRecords(database=database, chain=CHAIN, clock=read_time)
    await expired.delete_challenges()
    await expired.delete_sessions()
    await expired.delete_left_behind()
    await expired.delete_of_officers()
    await expired.void_proposals()
    await seal_all(database, make_key())


async def use_contact_notification(database: Database) -> None:
    """One request is abandoned, another one becomes a registration whose mail is sent."""
    company = Company(
        bidder_id="1000000001",
        name="㈱例",
        postal_code=None,
        address=None,
        representative_name=None,
        contract_party_name=None,
        representative_title=None,
        telephone=None,
        fax=None,
        department=None,
        branch=None,
        region=None,
        permit_number=None,
        corporate_number=None,
        grades=(),
    )
    contact = ContactForm(Contact("課", "330-9301", "さいたま市", "髙﨑 太郎", "", "", _MAILBOX), _MAILBOX)
    abandoned, registered = (
        StagingRequest(token_bytes(32), uuid4(), b"r" * 32, "city", "works", company, contact, None, "")
        for _ in range(2)
    )
    async with database.transaction() as connection:
        now = await read_time(connection)
        for request in (abandoned, registered):
            assert await staging.stage(connection, request, reserves=False, now=now)
        await staging.abandon(connection, abandoned.certificate_sha256, abandoned.request_id, now=now)
    key = (registered.certificate_sha256, registered.request_id)
    registration = Registration(uuid4(), "city", "works", key[0], company.bidder_id, now, key[1], b"r" * 32)
    state = CardState(
        key[0], "works", Version(1, 1), company.bidder_id, True, {"city": RegistrationState.GOOD}, (registration,)
    )
    chain = Chain("saitama", "contact-notification")
    takeovers = ContactTakeovers(database=database, clock=read_time, chain=chain, mail_domain="toroku.example")
    card_states = CardStates(
        database=database, clock=read_time, chain=chain, mail_domain="toroku.example", takeovers=takeovers
    )
    await card_states.record([state])
    facts = RegistrationFacts(
        registration.registration_id, key[1], key[0], "4711", "city", "works", company.bidder_id, now, "登録 太郎"
    )
    notice = Notice(uuid4(), NoticeKind.REGISTRATION, facts, (CardOwner(key[0], "works", key[1]),))
    await Notices(database=database, clock=read_time, mail_domain="toroku.example").send([notice])
    async with database.single_change() as connection:
        await connection.execute("UPDATE mails SET state = 'sent', sent_at = now() WHERE state = 'written'")


async def purge_contact_notification(database: Database) -> None:
    """Runs what its worker runs every hour."""
    await of_contacts.ExpiredRecords(database=database, clock=read_time).delete_expired()
    await seal_all(database, make_key())


async def use_qualification_registry(database: Database) -> None:
    """A search finds nobody, a preview is not committed, and an officer signs something."""
    async with database.transaction() as connection:
        now = await read_time(connection)
        keys = {scope: token_bytes(32) for scope in Scope}
        limits: dict[Scope, int] = {scope: 5 for scope in Scope if scope is not Scope.BIDDER}
        await search_counts.count_try(connection, keys, limits=limits, now=now, window=WINDOW)
        record = PreviewRecord(
            import_id=uuid4(),
            mapping="works",
            roster="works",
            category="works",
            responsible_agency="prefecture",
            term=None,
            term_from=None,
            term_until=None,
            base_version=0,
            mapping_sha256=b"m" * 32,
            file_name="roster.csv",
            file_sha256=sha256(b"file").digest(),
            same_as_current=False,
            ids_are_assigned=False,
            previewed_by="prefecture/hanako",
            previewed_at=now,
        )
        number = await previews.add_import(connection, record, ImportCounts(rows=2))
        await previews.add_file(connection, number, [b"file"])
        undecided = UndecidedLine(1, "㈱例", "さいたま市", "line")
        await previews.add_undecided_lines(connection, number, [Suggestion(undecided, "ROSTER_ROW_PERHAPS_SAME", "")])
        await connection.execute(
            "INSERT INTO roster_lines (import_number, kind, row, bidder_id, name, grade_kinds, grades, agencies) "
            "VALUES (%s, 0, 2, '1000000001', '㈱例', 1, '[]', 'city')".encode(),
            [number],
        )
        card = CardAtAgency("city", "works", "1000000001", token_bytes(32))
        names = CertificateNames("MIHON KENSETSU", None)
        questions = Questions(company=True, holder=False)
        await card_approvals.add(connection, card, questions, names, mail_address=_MAILBOX, now=now)
        await sign_act(connection, "hanako", now)
    await write_entries(database, [1])


async def purge_qualification_registry(database: Database) -> None:
    """Runs what its worker runs every hour, and seals as it does."""
    expiry = of_rosters.Expiry(database=database, chain=CHAIN, clock=read_time)
    await expiry.delete_expired()
    await expiry.void_proposals()
    await seal_all(database, make_key())


async def use_agency_sync(database: Database) -> None:
    """A card is registered, its registration is to be propagated, and an agency's system says how far it has come."""
    registration = agency_states.AgencyRegistration(
        uuid4(), agency_states.RegistrationState.GOOD, agency_states.Origin.CONTRACTOR
    )
    state = agency_states.CardState(
        certificate_sha256=token_bytes(32),
        category="works",
        version=Version(1, 1),
        bidder_id="1000000001",
        is_live=True,
        is_suspended=False,
        proven=agency_states.Proven(
            True, agency_states.CompanyComparison.SAME, agency_states.HolderComparison.CONTRACT_PARTY
        ),
        registrations={"city": registration},
    )
    feeds = FeedAppending(database=database, rules={})
    record = CardStateRecord(
        database=database, clock=read_time, schedule=Schedule(propagates=True), offering={}, feeds=feeds
    )
    await record.record([state])
    async with database.transaction() as connection:
        await feed_appending.mark_pending(connection, [state.key], [])
        system = token_hex(4)
        await feed_reading.acknowledge(connection, ("city", "works"), system, epoch=1, number=1)


async def purge_agency_sync(database: Database) -> None:
    """Runs what its worker runs every ten seconds and every hour."""
    await FeedAppending(database=database, rules={}).append_pending()
    await FeedExpiry(database=database, clock=read_time).delete_expired()


# What a history keeps for good.
HISTORY = {"history_entry", "history_details", "history_erasure", "history_position", "history_head"}

YEARS = (
    Year(
        package="certificate_registry",
        use=use_certificate_registry,
        purge=purge_certificate_registry,
        bounded={
            "challenge": of_cards.CHALLENGES_KEPT,
            "card_session": of_cards.SESSIONS_KEPT,
            # A card that was bound is kept for good, with its path.
            "card": of_cards.SESSIONS_KEPT,
            "trust_path": of_cards.SESSIONS_KEPT,
            "named_predecessor": of_cards.NAMED_PREDECESSORS_KEPT,
            "incident": of_cards.INCIDENTS_KEPT,
            "notice": of_cards.SESSIONS_KEPT,
            # A registration's is kept for good.
            "request_outcome": of_cards.TOMBSTONES_KEPT,
            "crl": of_cards.LISTS_KEPT,
            "crl_source": of_cards.LISTS_KEPT,
            "officer_invitation": of_cards.INVITATIONS_KEPT,
            "officer_code_tries": TRIES_FOR_PERSON_COUNT_FOR,
            "officer_session": of_cards.SESSIONS_KEPT,
            "officer_notice": of_cards.OFFICER_NOTICES_KEPT,
            "officer_challenge": CHALLENGE_DAYS,
            "officer_outcome": OUTCOME_DAYS,
            "history_unsealed": timedelta(seconds=5),
        },
        kept={
            *("binding", "registration", "card_state", "card_suspension", "bidder_state", "trust_rules", "epoch"),
            *("officer", "officer_person", "officer_certificate", "proposal", "officers_told", *HISTORY),
        },
    ),
    Year(
        package="qualification_registry",
        use=use_qualification_registry,
        purge=purge_qualification_registry,
        # Of an import that was committed they are kept for good.
        bounded=dict.fromkeys(
            ("roster_imports", "roster_file_pieces", "roster_lines", "undecided_lines"), of_rosters.PREVIEWS_KEPT
        )
        # Of a question that no officer decides.
        | {"card_approvals": WAITS, "search_counts": WINDOW, "history_unsealed": timedelta(seconds=5)}
        | {"officer_challenge": CHALLENGE_DAYS, "officer_outcome": OUTCOME_DAYS},
        kept={
            *("registry_state", "rosters", "roster_terms", "grade_kinds", "bidders", "assigned_numbers", "passwords"),
            *("bidder_states", "bidder_suspensions", "company_reviews", "predecessors"),
            *("officer", "officer_certificate", "proposal"),
            *HISTORY,
        },
    ),
    Year(
        package="contact_notification",
        use=use_contact_notification,
        purge=purge_contact_notification,
        bounded={
            "abandoned_requests": of_contacts.TOMBSTONES_KEPT,
            "notices": of_contacts.NOTICES_KEPT,
            "mails": of_contacts.NOTICES_KEPT,
            "history_unsealed": timedelta(seconds=5),
        },
        kept={
            *HISTORY,
            "officer",
            "officer_certificate",
            "contacts",
            "staged_registrations",
            "contact_owners",
            "contact_versions",
            "contact_at_agency",
            "contact_changes",
            "card_states",
            "registrations_without_contacts",
            "epoch",
        },
    ),
    Year(
        package="agency_sync",
        use=use_agency_sync,
        purge=purge_agency_sync,
        bounded={
            "feed_entries": ENTRIES_KEPT,
            "feed_pending": timedelta(seconds=10),
            "feed_subscribers": SUBSCRIBERS_KEPT,
        },
        kept={
            *("bidder_states", "card_states", "intentions", "propagations", "officer", "officer_certificate"),
            *("contact_owners", "history_heads", "epoch", "feed_heads", "feed_cards"),
            # One for each feed, which the next one replaces.
            *("feed_snapshots", "feed_snapshot_pieces"),
        },
    ),
)
# Those of procrastinate, in each database: as old as the job or the worker.
JOBS = {"procrastinate_jobs", "procrastinate_events", "procrastinate_periodic_defers", "procrastinate_workers"}
