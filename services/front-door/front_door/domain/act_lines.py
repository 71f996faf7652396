"""The rules of the front door: who may enter where, and what a card is asked to sign. Nothing here is kept."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from instance_profile.japan_time import JAPAN
from instance_profile.model import (
    Agency,
    Category,
    Operation,
    Profile,
    Proof,
    Propagation,
    RepresentativeContact,
    Text,
)
from refusals import Code, Refusal, Violation

# A refusal travels in HTTP/2 headers, of which gRPC takes 8 KiB, so not all sixty agencies of a prefecture are named.
_MOST_CHARACTERS_OF_NAMES = 100
# The longest line that a purpose may carry.
MOST_LINE_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """The agency and the category that a contractor picked, and that exist together."""

    agency: Agency
    category: Category


def enter(profile: Profile, agency_code: str, category_code: str, operation: Operation) -> Entry:
    """The agency and category with these codes, where the agency offers the category for this operation (ENT-01 to 04).

    Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED, OPERATION_NOT_OFFERED or CATEGORY_WITHOUT_CARD, each
    with the field that is wrong.
    """
    agency = next((agency for agency in profile.agencies if agency.code == agency_code), None)
    if agency is None:
        raise _refused("agency", "AGENCY_UNKNOWN", Code.NOT_FOUND, {"agency": agency_code})
    category = next((category for category in profile.categories if category.code == category_code), None)
    if category is None:
        raise _refused("category", "CATEGORY_UNKNOWN", Code.NOT_FOUND, {"category": category_code})
    names = {
        **_both("agency", agency.name),
        **_both("category", category.name),
    }
    if category.code not in agency.categories:
        offering = [other.name for other in profile.agencies if category.code in other.categories]
        names |= {
            "offered_by_ja": _names([name.ja for name in offering], "、", "ほか {more} 機関", "なし"),
            "offered_by_en": _names([name.en for name in offering], ", ", "and {more} more", "none"),
        }
        raise _refused("category", "CATEGORY_NOT_OFFERED", Code.FAILED_PRECONDITION, names)
    if operation not in category.operations:
        guide = next((guide.name for guide in profile.operations if guide.operation is operation), None)
        names |= _both("operation", guide or Text(ja=operation.value, en=operation.value))
        raise _refused("category", "OPERATION_NOT_OFFERED", Code.FAILED_PRECONDITION, names)
    if category.proof is not Proof.CARD:
        raise _refused("category", "CATEGORY_WITHOUT_CARD", Code.FAILED_PRECONDITION, names)
    return Entry(agency, category)


def representative_contact_wanted(rule: RepresentativeContact, *, stands: bool) -> bool:
    """Whether the form has to give the representative contact; `stands`: there is one already (REG-03)."""
    if rule is RepresentativeContact.FIRST_REGISTRATION:
        return not stands
    return rule is RepresentativeContact.ALWAYS


@dataclass(frozen=True, slots=True)
class Binding:
    """The card and the bidder that a registration ties together, as far as the words of the act need them."""

    serial_decimal: str
    issuer: str
    not_after: datetime
    bidder_id: str
    company_name: str


def act_lines(profile: Profile, entry: Entry, binding: Binding) -> list[str]:
    """What the card signs, in plain words, Japanese first: what is tied to what, and what can't be undone (REG-09).

    The act goes into a history that can't be rewritten, so the lines name the company and the card but nothing of the
    contacts; those are tied to the act by the hash of the canonical request.
    """
    label = profile.bidder_id.label
    place_ja = f"{entry.agency.name.ja}／{entry.category.name.ja}"
    place_en = f"{entry.agency.name.en}, {entry.category.name.en}"
    expires = f"{binding.not_after.astimezone(JAPAN):%Y/%m/%d}"
    propagation = _propagation(profile.propagation)
    lines = [
        f"利用者登録（{profile.name.ja}）：このICカードを、下記の業者のカードとして登録します。",
        f"登録先：{place_ja}",
        f"業者：{label.ja} {binding.bidder_id}　{binding.company_name}",
        f"ICカードの証明書：シリアル番号 {binding.serial_decimal}、有効期限 {expires}",
        f"証明書の発行者：{binding.issuer}",
        f"登録すると、このICカードは、この業務区分では他の{label.ja}に登録できなくなります。",
        "誤って登録した場合、ご自身では取り消せません。取消しは発注機関の職員だけが、記録を残して行います。",
        *([propagation.ja] if propagation else []),
        f"Registration ({profile.name.en}): makes this card a card of the bidder below.",
        f"Where: {place_en}",
        f"Bidder: {label.en} {binding.bidder_id}, {binding.company_name}",
        f"Card's certificate: serial number {binding.serial_decimal}, valid until {expires}",
        f"Issuer of the certificate: {binding.issuer}",
        f"From then on this card can't be registered for another {label.en} in this category.",
        "You can't undo a wrong registration yourself: only officers of the agency can, on the record.",
        *([propagation.en] if propagation else []),
    ]
    return [one_line(line) for line in lines]


def one_line(text: str) -> str:
    """The text with every character that could break or turn its line shown as U+FFFD, cut where it is too long.

    Names in certificates and rosters are others' words: a line break or a mark that reverses the writing must not make
    the person who signs read something else.
    """
    visible = "".join("\N{REPLACEMENT CHARACTER}" if is_invisible(character) else character for character in text)
    return visible if len(visible) <= MOST_LINE_CHARACTERS else visible[: MOST_LINE_CHARACTERS - 1] + "…"


def is_invisible(character: str) -> bool:
    """Whether a character is none that a person sees: a control, a mark that breaks a line or turns the writing.

    Not the same as unprintable: characters of private use (外字) and those newer than this Python's Unicode are seen.
    """
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _propagation(propagation: Propagation) -> Text | None:
    if propagation is Propagation.NONE:
        return None
    soon = ("すぐに", "at once") if propagation is Propagation.AT_ONCE else ("当日の夜間に", "tonight")
    return Text(
        ja=f"この業務区分で入札参加資格のある他の調達機関にも、{soon[0]}登録されます。",
        en=f"It also reaches the other agencies that have qualified the bidder in this category, {soon[1]}.",
    )


def _refused(field: str, reason: str, code: Code, metadata: dict[str, str]) -> Refusal:
    return Refusal(reason, code, metadata, [Violation(field, reason, metadata)])


def _both(key: str, text: Text) -> dict[str, str]:
    return {f"{key}_ja": text.ja, f"{key}_en": text.en}


def _names(names: list[str], separator: str, more: str, none: str) -> str:
    shown = ""
    for count, name in enumerate(names):
        longer = f"{shown}{separator}{name}" if shown else name
        if len(longer) > _MOST_CHARACTERS_OF_NAMES and shown:
            return f"{shown}{separator}{more.format(more=len(names) - count)}"
        shown = longer
    return shown or none
