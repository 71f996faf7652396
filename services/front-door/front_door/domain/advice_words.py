"""The sentences of an advice, by what stands of a card. Placeholders are those of `compose_advice`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from instance_profile.base import Text


class Situation(StrEnum):
    """What stands of a card at an agency in a category, as far as it decides what to do."""

    # It belongs to nobody.
    NEW = "new"
    # Its binding was undone, or has lapsed: it belongs to nobody any more.
    RELEASED = "released"
    # Its bidder's, and not registered at this agency.
    ELSEWHERE = "elsewhere"
    REGISTERED = "registered"
    EXPIRES_SOON = "expires_soon"
    EXPIRED = "expired"
    # Another card took its place here.
    REPLACED = "replaced"
    # Its binding was closed otherwise.
    CLOSED = "closed"
    SUSPENDED = "suspended"
    BIDDER_SUSPENDED = "bidder_suspended"
    NOT_QUALIFIED = "not_qualified"
    # The number of its bidder is not in use any more: a transfer, a merger or a lapse.
    BIDDER_ENDED = "bidder_ended"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in both languages; some are said only where the category has a renewal."""

    ja: str
    en: str
    needs_renewal: bool = False

    def fill(self, values: Mapping[str, Text]) -> Text:
        """Returns the sentence with its placeholders filled."""
        return Text(
            ja=self.ja.format_map({key: value.ja for key, value in values.items()}),
            en=self.en.format_map({key: value.en for key, value in values.items()}),
        )


_ASK_AGENCY = Sentence("{agency}の担当者にお問い合わせください。", "Ask {agency}.")
_TENDERS_STAY = Sentence(
    "登録済みの別のICカードがある場合、そのICカードも有効期限まで使用できます。進行中の案件は、参加申請に使用したICカードで続けてください。",
    "Other registered cards of yours can be used until they expire. Go on with running tenders with the card that you"
    " applied with.",
)
_GAP = Sentence(
    "新しいICカードは、認証局が発行してから使用できるようになるまで日数がかかることがあります。それまでは何の手続きにも使用できませんので、余裕をもって取得してください。",
    "It may take days from the issue of a new card until it can be used. Before that it is good for nothing here, so"
    " get it in good time.",
)
_NAME_THE_OLD = Sentence(
    "有効期限が切れたICカードの後に取得したICカードの場合は、「{registration}」の際に、以前のICカードの証明書シリアル番号を入力してください。調達機関の担当者が確認した後、進行中の案件を新しいICカードで続けられます。",
    "If the new card comes after one that has expired, name the serial number of that one when you choose"
    " {registration}. Once an officer has confirmed it, running tenders go on with the new card.",
)
_IN_DOUBT = Sentence(
    "どちらの操作がよいか分からない場合は、「{renewal}」ではなく「{registration}」を選んでください。",
    "If you are not sure which operation to use, choose {registration} and not {renewal}.",
    needs_renewal=True,
)
_OR_RENEWAL = Sentence(
    "使用中のICカードが有効期限内で、{label}、名義人、住所等の企業情報に変更がなく、認証局も同じ場合に限り、「{renewal}」で登録情報を引き継ぐこともできます（使用中のICカードは使用できなくなります）。",
    "Only if the card in use has not expired, and {label}, holder, company data and certification authority are the"
    " same, {renewal} may carry your registration over instead; the card in use then stops working.",
    needs_renewal=True,
)
_NEW_NUMBER = Sentence(
    "契約権限の移譲、会社の合併、入札参加資格の失効・更新漏れなどで{label}が新しくなった場合は、「{renewal}」ではなく、新しい{label}で「{registration}」を行ってください。間違って更新すると、新しいICカードも使用できなくなります。",
    "If your {label} is new, after a transfer of authority, a merger, or a lapsed or missed qualification, choose"
    " {registration} with the new {label} and not {renewal}. After a renewal by mistake the new card could not be used"
    " either.",
    needs_renewal=True,
)
_COMPANY_CHANGED = Sentence(
    "商号、住所、名義人等の企業情報が変わり、ICカードを取得し直した場合は、「{registration}」を行ってください。",
    "If you obtained the new card because company data changed, such as name, address or holder, choose"
    " {registration}.",
    needs_renewal=True,
)
_EXPIRED_OR_OTHER = Sentence(
    "使用中のICカードの有効期限が切れた後、または新しいICカードの認証局が異なる場合は、「{registration}」を行ってください。",
    "After the card in use has expired, or if the new one is from another certification authority, choose"
    " {registration}.",
    needs_renewal=True,
)

# Where the card's company is written otherwise than the roster's.
COMPANY_DIFFERS = Sentence(
    "ICカードの企業名称が、名簿の商号又は名称と異なります。企業情報が変わった場合は、「{renewal}」ではなく「{registration}」を行ってください。",
    "The company in the certificate is written otherwise than on the roster. If company data changed, choose"
    " {registration} and not {renewal}.",
    needs_renewal=True,
)
# 「有効期間に余裕がない場合は、発注元に連絡して紙で応札可能か相談してください。」 (LIF-06)
PAPER_BID = Sentence(
    "有効期間に余裕がありません。応札の予定がある場合は、調達機関に連絡して、紙で応札可能か相談してください。",
    "Little validity is left. If you are going to bid, ask the agency whether you can bid on paper.",
)

STANDINGS: Mapping[Situation, Sentence] = {
    Situation.NEW: Sentence(
        "このICカードは、「{category}」では、まだ利用者登録されていません。",
        "This card is not registered in the category {category} yet.",
    ),
    Situation.RELEASED: Sentence(
        "このICカードの利用者登録は、「{category}」では取り消されています。",
        "The registration of this card in the category {category} was cancelled.",
    ),
    Situation.ELSEWHERE: Sentence(
        "このICカードは、「{category}」で{label}「{bidder_id}」のICカードとして利用者登録されていますが、{agency}では登録されていません。",
        "This card is registered for the {label} {bidder_id} in the category {category}, but not at {agency}.",
    ),
    Situation.REGISTERED: Sentence(
        "このICカードは、{agency}の「{category}」に、{label}「{bidder_id}」のICカードとして利用者登録されています。",
        "This card is registered at {agency} in the category {category}, for the {label} {bidder_id}.",
    ),
    Situation.EXPIRES_SOON: Sentence(
        "このICカードは、{agency}の「{category}」に、{label}「{bidder_id}」のICカードとして利用者登録されています。有効期限は{until}です。",
        "This card is registered at {agency} in the category {category}, for the {label} {bidder_id}. It expires soon:"
        " {until}.",
    ),
    Situation.EXPIRED: Sentence("このICカードの有効期限（{until}）は切れています。", "This card has expired: {until}."),
    Situation.REPLACED: Sentence(
        "このICカードの利用者登録は、{agency}の「{category}」では、新しいICカードに引き継がれています。",
        "At {agency}, in the category {category}, a new card has taken the place of this one.",
    ),
    Situation.CLOSED: Sentence(
        "このICカードの利用者登録は、「{category}」では終了しています。",
        "The registration of this card in the category {category} has ended.",
    ),
    Situation.SUSPENDED: Sentence(
        "このICカードは、現在、利用が停止されています。", "The use of this card is currently suspended."
    ),
    Situation.BIDDER_SUSPENDED: Sentence(
        "{label}「{bidder_id}」は、現在、利用が停止されています。", "The {label} {bidder_id} is currently suspended."
    ),
    Situation.NOT_QUALIFIED: Sentence(
        "{label}「{bidder_id}」は、{agency}の「{category}」に、現在有効な入札参加資格がありません。",
        "The {label} {bidder_id} has no qualification at {agency} in the category {category} now.",
    ),
    Situation.BIDDER_ENDED: Sentence(
        "このICカードの{label}「{bidder_id}」は、契約権限の移譲・合併・入札参加資格の失効などにより、使用できなくなっています。",
        "The {label} {bidder_id} of this card is no longer in use, for example after a transfer of contracting"
        " authority, a merger or a lapse of the qualification.",
    ),
}

REASONS: Mapping[Situation, Sequence[Sentence]] = {
    Situation.NEW: (
        Sentence(
            "電子入札システムで使用するには、「{registration}」を行う必要があります。",
            "To use it for e-bidding, choose {registration}.",
        ),
    ),
    Situation.RELEASED: (
        Sentence(
            "再び使用するには、正しい{label}で「{registration}」を行ってください。",
            "To use it again, choose {registration} with the right {label}.",
        ),
    ),
    Situation.ELSEWHERE: (
        Sentence(
            "この調達機関に入札参加資格がある場合は、この調達機関を選んで「{registration}」を行うと、同じ{label}で登録できます。",
            "If you are qualified at this agency, choose it and {registration}, with the same {label}.",
        ),
    ),
    Situation.REGISTERED: (
        Sentence(
            "このまま電子入札システムで使用できます。担当者や連絡先が変わった場合と、登録内容を確認する場合は、「{change}」を選んでください。",
            "You can use it for e-bidding as it is. Choose {change} if persons or contacts change, or to see what is"
            " registered.",
        ),
    ),
    Situation.EXPIRES_SOON: (
        Sentence(
            "有効期限が切れると、電子入札システムで使用できなくなります。認証局で新しいICカードを取得してください。",
            "After its expiry it can't be used for e-bidding. Get a new card from a certification authority.",
        ),
        Sentence(
            "{label}、名義人、住所等の企業情報に変更がなければ、有効期限が切れる前に「{renewal}」を行うと、登録内容を新しいICカードに引き継げます。入力は不要です。",
            "If {label}, holder and company data are unchanged, {renewal} before the expiry carries what is"
            " registered over to the new card, with nothing to enter.",
            needs_renewal=True,
        ),
    ),
    Situation.EXPIRED: (
        Sentence(
            "有効期限が切れたICカードでは、電子入札システムを利用できません。認証局で新しいICカードを取得し、そのICカードで「{registration}」を行ってください。",
            "It can't be used for e-bidding. Get a new card from a certification authority, and choose"
            " {registration} with that.",
        ),
    ),
    Situation.REPLACED: (
        Sentence(
            "この調達機関では、新しいICカードをご利用ください。このICカードですることはありません。",
            "Use the new card at this agency. There is nothing to do with this one.",
        ),
    ),
    Situation.CLOSED: (
        Sentence(
            "このICカードは、この業務区分では使用できません。別のICカードで「{registration}」を行うか、調達機関の担当者にお問い合わせください。",
            "It can't be used in this category. Choose {registration} with another card, or ask the agency.",
        ),
    ),
    Situation.SUSPENDED: (_ASK_AGENCY,),
    Situation.BIDDER_SUSPENDED: (_ASK_AGENCY,),
    Situation.NOT_QUALIFIED: (
        Sentence(
            "競争入札参加資格を確認してください。更新漏れのため新規申請をし、新しい{label}が交付された場合は、新しい{label}で「{registration}」を行ってください。",
            "Check your qualification. If you applied anew because a renewal of it was missed, and have a new"
            " {label}, choose {registration} with that.",
        ),
    ),
    Situation.BIDDER_ENDED: (
        Sentence(
            "新しい{label}で「{registration}」を行ってください。契約権限の移譲・合併の場合は、新しいICカードが必要です。",
            "Choose {registration} with the new {label}. After a transfer or a merger you also need a new card.",
        ),
    ),
}

CONSEQUENCES: Mapping[Situation, Sequence[Sentence]] = {
    Situation.NEW: (_TENDERS_STAY, _NAME_THE_OLD),
    Situation.RELEASED: (_TENDERS_STAY,),
    Situation.ELSEWHERE: (_TENDERS_STAY,),
    Situation.REGISTERED: (
        Sentence(
            "「{change}」をしても、既に提出した競争参加資格申請書等の参加申請書の連絡先には反映されません。",
            "{change} does not reach the contacts in applications that were handed in already.",
        ),
    ),
    Situation.EXPIRES_SOON: (
        Sentence(
            "更新した調達機関と、更新を反映させた調達機関では、新しいICカードがこのICカードを引き継いだことが分かるため、進行中の案件を新しいICカードで続けられます。このICカードは、そこでは使用できなくなります。",
            "At the agency of a renewal, and at those that follow it, the new card is known as the one that took"
            " this one's place, so running tenders go on with it. This card can't be used there any more.",
            needs_renewal=True,
        ),
        Sentence(
            "更新を反映させない調達機関では、このICカードを有効期限まで使用します。",
            "At agencies that do not follow, this card stays in use until it expires.",
            needs_renewal=True,
        ),
        Sentence(
            "期限までの受付時間内（{hours}）に手続きを終えてください。有効期限が切れた後は「{renewal}」はできず、新しいICカードで「{registration}」を行うことになります。",
            "Be done with it within the opening hours ({hours}) before the expiry. Afterwards {renewal} is"
            " impossible, and only {registration} with the new card is left.",
            needs_renewal=True,
        ),
        _GAP,
    ),
    Situation.EXPIRED: (_NAME_THE_OLD, _GAP, PAPER_BID),
    Situation.REPLACED: (
        Sentence(
            "進行中の案件は、この調達機関では新しいICカードで続けられます。",
            "At this agency running tenders go on with the new card.",
        ),
    ),
    Situation.BIDDER_ENDED: (
        Sentence(
            "進行中の案件をどう続けるかは、{agency}の担当者にお問い合わせください。",
            "Ask {agency} how to go on with running tenders.",
        ),
    ),
}

EXCEPTIONS: Mapping[Situation, Sequence[Sentence]] = {
    Situation.NEW: (
        _OR_RENEWAL,
        _IN_DOUBT,
    ),
    Situation.REGISTERED: (
        Sentence(
            "商号、住所等の企業情報は名簿の内容であり、「{change}」では変わりません。名義人等が変わりICカードを取得し直した場合は、そのICカードで「{registration}」を行ってください。",
            "Company data are the roster's, and {change} does not change them. If you obtained a new card because"
            " its holder or the like changed, choose {registration} with that card.",
        ),
    ),
    Situation.EXPIRES_SOON: (_NEW_NUMBER, _COMPANY_CHANGED, _EXPIRED_OR_OTHER, _IN_DOUBT),
}
