"""The officer's queue: a contractor whose card can't be told to be the bidder's asks, and officers see both names."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from history.entries import Chain
from history.writing import write_history
from instance_profile.field_rules import check_mail_address, refuse_violations
from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.name_comparison import compare_names
from instance_profile.offers import require_agency
from qualification_registry.domain.bidders import Qualification
from qualification_registry.domain.card_approval import (
    ASKED_WITHIN,
    MOST_ASKED,
    ApprovalState,
    CardApproval,
    CardAtAgency,
    ComparedCard,
    Questions,
    find_open,
    find_questions,
    find_unanswered,
    write_number,
)
from qualification_registry.domain.certificate_names import (
    CertificateNames,
    CompanyComparison,
    HolderComparison,
    compare_company,
    compare_holder,
    find_contract_party,
)
from qualification_registry.domain.history import Circumstances, describe_asked
from qualification_registry.domain.name_variants import belongs_to_another, write_patterns_in_question
from qualification_registry.domain.new_card import NewCard
from qualification_registry.domain.proof import Proven
from qualification_registry.domain.search import SearchEntry
from qualification_registry.operations.bidder_renewal import BidderRenewal
from qualification_registry.operations.bidder_search import BidderSearch
from qualification_registry.store import bidders, card_approvals
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id

_MOST_ON_A_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CardApprovalQueue:
    """Questions about cards, as contractors ask them and as officers see them."""

    database: Database
    profile: Profile
    search: BidderSearch
    renewal: BidderRenewal
    chain: Chain
    clock: DatabaseClock

    async def ask(self, entry: SearchEntry, mail_address: str) -> str:
        """Asks the agency's officers about the card of a search, and returns the question's number.

        Asked again before an officer has decided, it is the same question, whose answer goes to the newest address.
        Raises FIELDS_INVALID, what `BidderSearch.find_company` raises, CARD_APPROVAL_NOT_NEEDED and
        CARD_APPROVALS_TOO_MANY.
        """
        refuse_violations(check_mail_address(mail_address))
        searched = await self.search.find_company(entry)
        questions = find_questions(searched.search.offer.rules, searched.proven)
        return await self._ask(searched.card, questions, searched.search.names, mail_address)

    async def ask_at_renewal(self, new_card: NewCard, mail_address: str) -> str:
        """Asks in the same way about the new card of a renewal; raises what `BidderRenewal.judge` raises."""
        refuse_violations(check_mail_address(mail_address))
        judged = await self.renewal.judge(new_card)
        questions = find_questions(judged.offer.rules, judged.proven)
        return await self._ask(judged.card, questions, new_card.names, mail_address)

    async def _ask(self, card: CardAtAgency, in_question: Questions, names: CertificateNames, mail_address: str) -> str:
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            await card_approvals.lock_card(connection, card.certificate_sha256)
            return write_number(await self._find_number(connection, card, in_question, names, mail_address, now))

    async def _find_number(
        self,
        connection: Connection,
        card: CardAtAgency,
        in_question: Questions,
        names: CertificateNames,
        mail_address: str,
        now: datetime,
    ) -> int:
        """Returns the number of the question that waits for an officer, after asking it where none does."""
        known = await card_approvals.list_of_card(connection, card)
        questions = find_unanswered(in_question, known)
        if not questions:
            raise Refusal("CARD_APPROVAL_NOT_NEEDED", Code.FAILED_PRECONDITION)
        if (waiting := find_open(known)) is not None:
            await card_approvals.ask_again(connection, waiting.number, questions, mail_address=mail_address)
            return waiting.number
        asked = await card_approvals.count_asked(connection, card.certificate_sha256, since=now - ASKED_WITHIN)
        if asked >= MOST_ASKED:
            metadata = {"most": str(MOST_ASKED), "days": str(ASKED_WITHIN.days)}
            raise Refusal("CARD_APPROVALS_TOO_MANY", Code.RESOURCE_EXHAUSTED, metadata)
        number = await card_approvals.add(connection, card, questions, names, mail_address=mail_address, now=now)
        who = f"card {card.certificate_sha256.hex()}"
        entry = describe_asked(Circumstances(who, now, find_trace_id()), card, write_number(number), questions)
        await write_history(connection, self.chain, [entry])
        return number

    async def read_page(
        self, agency_code: str, states: Sequence[ApprovalState], *, after: int, most: int
    ) -> list[ComparedCard]:
        """Returns at most `most` questions of an agency with higher numbers than `after`, compared with its roster.

        Raises AGENCY_UNKNOWN.
        """
        agency = require_agency(self.profile, agency_code)
        most = min(most, _MOST_ON_A_PAGE) if most > 0 else _MOST_ON_A_PAGE
        async with self.database.read() as connection:
            now = await self.clock(connection)
            page = await card_approvals.list_page(connection, agency.code, states, after=after, most=most)
            known = await self._find_qualifications(connection, page, now)
            return [
                await self._compare(connection, each, known.get((each.card.category, each.card.bidder_id)), now)
                for each in page
            ]

    async def _find_qualifications(
        self, connection: Connection, page: Sequence[CardApproval], now: datetime
    ) -> Mapping[tuple[str, str], Qualification]:
        """Returns the qualifications of a page's bidders, by category and bidder, from the agency's newest roster."""
        bidder_ids: dict[str, set[str]] = defaultdict(set)
        for each in page:
            bidder_ids[each.card.category].add(each.card.bidder_id)
        qualifications: dict[tuple[str, str], Qualification] = {}
        for category, ids in bidder_ids.items():
            found = await bidders.list_qualifications(
                connection, sorted(ids), category, agency=page[0].card.agency, today=find_japan_day(now)
            )
            qualifications |= {(category, bidder_id): each for bidder_id, each in found.items()}
        return qualifications

    async def _compare(
        self, connection: Connection, approval: CardApproval, qualification: Qualification | None, now: datetime
    ) -> ComparedCard:
        names, card = approval.names, approval.card
        companies = qualification.companies if qualification is not None else ()
        # While changed data are under review, the new ones: the card was issued for the change.
        company = companies[-1] if companies else None
        contract_party = find_contract_party(company) if company is not None else None
        representative = company.representative_name if company is not None else None
        names_of_others: Sequence[str] = ()
        if names is not None and (
            patterns := write_patterns_in_question([names.company], [each.name for each in companies])
        ):
            names_of_others = await bidders.list_names_of_others(
                connection,
                card.bidder_id,
                card.category,
                agency=card.agency,
                patterns=patterns,
                today=find_japan_day(now),
            )
        company_name = names.company if names is not None else None
        holder = names.holder if names is not None else None
        return ComparedCard(
            approval=approval,
            proven=(
                Proven(
                    password=False,
                    company=compare_company(company_name, [each.name for each in companies], names_of_others),
                    holder=compare_holder(holder, companies),
                )
                if companies
                # The bidder has left the agency's roster.
                else Proven(password=False, company=CompanyComparison.UNREADABLE, holder=HolderComparison.UNREADABLE)
            ),
            roster_name=company.name if company is not None else None,
            contract_party=contract_party,
            representative=representative,
            company=(
                compare_names(
                    company_name,
                    company.name,
                    is_borne_by_another=belongs_to_another(company_name, company.name, names_of_others),
                )
                if company_name and company is not None
                else None
            ),
            holder=compare_names(holder, contract_party) if holder and contract_party else None,
            holder_and_representative=(
                compare_names(holder, representative)
                if holder and representative and representative != contract_party
                else None
            ),
        )
