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
    "ただいまICカードにアクセス中です。ICカードを抜かないでください。", "The card is in use. Do not remove it."
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
    "log-in": Words("ICカードの確認", "check of the card (proof of possession)"),
    "act": Words("利用者登録", "user registration"),
}
OPERATION = Words("操作", "Operation")
OPERATION_NAMES = {"registration": Words("利用者登録", "registration")}
ROLE = Words("ICカードの役割", "Role of the card")
ROLE_NAMES = {"sole": Words("登録するICカード", "the card to be registered")}
CERTIFICATE_SHA256 = Words("証明書のSHA-256", "SHA-256 of the certificate")
NONCE = Words("乱数（1回限り有効）", "Random number, valid once")
BIDDER_ID = Words("ユーザID", "Bidder ID")
REQUEST_ID = Words("受付番号", "Request number")
REQUEST_SHA256 = Words("登録内容のSHA-256", "SHA-256 of the request")

REGISTERED_ELSEWHERE = Words(
    "このICカードは、この業務区分で他の調達機関に登録済みです。同じ番号で、この調達機関にも登録できます。",
    "This card is registered at another agency in this category. It can be registered here with the same bidder ID.",
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
OTHER_BIDDER = Words("入力した番号と見つかった番号が異なります", "The number found is not the one that was typed")
TYPED_NUMBER = Words("入力した番号", "Typed")
FOUND_NUMBER = Words("見つかった業者の番号", "Found")
FOUND_NAME = Words("見つかった業者の商号又は名称", "Company found")
CONFIRM_OTHER_BIDDER = Words(
    "番号が統合された場合などに異なることがあります。見つかった番号の業者として登録しますか",
    "This can happen where numbers were merged. Do you want to register as the bidder that was found?",
)
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
GRADE = Words("資格の種類（等級）", "Qualification (grade)")
CARD_CONTACT = Words("ICカード利用部署情報", "Contact of the card")
REPRESENTATIVE_CONTACT = Words("代表窓口情報", "Representative contact")
REPRESENTATIVE_CONTACT_STANDS = Words(
    "代表窓口情報は登録済みのため、ここでは変更できません。変更については、ヘルプデスクにお問い合わせください。",
    "The representative contact is already registered and cannot be changed here. To change it, ask the help desk.",
)
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
YES, NO, BACK = Words("はい", "yes"), Words("中止", "stop"), Words("修正", "back")
AGAIN = Words("もう一度やり直しますか", "Try again?")
AUTOMATIC_YES = Words("はい（--yes）", "yes (--yes)")

RECEIPT = Words("利用者登録の控え", "Receipt of the registration")
RECEIPT_REGISTERED_AT = Words("登録日時", "Registered at")
RECEIPT_REGISTRATION_ID = Words("登録番号", "Registration number")
RECEIPT_WRITTEN = Words("控えを保存しました", "Receipt written to")
REGISTERED = Words(
    "登録が完了しました。このICカードは今から電子入札システムで使えます。控えを印刷して保管してください。",
    "The registration is complete. The card can be used from now on. Print the receipt and keep it.",
)
