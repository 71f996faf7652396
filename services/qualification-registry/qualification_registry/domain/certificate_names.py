"""The names in a card's certificate, held against the roster's: its company and its holder (CRD-10)."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from instance_profile.name_comparison import judge_names
from instance_profile.name_key import name_key
from instance_profile.name_rules import NameVerdict
from qualification_registry.domain.bidders import Company
from qualification_registry.domain.name_variants import belongs_to_another

# The end of Unicode's blocks of Latin letters with and without marks (ā, ō).
_LAST_LATIN = 0x24F


class CompanyComparison(StrEnum):
    """The company of a certificate, held against the roster's; the closest first."""

    SAME = "same"
    UNREADABLE = "unreadable"
    DIFFERENT = "different"


class HolderComparison(StrEnum):
    """The holder of a certificate, held against the roster's persons; the closest first."""

    CONTRACT_PARTY = "contract party"
    REPRESENTATIVE = "representative"
    UNREADABLE = "unreadable"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The names in a certificate, character for character; None where it has none."""

    company: str | None
    holder: str | None


def compare_company(
    certificate_name: str | None, roster_names: Collection[str], names_of_others: Collection[str] = ()
) -> CompanyComparison:
    """Returns how the company in a certificate compares with the roster's: with the name that comes closest.

    `roster_names` are the name and, while changed company data are under review, the new one: the card was issued for
    the change, and the manual has the bidder register it before the review is done (QUA-08).

    Unreadable, so that an officer looks at it, is a certificate without a company or without letters in it; one whose
    name has no other letters than Latin ones, such as romaji, where the roster's name has others; one whose name is the
    roster's perhaps; and one whose name is the roster's in a variant form that another bidder has, of whose names
    `names_of_others` are those in question.
    """
    found = {_compare_company(certificate_name or "", roster_name, names_of_others) for roster_name in roster_names}
    return next(comparison for comparison in CompanyComparison if comparison in found)


def _compare_company(name: str, roster_name: str, names_of_others: Collection[str]) -> CompanyComparison:
    verdict = judge_names(name, roster_name)
    if verdict is NameVerdict.SAME:
        is_another = belongs_to_another(name, roster_name, names_of_others)
        return CompanyComparison.UNREADABLE if is_another else CompanyComparison.SAME
    if verdict is NameVerdict.PERHAPS_SAME or not _can_be_compared(name, roster_name):
        return CompanyComparison.UNREADABLE
    return CompanyComparison.DIFFERENT


def find_contract_party(company: Company) -> str | None:
    """Returns who contracts for the company (契約者): the representative, where the roster names no other."""
    return company.contract_party_name or company.representative_name


def compare_holder(certificate_name: str | None, companies: Collection[Company]) -> HolderComparison:
    """Returns how the holder of a certificate compares with the roster's persons, by the rules of companies' names.

    `companies` are the roster's and, while changed company data are under review, the new one: the closest counts, as
    of `compare_company`.

    Unreadable, so that an officer looks at it, is what `compare_company` says of a name, for one of the persons; and
    every name where the roster has no person's.
    """
    found = {_compare_holder(certificate_name or "", company) for company in companies}
    return next(comparison for comparison in HolderComparison if comparison in found)


def _compare_holder(name: str, company: Company) -> HolderComparison:
    contract_party = find_contract_party(company)
    persons = [person for person in (contract_party, company.representative_name) if person]
    verdicts = {person: judge_names(name, person) for person in persons}
    if contract_party and verdicts[contract_party] is NameVerdict.SAME:
        return HolderComparison.CONTRACT_PARTY
    if NameVerdict.SAME in verdicts.values():
        return HolderComparison.REPRESENTATIVE
    if (
        not persons
        or NameVerdict.PERHAPS_SAME in verdicts.values()
        or not all(_can_be_compared(name, person) for person in persons)
    ):
        return HolderComparison.UNREADABLE
    return HolderComparison.DIFFERENT


def _can_be_compared(name: str, roster_name: str) -> bool:
    key, roster_key = name_key(name), name_key(roster_name)
    # A key without any letter counts as Latin, too.
    return bool(key) and not (_is_latin(key) and not _is_latin(roster_key))


def _is_latin(key: str) -> bool:
    return all(ord(letter) <= _LAST_LATIN for letter in key if letter.isalpha())
