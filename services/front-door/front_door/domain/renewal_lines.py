"""What the two cards of a renewal sign, in plain words: which card goes, which comes, and where (REN-01, REN-04)."""

from dataclasses import dataclass

from front_door.domain.act_lines import fit_line, write_day
from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import Card
from instance_profile.base import Text
from instance_profile.model import Profile, Propagation
from instance_profile.offers import Offer
from signed_acts.keys import MOST_LINE_CHARACTERS


@dataclass(frozen=True, slots=True)
class Succession:
    """Where a card of a company is renewed, and what becomes of its registrations at the other agencies."""

    offer: Offer
    company: CompanyProfile
    old_card: Card
    new_card: Card
    propagate: bool
    # Codes of the other agencies at which the old card is registered.
    other_agencies: list[str]


def compose_succession_lines(profile: Profile, offer: Offer, card: Card, company: CompanyProfile) -> list[str]:
    """Returns the lines of the old card's act, Japanese first; the new card is not in the reader yet."""
    label = profile.bidder_id.label
    agency, category = offer.agency.name, offer.category.name
    valid_until = write_day(card.not_after)
    lines = [
        f"ICカード更新（{profile.name.ja}）：このICカードの代わりに、この更新のために作成された1回限りの鍵で確認される"
        "新しいICカードを使用することに同意します。",
        f"更新する調達機関：{agency.ja}／{category.ja}",
        f"{label.ja}：{company.bidder_id}　{company.full_name}",
        f"現在使用しているICカードの証明書：シリアル番号{card.serial_decimal}、有効期限{valid_until}",
        f"証明書の発行者：{card.issuer}",
        "この同意は10分間有効です。その間に新しいICカードで更新しなければ、登録は何も変わりません。",
        "更新すると、このICカードは、この調達機関では直ちに使用できなくなります。",
        f"Renewal ({profile.name.en}): agrees that this card is replaced by the new card for which the one-time key"
        " of this renewal vouches.",
        f"At: {agency.en}, {category.en}",
        f"{label.en}: {company.bidder_id}, {company.full_name}",
        f"Card in use, its certificate: serial number {card.serial_decimal}, valid until {valid_until}",
        f"Issuer of the certificate: {card.issuer}",
        "Agreed for ten minutes. Unless the new card renews within them, nothing changes.",
        "Once renewed, this card stops working at this agency at once.",
    ]
    return [fit_line(line) for line in lines]


def compose_renewal_lines(profile: Profile, succession: Succession) -> list[str]:
    """Returns the lines of the new card's act, Japanese first, each at most MOST_LINE_CHARACTERS long."""
    label, company = profile.bidder_id.label, succession.company
    agency, category = succession.offer.agency.name, succession.offer.category.name
    old, new = succession.old_card, succession.new_card
    old_until, new_until = write_day(old.not_after), write_day(new.not_after)
    others = _describe_others(profile, succession)
    lines = [
        f"ICカード更新（{profile.name.ja}）：現在使用しているICカードの代わりに、このICカードを下記の{label.ja}の"
        "ICカードとして登録します。",
        f"更新する調達機関：{agency.ja}／{category.ja}",
        f"{label.ja}：{company.bidder_id}　{company.full_name}",
        f"現在使用しているICカードの証明書：シリアル番号{old.serial_decimal}、有効期限{old_until}",
        f"新規に使用するICカードの証明書：シリアル番号{new.serial_decimal}、有効期限{new_until}",
        f"新規に使用するICカードの証明書の発行者：{new.issuer}",
        "更新すると、現在使用しているICカードは、この調達機関では直ちに使用できなくなります。",
        others.ja,
        "連絡先は、現在使用しているICカードのものを引き継ぎます。",
        "誤って更新した場合、ご自身では取り消せません。取消しができるのは調達機関の職員のみです（記録が残ります）。",
        f"Renewal ({profile.name.en}): registers this card for the {label.en} below, in the place of the card in use.",
        f"At: {agency.en}, {category.en}",
        f"{label.en}: {company.bidder_id}, {company.full_name}",
        f"Card in use, its certificate: serial number {old.serial_decimal}, valid until {old_until}",
        f"New card, its certificate: serial number {new.serial_decimal}, valid until {new_until}",
        f"Issuer of the new card's certificate: {new.issuer}",
        "Once renewed, the card in use stops working at this agency at once.",
        others.en,
        "The contacts of the card in use carry over.",
        "You can't undo a wrong renewal yourself. Only the agency's officers can, and that is recorded.",
    ]
    return [fit_line(line) for line in lines]


def _describe_others(profile: Profile, succession: Succession) -> Text:
    known = {agency.code: agency.name for agency in profile.agencies}
    names = [known[code] for code in succession.other_agencies if code in known]
    named = _name_others(names)
    if not names:
        text = Text(
            ja="現在使用しているICカードは、他の調達機関には登録されていません。",
            en="The card in use is registered at no other agency.",
        )
    elif succession.propagate and profile.propagation is Propagation.NIGHT:
        text = Text(
            ja=f"他の調達機関にも、当日の夜間に変更を自動反映します：{named.ja}",
            en=f"The other agencies follow in the night of the same day: {named.en}",
        )
    elif succession.propagate:
        text = Text(
            ja=f"他の調達機関にも変更を自動反映します：{named.ja}",
            en=f"The other agencies follow: {named.en}",
        )
    else:
        text = Text(
            ja=f"他の調達機関には自動反映しません。現在使用しているICカードを引き続き使用します：{named.ja}",
            en=f"The other agencies do not follow. There the card in use stays registered: {named.en}",
        )
    return text


def _name_others(names: list[Text]) -> Text:
    """Returns the agencies' names; their number where the names would not fit into a line, and so be cut off."""
    named = Text(ja="、".join(name.ja for name in names), en=", ".join(name.en for name in names))
    if max(len(named.ja), len(named.en)) <= MOST_LINE_CHARACTERS // 2:
        return named
    return Text(ja=f"{len(names)}機関", en=f"{len(names)} agencies")
