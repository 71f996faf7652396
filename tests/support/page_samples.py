"""Each page of the card agent in each state that looks different, as a person of a company would see it."""

from dataclasses import replace

from card_agent.console import words
from card_agent.console.person import Row
from card_agent.console.words import Words
from card_agent.local_page.views import (
    CardPage,
    CertificateChoice,
    DonePage,
    Form,
    Frame,
    PinPage,
    PinQuestion,
    RefusalPage,
    SignPage,
    StartPage,
    TrustedPortal,
    UnusablePlace,
    View,
)
from signed_acts.purpose import Role

PHRASE = "青い自転車"
INSTANCE = Words("埼玉県電子入札共同システム", "Saitama joint e-bidding system")
LINK = "/card?handoff=abc&step=1&operation=registration&role=sole&language=ja"
RETURN = "https://portal.example/return#handoff=abc&step=1&answer=eyJ9"
FRAME = Frame(INSTANCE, "saitama", PHRASE, address=LINK)
CARD_FORM = Form("/card", "token-of-the-card-form")
SIGN_FORM = Form("/sign", "token-of-the-sign-form")

CARD_ROWS: tuple[Row, ...] = (
    (words.CARD_COMPANY_NAME, "株式会社髙﨑建設"),
    (words.CARD_COMPANY_ADDRESS, "埼玉県さいたま市浦和区高砂三丁目15番1号"),
    (words.HOLDER_NAME, "山田 太郎"),
    (words.SERIAL, "224231109942"),
    (words.ISSUER, "OU=Example CA,O=Example Certification Services,C=JP"),
    (words.EXPIRY, "2027/05/14"),
)
READER = Words("カードリーダー Example Reader 00 00", "Reader Example Reader 00 00")
OTHER_READER = Words("カードリーダー Example Reader 01 00", "Reader Example Reader 01 00")
FILE = Words("証明書ファイル 山田.p12", "File 山田.p12")
GOOD_CARD = CertificateChoice("1", READER, CARD_ROWS)
OTHER_CARD = CertificateChoice("2", OTHER_READER, CARD_ROWS)
UNREAD_FILE = CertificateChoice("3", FILE, ())
EXPIRED_CARD = CertificateChoice(
    "4",
    OTHER_READER,
    CARD_ROWS,
    Words("ICカードの有効期限（2025/05/14）が切れています。", "The card expired on 2025/05/14."),
    Words("認証局で新しいICカードを取得してください。", "Get a new card from its certification authority."),
)
EMPTY_READER = UnusablePlace(
    OTHER_READER,
    Words("ICカードが挿入されていません。", "No card is inserted."),
    Words("ICカードを挿入してください。\nカードの向きにも注意してください。", "Insert the card.\nMind its direction."),
)

PIN = PinQuestion(
    title=Words("PIN番号入力ダイアログ", "PIN"),
    message=Words("PIN番号を入力してください。", "Enter the PIN."),
    label=Words("PIN番号", "PIN"),
    is_file=False,
    asks_person_in_charge=True,
    person_in_charge_note=Words("担当者名は入力する必要はありません。", "You need not enter it."),
    help_title=Words("【PIN番号】", "PIN"),
    help=Words("不明な点は認証局にお問い合わせください。", "If in doubt, ask the certification authority."),
    tries_left=3,
    authority_notes=(Words("10回続けて誤ると、ロックされます。", "Ten wrong PINs in a row lock the card."),),
)
WRONG_PIN = PinQuestion(
    title=PIN.title,
    message=PIN.message,
    label=PIN.label,
    is_file=False,
    tries_left=1,
    problem=Words("PINが違います。", "The PIN is wrong."),
    next_step=Words("PINを確認して、もう一度入力してください。", "Check the PIN and enter it again."),
)
LONG_PERSON = replace(
    PIN,
    problem=Words("担当者は20文字以内で入力してください。", "The person in charge has at most 20 characters."),
    next_step=Words("入力を直して、もう一度PINを入力してください。", "Correct it, and enter the PIN again."),
    problem_field="person_in_charge",
)
PASSWORD = PinQuestion(
    title=Words("パスワードの入力", "Password"),
    message=Words("証明書ファイルのパスワードを入力してください。", "Enter the password of the certificate file."),
    label=words.ASK_FILE_PASSWORD,
    is_file=True,
)

LOG_IN_ROWS: tuple[Row, ...] = (
    (words.TYPE, words.CHECK_OF_THE_CARD),
    (words.CHOOSE_AGENCY, Words("埼玉県", "Saitama Prefecture")),
    (words.CHOOSE_CATEGORY, Words("工事", "Works")),
)
ACT_ROWS: tuple[Row, ...] = (
    (words.TYPE, words.OPERATION_NAMES["registration"]),
    *LOG_IN_ROWS[1:],
    (Words("ユーザID", "User ID"), "0012345678"),
)
ACT_LINES = (
    Words("下記のユーザIDのICカードとして利用者登録します。", "The card is registered for the user ID below."),
    Words("取消しができるのは調達機関の職員のみです。", "Only an officer of the agency can cancel it."),
)
REQUEST_ROWS: tuple[Row, ...] = (
    (words.CONTACT_FIELDS["department"], "総務部"),
    (words.CONTACT_FIELDS["mail_address"], "soumu@takasaki-kensetsu.example.co.jp"),
)
PURPOSE_ROWS: tuple[Row, ...] = ((words.INSTANCE, "saitama"), (words.CERTIFICATE_SHA256, "3fa9" * 16))


def choose_card(
    *choices: CertificateChoice, role: Role = Role.SOLE, unusable: tuple[UnusablePlace, ...] = (), again: str = ""
) -> CardPage:
    """Returns the page on which a card is chosen; in a renewal the old card's asks whether both PINs are equal."""
    operation = words.OPERATION_NAMES["registration" if role is Role.SOLE else "renewal"]
    return CardPage(FRAME, CARD_FORM, role, operation, choices, unusable, role is Role.OLD, again)


def sign(pin: PinQuestion | None, *, is_act: bool = False) -> SignPage:
    """Returns the page that shows what is signed."""
    rows, lines, request_rows = (ACT_ROWS, ACT_LINES, REQUEST_ROWS) if is_act else (LOG_IN_ROWS, (), ())
    return SignPage(FRAME, SIGN_FORM, Role.SOLE, rows, lines, request_rows, PURPOSE_ROWS, CARD_ROWS, pin)


_PORTALS = (
    TrustedPortal("saitama", INSTANCE, "https://portal.example/start"),
    TrustedPortal("aomori", Words("青森県電子入札システム", "Aomori e-bidding system"), "https://aomori.example/start"),
)
_OLD_VERSION = Words("新しいバージョン（0.2.0）があります。", "A new version is there: 0.2.0.")
_REMOVED = Words("ICカードが抜かれました。", "The card was removed.")
_INSERT_AGAIN = Words("ICカードを挿入し直して、やり直してください。", "Insert the card and try again.")

PAGES: dict[str, View] = {
    "insert the card": choose_card(),
    "insert the old card": choose_card(role=Role.OLD),
    "insert the new card": choose_card(role=Role.NEW),
    "choose a certificate": choose_card(
        GOOD_CARD, OTHER_CARD, UNREAD_FILE, EXPIRED_CARD, unusable=(EMPTY_READER,), again=LINK
    ),
    "no card": choose_card(unusable=(EMPTY_READER,), again=LINK),
    "no certificate": choose_card(EXPIRED_CARD, unusable=(EMPTY_READER,), again=LINK),
    "password of a file": PinPage(FRAME, CARD_FORM, Role.SOLE, FILE, "3", PASSWORD),
    "log-in": sign(PIN),
    "wrong PIN": sign(WRONG_PIN),
    "wrong person in charge": sign(LONG_PERSON),
    "act": sign(None, is_act=True),
    "act with PIN": sign(PIN, is_act=True),
    "done": DonePage(FRAME, Words("ICカードで署名しました。", "The card has signed."), RETURN),
    "refusal": RefusalPage(FRAME, _REMOVED, _INSERT_AGAIN, LINK, RETURN),
    "refusal without hand-off": RefusalPage(None, _REMOVED, _INSERT_AGAIN),
    "start": StartPage(PHRASE, Form("/open", "token"), _PORTALS, "0.1.0", (_OLD_VERSION,)),
    "start without portals": StartPage(PHRASE, Form("/open", "token"), (), "0.1.0"),
    "phrase": StartPage("", Form("/phrase", "token"), (), "0.1.0"),
    "phrase refused": StartPage(
        "", Form("/phrase", "token"), (), "0.1.0", (), Words("短すぎます。", "It is too short."), None
    ),
}
