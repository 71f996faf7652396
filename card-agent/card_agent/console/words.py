"""The card agent's texts on the screen, Japanese first. The texts of refusals are in `refusals.catalogue`."""

from dataclasses import dataclass

from refusals.language import Language
from toroku.frontdoor.v1 import front_door_pb2


@dataclass(frozen=True, slots=True)
class Words:
    """A text in Japanese and English."""

    ja: str
    en: str

    def say(self, language: Language) -> str:
        """Returns the text in a language."""
        return self.ja if language == "ja" else self.en


def to_words(text: front_door_pb2.Text) -> Words:
    """Converts a text of the front door."""
    return Words(text.ja, text.en)


def say(value: Words | str, language: Language) -> str:
    """Returns a value as it is shown in a language; one that is not in words is the same in both."""
    return value if isinstance(value, str) else value.say(language)


NOT_IN_CERTIFICATE = Words("証明書に記載なし", "not in the certificate")
NOT_GIVEN = Words("（記載なし）", "(none)")

BUSY = Words(
    "ただいまICカードにアクセス中です。ICカードを抜かないでください。", "The card is in use. Do not remove it."
)
ASK_PIN = Words("ICカードのPIN（暗証番号）", "PIN of the card")
ASK_FILE_PASSWORD = Words("証明書ファイルのパスワード", "Password of the certificate file")
ASK_OLD_PIN = Words("現在使用しているICカードのPIN（暗証番号）", "PIN of the card in use")
ASK_NEW_PIN = Words("新しいICカードのPIN（暗証番号）", "PIN of the new card")
ASK_MY_NUMBER_PIN = Words(
    "マイナンバーカードの署名用パスワード（半角の英大文字と数字、6～16文字）",
    "Password for signatures of the My Number card (6 to 16 digits and capital letters)",
)
ASK_OLD_MY_NUMBER_PIN = Words(
    "現在使用しているマイナンバーカードの署名用パスワード", "Password for signatures of the My Number card in use"
)
ASK_NEW_MY_NUMBER_PIN = Words(
    "新しいマイナンバーカードの署名用パスワード", "Password for signatures of the new My Number card"
)
ASK_OLD_FILE_PASSWORD = Words("現在使用している証明書ファイルのパスワード", "Password of the certificate file in use")
ASK_NEW_FILE_PASSWORD = Words("新しい証明書ファイルのパスワード", "Password of the new certificate file")

CARD = Words("ICカード情報", "Card")
CARD_COMPANY_NAME = Words("ICカード企業名称", "Company")
CARD_COMPANY_ADDRESS = Words("ICカード企業住所", "Company's address")
HOLDER_NAME = Words("ICカード取得者氏名", "Holder")
HOLDER_ADDRESS = Words("ICカード取得者住所", "Holder's address")
SERIAL = Words("証明書シリアル番号", "Serial number of the certificate")
ISSUER = Words("証明書発行者", "Issuer")
DECIMAL = Words("(10進)", "(decimal)")
HEXADECIMAL = Words("(16進)", "(hexadecimal)")
EXPIRY = Words("証明書有効期限", "Valid until")
TRIES_LEFT = Words("PIN入力の残り回数", "PIN tries left")
MY_NUMBER_CARD = Words("マイナンバーカード", "My Number card")
SHARED_TRIES_LEFT = Words(
    "署名用パスワードの残り回数（e-Taxなど、ほかの手続きと共通）",
    "Password tries left (together with other procedures such as e-Tax)",
)

PERSON_IN_CHARGE = Words("担当者", "Person in charge")
PREDECESSOR_SERIAL = Words(
    "有効期限が切れた古いICカードの証明書シリアル番号", "Serial number of your card that has expired"
)
# Fields of requests that nobody types.
SESSION = Words("手続きの情報", "Session")
CERTIFICATE = Words("ICカードの電子証明書", "Certificate of the card")
OTHER_CERTIFICATES = Words("ICカード内の他の電子証明書", "Other certificates on the card")
SIGNED_LOG_IN = Words("ICカードの確認のための署名", "Signature that proves possession of the card")
SIGNED_ACT = Words("登録のための署名", "Signature for the registration")
SIGNED_RENEWAL = Words("ICカード更新のための署名", "Signature for the renewal")
SUCCESSOR_KEY = Words("ICカード更新の引継ぎ用の鍵", "Successor key of the renewal")
RENEWAL_FORM = Words("ICカード更新の内容", "Content of the renewal")
BIDDER_PROOF = Words("資格審査情報の検索結果", "Result of the search")
UNNAMED_FIELD = Words("送信した内容", "What was sent")

READERS = Words("カードリーダー", "Readers")
WITH_CARD = Words("ICカードあり", "card inserted")
WITHOUT_CARD = Words("ICカードなし", "no card")

CHOOSE_AGENCY = Words("調達機関", "Agency")
CHOOSE_CATEGORY = Words("業務区分", "Category")
INSTANCE = Words("システム", "System")
PURPOSE = Words("署名する内容", "What the card signs")
TYPE = Words("種別", "Kind")
CHECK_OF_THE_CARD = Words("ICカードの確認", "check of the card (proof of possession)")
OPERATION = Words("操作", "Operation")
OPERATION_NAMES = {
    "registration": Words("利用者登録", "user registration"),
    "change": Words("利用者変更", "change of the contacts"),
    "renewal": Words("ICカード更新", "renewal of the card"),
    "view": Words("登録内容の確認", "a look at what is registered"),
}
ROLE = Words("ICカードの役割", "Role of the card")
ROLE_NAMES = {
    "sole": Words("使用するICカード", "the card in use"),
    "old": Words("現在使用しているICカード", "the card in use until now"),
    "new": Words("新規に使用するICカード", "the card to be used from now on"),
}
CERTIFICATE_SHA256 = Words("証明書のSHA-256", "SHA-256 of the certificate")
SUCCESSOR_KEY_SHA256 = Words("引継ぎ用の鍵のSHA-256", "SHA-256 of the successor key")
OTHER_CERTIFICATE_SHA256 = Words("更新前の証明書のSHA-256", "SHA-256 of the old card's certificate")
SERVER_TIME = Words("日時", "Date and time")
OPENING_HOURS = Words("受付時間", "Opening hours")
HELP_DESK = Words("ヘルプデスク", "Help desk")
HELP_DESK_MAIL_ADDRESS = Words("ヘルプデスクのメールアドレス", "Help desk by mail")
HELP_DESK_PAGE = Words("ヘルプデスクのホームページ", "Help desk on the web")
HELP_DESK_CHAT = Words("ヘルプデスクのチャット", "Help desk by chat")
DESTINATION = Words("登録先", "Registration")
NONCE = Words("乱数（1回限り有効）", "Random number, valid once")
REQUEST_ID = Words("受付番号", "Request number")
REQUEST_SHA256 = Words("登録内容のSHA-256", "SHA-256 of the request")
HISTORY = Words("履歴への記録", "Record in the history")
HISTORY_DIGEST = Words("記録のSHA-256", "SHA-256 of the record")
HISTORY_RECEIPT = Words("履歴への記録の証明", "Proof of the record in the history")

REGISTERED_ELSEWHERE = Words(
    "このICカードは、この業務区分で他の調達機関に登録済みです。同じ{bidder_id_label_ja}で、この調達機関にも登録できます。",
    "This card is registered at another agency in this category. It can be registered here with the same"
    " {bidder_id_label_en}.",
)
LOOKING_FOR_RECEIPT = Words("前回の登録の結果を確認しています。", "Checking the result of the previous registration.")
NOT_REGISTERED_BEFORE = Words(
    "前回の登録は完了していませんでした。続けて登録できます。",
    "The previous registration was not completed. You can register now.",
)
ASKING_AGAIN = Words(
    "サーバーから応答がないため、同じ内容をもう一度送信しています。二重に登録されることはありません。",
    "The server did not answer, so the same request is sent again. It never registers twice.",
)
CHOOSE_CERTIFICATE = Words("使用する電子証明書", "Certificate to use")
SEARCH = Words("資格審査情報の検索", "Search for the qualification")
ANSWER_ADDRESS = Words("回答を受け取るメールアドレス", "Mail address for the answer")
HOW_TO_ASK = Words(
    "{agency_ja}の担当者に、このICカードで登録できるかどうかの確認を依頼できます。依頼する場合は、メールアドレスを"
    "入力してください（回答のためだけに使用します）。依頼しない場合は、何も入力せずに進んでください。",
    "You can ask the officers of {agency_en} whether this card can be registered. To ask, type a mail address, which is"
    " used for the answer only. Leave it empty if you do not want to ask.",
)
OFFICER_ASKED = Words("担当者に確認を依頼しました", "An officer has been asked")
APPROVAL_NUMBER = Words("確認番号", "Number of the question")
OTHER_BIDDER = Words(
    "入力した{bidder_id_label_ja}と見つかった{bidder_id_label_ja}が異なります",
    "The {bidder_id_label_en} found is not the one that was typed",
)
TYPED_NUMBER = Words("入力した{bidder_id_label_ja}", "Typed")
FOUND_NUMBER = Words("見つかった{bidder_id_label_ja}", "Found")
FOUND_NAME = Words("見つかった企業", "Company found")
CONFIRM_OTHER_BIDDER = Words(
    "番号が統合された場合などに異なることがあります。見つかった{bidder_id_label_ja}で登録しますか",
    "This can happen where numbers were merged. Do you want to register for the {bidder_id_label_en} that was found?",
)
SEARCH_FIELDS = {
    "name": Words("商号又は名称", "Company name"),
    "password": Words("パスワード", "Password"),
}
COMPANY = Words("企業情報", "Company")
# The fields of a profile that does not say what it shows.
COMPANY_FIELDS = {
    "name": Words("商号又は名称", "Company name"),
    "postal_code": Words("郵便番号", "Postal code"),
    "address": Words("住所", "Address"),
    "representative_name": Words("代表者等氏名", "Representative"),
    "representative_title": Words("代表者等役職", "Representative's title"),
    "telephone": Words("電話番号", "Telephone"),
    "fax": Words("FAX番号", "Fax"),
    "department": Words("部署名", "Department"),
    "corporate_number": Words("法人番号", "Corporate number"),
    "grades": Words("資格の種類（等級）", "Qualification (grade)"),
}
# Fields that most rosters lack: without a profile's word shown only where they are given.
FURTHER_COMPANY_FIELDS = {
    "contract_party_name": Words("契約者氏名", "Contract party"),
    "region": Words("地域区分", "Region"),
    "permit_number": Words("入札参加許可番号", "Permit number"),
}
BRANCH = Words("支店名等", "Branch")
NO_GRADE = Words("無し", "none")
CARD_CONTACT = Words("ICカード利用部署情報", "Contact of the card")
REPRESENTATIVE_CONTACT = Words("代表窓口情報", "Representative contact")
REPRESENTATIVE_CONTACT_STANDS = Words(
    "この連絡先は登録済みのため、ここでは変更できません。変更については、{help_desk_ja}にお問い合わせください。",
    "This contact is already registered and cannot be changed here. To change it, ask {help_desk_en}.",
)
# Where the category offers the change.
REPRESENTATIVE_CONTACT_STANDS_UNTIL_CHANGED = Words(
    "この連絡先は登録済みのため、ここでは変更できません。内容が変わった場合は、登録した後に「変更」を選んでください。",
    "This contact is already registered and cannot be changed here. If it is not right any more, choose Change after"
    " the registration.",
)
CONTACT_FIELDS = {
    "department": Words("連絡先名称(部署名等)", "Department"),
    "postal_code": Words("連絡先郵便番号", "Postal code"),
    "address": Words("連絡先住所", "Address"),
    "person_name": Words("連絡先氏名", "Name"),
    "telephone": Words("連絡先電話番号", "Telephone"),
    "fax": Words("連絡先FAX番号", "Fax"),
    "mail_address": Words("連絡先メールアドレス", "Mail address"),
}
MAIL_ADDRESS_AGAIN = Words("（確認のためもう一度）", "(again)")
CHECK_COMPANIES = Words(
    "企業情報及びICカードの企業名称が、御社の企業名称であることを確認してください。",
    "Check that the company names above, of the roster and of the card, are those of your company.",
)
CONFIRM_VALUES = Words("この内容でよろしいですか", "Is all of this right?")
CONFIRM_ACT = Words(
    "この内容にICカードで署名し、登録します。よろしいですか",
    "Your card will sign this and be registered. Do you agree?",
)
YES, NO, BACK = Words("はい", "yes"), Words("中止", "stop"), Words("修正", "correct something")
NO_OTHER = Words("いいえ", "no")
TRY_AGAIN = Words("やり直しますか", "Do you want to try again?")
TYPE_AGAIN = Words("もう一度入力しますか", "Do you want to enter it again?")
AUTOMATIC_YES = Words("はい（--yes）", "yes (--yes)")
ANSWER_AGAIN = Words("カッコ内の文字で入力してください。", "Type one of the letters in brackets.")
NO_SUCH_OPTION = Words("一覧の番号または名称を入力してください。", "Type a number or a name of the list.")
HOW_TO_KEEP = Words(
    "[ ]内のままでよい場合は、そのままEnterキーを押してください。", "Press Enter to keep what is in [ ]."
)
HOW_TO_CLEAR = Words("空欄にするには「-」を入力してください。", "Type - to leave it empty.")
CHOOSE_CORRECTION = Words("修正する項目（番号または名称）", "Field to correct (number or name)")
SEARCH_AGAIN = Words("資格審査情報を検索し直す", "search for another company")
CORRECTED = Words("修正を終えて確認に進む", "nothing more: go on")
SAME_CONTACT = Words("{section}は、{other}と同じ内容にしますか", "Use the same contact for both: {other}, {section}?")
PERSON_IN_CHARGE_HINT = Words(
    "入力は任意です。入力しない場合は、そのままEnterキーを押してください。", "Optional: press Enter to leave it out."
)
PREDECESSOR_SERIAL_HINT = Words(
    "古いICカードの有効期限が切れた後に、新しいICカードを登録する場合だけ、古いICカードの番号を入力してください（進行中の案件を新しいICカードに"
    "引き継ぐために、調達機関の担当者が使用します）。10進・16進のどちらでも入力できます。数字だけの16進の番号には、後ろに(16進)と付けてください。"
    "該当しない場合は、そのままEnterキーを押してください。",
    "Only if your old card has expired and this one comes after it: officers use it to find your running tenders under"
    " the new card. Decimal and hexadecimal are both fine; write (hexadecimal) behind a hexadecimal number without"
    " letters. Otherwise press Enter.",
)
LOGGING_IN_AGAIN = Words(
    "入力した内容は残っています。ICカードの確認と資格審査情報の検索だけをやり直します。",
    "What you typed is kept. Only the check of the card and the search are done again.",
)
WAITING = Words("通信中です。しばらくお待ちください。", "Waiting for the server.")
STOPPED = Words("中止しました。", "Stopped.")
STOPPED_WITHOUT_REGISTRATION = Words("中止しました。登録は行われていません。", "Stopped. Nothing was registered.")
STOPPED_WITHOUT_ANSWER = Words(
    "中止しました。登録が完了しているかどうかは、まだ分かりません。"
    "もう一度このICカードの登録を始めると、完了していれば控えが表示されます。二重に登録されることはありません。",
    "Stopped. It is not known yet whether the registration was made. Start the registration of this card again: if it"
    " was made, its receipt is shown. It never registers twice.",
)
STOPPED_AFTER_REGISTRATION = Words(
    "登録は完了しています。控えは次のとおりです。", "The registration is complete. This is its receipt."
)

RECEIPT = Words("利用者登録の控え", "Receipt of the registration")
RECEIPT_REGISTERED_AT = Words("登録日時", "Registered at")
RECEIPT_REGISTRATION_ID = Words("利用者登録の番号", "Number of the registration")
MAIL_FOLLOWS = Words(
    "「{section}」のメールアドレスに、利用者登録のお知らせメールが届きます。",
    "A mail about the registration goes to the mail address under: {section}.",
)
MUST_PRINT = Words("※必ず画面の印刷を行ってください。", "Be sure to print this.")
RECEIPT_WRITTEN = Words("控えを保存しました", "Receipt written to")
REGISTERED = Words(
    "登録が完了しました。このICカードは今から電子入札システムで使えます。",
    "The registration is complete. The card can be used from now on.",
)
