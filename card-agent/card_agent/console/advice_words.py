"""The card agent's texts around an advice, those for a card that has expired, and those of the menu."""

from card_agent.console.words import Words
from signed_acts.purpose import Operation

ADVICE = Words("このICカードでの手続き", "What to do with this card")
STANDING = Words("現在の状態", "What stands now")
RIGHT = Words("適切な操作", "Right operation")
UNTIL = Words("期限", "By")
REASONS = Words("理由", "Why")
CONSEQUENCES = Words("進行中の案件への影響と、注意していただくこと", "Running tenders, and what else to mind")
EXCEPTIONS = Words("この操作が適切でない場合", "When not to do it, and what is right instead")
NONE_IS_RIGHT = Words("なし（理由をご確認ください）", "none (see why)")
# Where the instance is not known yet.
OPERATIONS = {
    Operation.REGISTRATION: Words("登録", "Registration"),
    Operation.CHANGE: Words("変更", "Change"),
    Operation.RENEWAL: Words("ICカード更新", "Card renewal"),
}
# As the front door says it of a card that expired while its session was open.
EXPIRED = Words("このICカードの有効期限（{date}）は切れています。", "This card has expired: {date}.")
EXPIRED_REASONS = (
    Words(
        "有効期限が切れたICカードでは、電子入札システムを利用できません。認証局で新しいICカードを取得し、そのICカードで「登録」を行ってください。",
        "It can't be used for e-bidding. Get a new card from a certification authority, and choose Registration with"
        " that.",
    ),
)
EXPIRED_CONSEQUENCES = (
    Words(
        "有効期限が切れたICカードの後に取得したICカードの場合は、「登録」の際に、以前のICカードの証明書シリアル番号を入力してください。"
        "調達機関の担当者が確認した後、進行中の案件を新しいICカードで続けられます。",
        "If the new card comes after one that has expired, name the serial number of that one when you choose"
        " Registration. Once an officer has confirmed it, running tenders go on with the new card.",
    ),
    Words(
        "新しいICカードは、認証局が発行してから使用できるようになるまで日数がかかることがあります。それまでは何の手続きにも"
        "使用できませんので、余裕をもって取得してください。",
        "It may take days from the issue of a new card until it can be used. Before that it is good for"
        " nothing here, so get it in good time.",
    ),
    Words(
        "有効期間に余裕がありません。応札の予定がある場合は、調達機関に連絡して、紙で応札可能か相談してください。",
        "Little validity is left. If you are going to bid, ask the agency whether you can bid on paper.",
    ),
)

CHOOSE_OPERATION = Words("操作（番号または名称）", "Operation (number or name)")
ADVISE = Words("どの操作がよいか、ICカードを確認する", "find out from the card which operation is right")
LEAVE = Words("終了する", "leave")
DIFFERENCES = Words("「登録」と「ICカード更新」の違い", "How registration and renewal differ")
DIFFERENCE = Words(
    "{aspect}　登録：{registration}　ICカード更新：{renewal}",
    "{aspect} - registration: {registration} - renewal: {renewal}",
)
