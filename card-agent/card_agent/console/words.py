"""The card agent's texts on the screen, Japanese first. The texts of refusals are in `refusals.catalogue`."""

from dataclasses import dataclass

from typing_extensions import override


@dataclass(frozen=True, slots=True)
class Words:
    """A text in Japanese and English."""

    ja: str
    en: str

    @override
    def __str__(self) -> str:
        return f"{self.ja} / {self.en}" if self.en and self.en != self.ja else self.ja


NOT_IN_CERTIFICATE = Words("証明書に記載なし", "not in the certificate")
NOT_GIVEN = Words("（記載なし）", "(none)")

BUSY = Words(
    "ただいまICカードにアクセス中です。ICカードを抜かないでください。", "The card is being used. Do not pull it out."
)
ASK_PIN = Words("ICカードのPIN（暗証番号）", "PIN of the card")
ASK_FILE_PASSWORD = Words("証明書ファイルのパスワード", "Password of the certificate file")

CARD = Words("ICカード情報", "Card")
CARD_COMPANY_NAME = Words("ICカード企業名称", "Company")
CARD_COMPANY_ADDRESS = Words("ICカード企業住所", "Company's address")
HOLDER_NAME = Words("取得者氏名", "Holder")
HOLDER_ADDRESS = Words("取得者住所", "Holder's address")
SERIAL = Words("証明書シリアル番号", "Serial number of the certificate")
ISSUER = Words("証明書発行者", "Issuer")
EXPIRY = Words("証明書有効期限", "Valid until")
TRIES_LEFT = Words("PIN入力の残り回数", "PIN tries left")

READERS = Words("カードリーダー", "Readers")
WITH_CARD = Words("ICカードあり", "card inserted")
WITHOUT_CARD = Words("ICカードなし", "no card")

CHOOSE_AGENCY = Words("調達機関", "Agency")
CHOOSE_CATEGORY = Words("業務区分", "Category")
INSTANCE = Words("システム", "System")
PURPOSE = Words("署名する内容", "What the card signs")
TYPE = Words("種別", "Kind")
TYPE_NAMES = {
    "log-in": Words("ログイン（本人確認）", "log-in (proof of possession)"),
    "act": Words("登録の申込み", "the registration itself"),
}
OPERATION = Words("操作", "Operation")
OPERATION_NAMES = {"registration": Words("利用者登録", "registration")}
ROLE = Words("ICカードの役割", "Role of the card")
ROLE_NAMES = {"sole": Words("このICカード1枚", "the only card")}
CERTIFICATE_SHA256 = Words("証明書のSHA-256", "SHA-256 of the certificate")
NONCE = Words("乱数（1回限り有効）", "Random number, good once")
BIDDER_ID = Words("ユーザID", "Bidder ID")
REQUEST_ID = Words("受付番号", "Request number")
REQUEST_SHA256 = Words("登録内容のSHA-256", "SHA-256 of the request")

REGISTERED_ELSEWHERE = Words(
    "このICカードは、この業務区分で他の調達機関に登録済みです。同じ業者として、この調達機関にも登録できます。",
    "This card is registered at another agency in this category. It can be registered here for the same bidder.",
)
LOOKING_FOR_RECEIPT = Words(
    "前回の登録の結果を確認しています。", "Looking up what became of the registration that was begun before."
)
NOT_REGISTERED_BEFORE = Words(
    "前回の登録は成立していませんでした。続けて登録できます。",
    "The registration that was begun before was not made. It can be made now.",
)
ASKING_AGAIN = Words(
    "サーバーの応答がないため、同じ内容で問い合わせ直しています。二重に登録されることはありません。",
    "The answer was lost, so the same request is sent again. It never registers twice.",
)
SEARCH = Words("業者の検索", "Search for the bidder")
COMPANY = Words("企業情報", "Company")
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
}
GRADE = Words("資格・格付", "Grade")
CARD_CONTACT = Words("ICカード利用部署情報", "Contact of the card")
REPRESENTATIVE_CONTACT = Words("代表窓口情報", "Representative contact")
REPRESENTATIVE_CONTACT_STANDS = Words(
    "代表窓口情報は登録済みです。変更するときは、登録後に「変更」を行ってください。",
    "The representative contact stands already. To change it, use 変更 after this registration.",
)
MAIL_ADDRESS_AGAIN = Words("（確認のためもう一度）", "(again)")
CHECK_COMPANIES = Words(
    "企業情報とICカードの企業名称が、ご自身の会社のものであることを確認してください。",
    "Check that the company names above, of the roster and of the card, are your own.",
)
CONFIRM_VALUES = Words("この内容でよろしいですか", "Is all of this right?")
CONFIRM_ACT = Words(
    "この内容にICカードで署名し、登録します。よろしいですか", "The card signs this and is registered. Do you agree?"
)
YES, NO, BACK = Words("はい", "yes"), Words("中止", "stop"), Words("修正", "back")
AGAIN = Words("もう一度試しますか", "Try again?")
AUTOMATIC_YES = Words("はい（--yes）", "yes (--yes)")

RECEIPT = Words("利用者登録の控え", "Receipt of the registration")
RECEIPT_REGISTERED_AT = Words("登録日時", "Registered at")
RECEIPT_REGISTRATION_ID = Words("登録番号", "Registration number")
RECEIPT_WRITTEN = Words("控えを保存しました", "Receipt written to")
REGISTERED = Words(
    "登録が完了しました。このICカードは今から電子入札システムで使えます。控えを印刷して保管してください。",
    "Registered. The card can be used from now on. Print the receipt and keep it.",
)
