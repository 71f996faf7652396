"""What a card signs at a change, in plain words: which fields change, of whom, where, and from when."""

from collections.abc import Sequence

from front_door.domain.act_lines import fit_line, write_day
from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import Card
from front_door.domain.change import CARD_CONTACT, REPRESENTATIVE_CONTACT
from instance_profile.base import Text
from instance_profile.display import ContactSection
from instance_profile.model import Category, Profile, Propagation
from instance_profile.offers import Offer

_SECTIONS = {CARD_CONTACT: ContactSection.CARD, REPRESENTATIVE_CONTACT: ContactSection.REPRESENTATIVE}
_COUNTS_FROM = Text(
    ja="この変更は、受け付けた時点から有効になります。以前の内容も記録に残ります。",
    en="The change counts from the moment at which it is accepted. What was registered before stays on record.",
)
# 「※既に競争参加資格申請書等の参加申請書で入力した連絡先には反映されません。」 (CHG-03)
_APPLICATIONS = Text(
    ja="既に提出した競争参加資格申請書等の参加申請書の連絡先には、反映されません。",
    en="It does not reach the contacts in applications that were handed in already.",
)
_PROPAGATES = Text(
    ja="他の調達機関にも、同時に反映されます。",
    en="The other agencies follow at the same time.",
)
_PROPAGATES_AT_NIGHT = Text(
    ja="他の調達機関にも、当日の夜間に自動反映されます。それまでは、これまでの連絡先が引き続き使用されます。",
    en="The other agencies follow in the night of the same day. Until then, the contacts there stay as they were.",
)
_STAYS_HERE = Text(
    ja="他の調達機関には反映されません。他の調達機関では、これまでの連絡先が引き続き使用されます。",
    en="The other agencies do not follow: there, the contacts stay as they were.",
)


def compose_change_lines(
    profile: Profile,
    offer: Offer,
    card: Card,
    company: CompanyProfile,
    changed_fields: Sequence[str],
    *,
    propagate: bool,
) -> list[str]:
    """Returns the lines of the act of a change, Japanese first, each at most MOST_LINE_CHARACTERS long.

    The act goes into a history that can't be rewritten, so the lines name the fields that change and never a value;
    the values are tied to the act by the hash of the canonical request.
    """
    label, agency, category = profile.bidder_id.label, offer.agency.name, offer.category.name
    valid_until = write_day(card.not_after)
    of_card = _list_labels(offer.category, changed_fields, CARD_CONTACT)
    of_bidder = _list_labels(offer.category, changed_fields, REPRESENTATIVE_CONTACT)
    is_at_night = profile.propagation is Propagation.NIGHT
    follows = (_PROPAGATES_AT_NIGHT if is_at_night else _PROPAGATES) if propagate else _STAYS_HERE
    card_heading = _find_heading(offer.category, CARD_CONTACT)
    bidder_heading = _find_heading(offer.category, REPRESENTATIVE_CONTACT)
    lines = [
        f"利用者変更（{profile.name.ja}）：このICカードの利用者登録について、下記の連絡先を変更します。",
        f"調達機関・業務区分：{agency.ja}／{category.ja}",
        f"{label.ja}：{company.bidder_id}　{company.full_name}",
        f"ICカードの証明書：シリアル番号{card.serial_decimal}、有効期限{valid_until}",
        f"証明書の発行者：{card.issuer}",
        *(
            [f"このICカードのみの変更：{card_heading.ja}（{'、'.join(each.ja for each in of_card)}）"]
            if of_card
            else []
        ),
        *(
            [
                f"この業務区分における、この{label.ja}の全てのICカードに共通の変更："
                f"{bidder_heading.ja}（{'、'.join(each.ja for each in of_bidder)}）"
            ]
            if of_bidder
            else []
        ),
        _COUNTS_FROM.ja,
        _APPLICATIONS.ja,
        follows.ja,
        f"Change ({profile.name.en}): changes the contacts below of this card's registration.",
        f"At: {agency.en}, {category.en}",
        f"{label.en}: {company.bidder_id}, {company.full_name}",
        f"Card's certificate: serial number {card.serial_decimal}, valid until {valid_until}",
        f"Issuer of the certificate: {card.issuer}",
        *(
            [f"Changes for this card only: {card_heading.en} ({', '.join(each.en for each in of_card)})"]
            if of_card
            else []
        ),
        *(
            [
                f"Changes for all cards of this {label.en} in this category: "
                f"{bidder_heading.en} ({', '.join(each.en for each in of_bidder)})"
            ]
            if of_bidder
            else []
        ),
        _COUNTS_FROM.en,
        _APPLICATIONS.en,
        follows.en,
    ]
    return [fit_line(line) for line in lines]


def _list_labels(category: Category, changed_fields: Sequence[str], section: str) -> list[Text]:
    return [rule.label for rule in category.contact_fields if f"{section}.{rule.field}" in changed_fields]


def _find_heading(category: Category, section: str) -> Text:
    (heading,) = (rule.heading for rule in category.contact_sections if rule.section is _SECTIONS[section])
    return heading
