"""Holds the names in a card's certificate against the roster's of a bidder (CRD-10)."""

from collections.abc import Sequence
from datetime import date

from qualification_registry.domain.bidders import Qualification
from qualification_registry.domain.certificate_names import CertificateNames, compare_company, compare_holder
from qualification_registry.domain.name_variants import write_patterns_in_question
from qualification_registry.domain.proof import Proven
from qualification_registry.store import bidders
from servicekit.database_connection import Connection


async def compare_card(
    connection: Connection,
    names: CertificateNames,
    qualification: Qualification,
    *,
    agency: str,
    category: str,
    today: date,
    password: bool,
) -> Proven:
    """Returns what is proven of a card, and of the bidder's password, at an agency at which the bidder is qualified."""
    names_of_others: Sequence[str] = ()
    roster_names = [company.name for company in qualification.companies]
    if patterns := write_patterns_in_question([names.company], roster_names):
        names_of_others = await bidders.list_names_of_others(
            connection, qualification.company.bidder_id, category, agency=agency, patterns=patterns, today=today
        )
    return Proven(
        password,
        compare_company(names.company, roster_names, names_of_others),
        compare_holder(names.holder, qualification.companies),
    )
