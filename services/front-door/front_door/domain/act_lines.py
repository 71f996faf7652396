"""What a card signs, in plain words: what is bound to what, and what can't be undone (REG-09)."""

from datetime import datetime

from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import Card
from instance_profile.base import Text
from instance_profile.characters import replace_invisible
from instance_profile.japan_time import JAPAN
from instance_profile.model import Profile, Propagation
from instance_profile.offers import Offer
from refusals import Code, Refusal
from signed_acts.keys import MOST_LINE_CHARACTERS
from signed_acts.purpose import decode

_PROPAGATION = {
    Propagation.AT_ONCE: Text(
        ja="この業務区分で入札参加資格のある他の調達機関にも、自動反映されます。",
        en="It is propagated automatically to the other agencies at which the bidder is qualified in this category.",
    ),
    Propagation.NIGHT: Text(
        ja="この業務区分で入札参加資格のある他の調達機関にも、当日の夜間に自動反映されます。",
        en="It is propagated automatically, in the night of the same day, to the other agencies at which the bidder is"
        " qualified in this category.",
    ),
}


def compose_act_lines(
    profile: Profile,
    offer: Offer,
    card: Card,
    company: CompanyProfile,
    person_in_charge: str,
    predecessor_serial: str = "",
) -> list[str]:
    """Returns the lines of the act of a registration, Japanese first, each at most MOST_LINE_CHARACTERS long.

    The act goes into a history that can't be rewritten, so the lines name the company, the card and, where they are
    given, the 担当者 and the card before this one, but nothing of the contacts; those are tied to the act by the hash
    of the canonical request.
    """
    label = profile.bidder_id.label
    agency, category = offer.agency.name, offer.category.name
    valid_until = write_day(card.not_after)
    propagation = _PROPAGATION.get(profile.propagation)
    is_person_named = bool(person_in_charge.strip())
    lines = [
        f"利用者登録（{profile.name.ja}）：このICカードを、下記の{label.ja}のICカードとして利用者登録します。",
        f"登録先：{agency.ja}／{category.ja}",
        f"{label.ja}：{company.bidder_id}　{company.full_name}",
        *([f"担当者：{person_in_charge}"] if is_person_named else []),
        f"ICカードの証明書：シリアル番号{card.serial_decimal}、有効期限{valid_until}",
        f"証明書の発行者：{card.issuer}",
        *([write_predecessor_line(predecessor_serial)] if predecessor_serial else []),
        f"登録すると、このICカードは、この業務区分では他の{label.ja}に登録できなくなります。",
        "誤って登録した場合、ご自身では取り消せません。取消しができるのは調達機関の職員のみです（記録が残ります）。",
        *([propagation.ja] if propagation else []),
        f"Registration ({profile.name.en}): registers this card for the {label.en} below.",
        f"At: {agency.en}, {category.en}",
        f"{label.en}: {company.bidder_id}, {company.full_name}",
        *([f"Person in charge: {person_in_charge}"] if is_person_named else []),
        f"Card's certificate: serial number {card.serial_decimal}, valid until {valid_until}",
        f"Issuer of the certificate: {card.issuer}",
        *([f"Card before this one, expired: serial number {predecessor_serial}"] if predecessor_serial else []),
        f"Once registered, this card can't be registered for another {label.en} in this category.",
        "You can't undo a wrong registration yourself. Only the agency's officers can, and that is recorded.",
        *([propagation.en] if propagation else []),
    ]
    return [fit_line(line) for line in lines]


def write_predecessor_line(predecessor_serial: str) -> str:
    """Returns the line in Japanese that names the card before this one."""
    return f"期限切れとなった以前のICカード：証明書シリアル番号{predecessor_serial}"


def require_signed_predecessor(purpose: bytes, predecessor_serial: str) -> None:
    """Checks that the act names this card as the one before; raises as `decode`, and PREDECESSOR_DIFFERS_FROM_ACT."""
    act = decode(purpose).act
    if act is None or fit_line(write_predecessor_line(predecessor_serial)) not in act.lines:
        raise Refusal("PREDECESSOR_DIFFERS_FROM_ACT", Code.FAILED_PRECONDITION)


def fit_line(line: str) -> str:
    """Returns a line as a purpose may contain it: at most MOST_LINE_CHARACTERS, and with nothing invisible."""
    # Names in certificates and rosters are written by others: a line break or a mark that reverses the writing must not
    # make the person who signs read something else.
    visible = replace_invisible(line)
    return visible if len(visible) <= MOST_LINE_CHARACTERS else visible[: MOST_LINE_CHARACTERS - 1] + "…"


def write_day(instant: datetime) -> str:
    """Returns the day of an instant in Japan, as cards' screens write it: 2028/04/01."""
    return f"{instant.astimezone(JAPAN):%Y/%m/%d}"
