"""The words of the agent's pages, Japanese first: those that neither the instance nor a refusal has."""

from card_agent.console.words import Words
from signed_acts.purpose import Role

AGENT = Words("登録カードエージェント", "Toroku card agent")
OTHER_LANGUAGE = Words("English", "日本語")
ASKED_BY = Words("要求しているシステム", "Asked by")
PHRASE = Words("合言葉", "Phrase")
PHRASE_NOTE = Words(
    "ご自身で決めた合言葉と異なる場合は、PINを入力しないでください。",
    "If this is not the phrase that you chose, enter no PIN.",
)
OK = Words("OK", "OK")
CANCEL = Words("キャンセル", "Cancel")
SIGN = Words("署名する", "Sign")
REQUIRED = Words("※必須", "required")
OPTIONAL = Words("※任意", "optional")
PROBLEM = Words("エラー", "Error")
WHAT_TO_DO = Words("次に行うこと", "What to do next")

CARD_TITLES = {
    Role.SOLE: Words("ICカードの確認", "Check of the card"),
    Role.OLD: Words("古いICカードの確認", "Check of the old card"),
    Role.NEW: Words("新しいICカードの確認", "Check of the new card"),
}
CARD_MESSAGES = {
    Role.SOLE: Words(
        "使用するICカードがICカードリーダーに正しく挿入されていることを確認して「OK」ボタンをクリックしてください。",
        "Make sure that your card is inserted in the card reader correctly, then click OK.",
    ),
    Role.OLD: Words(
        "現在使用しているICカードがICカードリーダーに正しく挿入されていることを確認して「OK」ボタンをクリックしてください。",
        "Make sure that the card in use is inserted in the card reader correctly, then click OK.",
    ),
    Role.NEW: Words(
        "新しいICカードがICカードリーダーに正しく挿入されていることを確認して「OK」ボタンをクリックしてください。",
        "Make sure that the new card is inserted in the card reader correctly, then click OK.",
    ),
}
CARD_FOR = Words("操作", "Operation")
CHOOSE_CERTIFICATE = Words("使用する電子証明書", "Certificate to use")
CHOOSE_CERTIFICATE_MESSAGE = Words(
    "使用できる電子証明書が複数あります。1つを選び、「OK」ボタンをクリックしてください。",
    "Several certificates can be used. Choose one, then click OK.",
)
NO_CERTIFICATE = Words("使用できる電子証明書が見つかりません。", "No certificate was found that can be used.")
LOOK_AGAIN = Words("もう一度ICカードを探す", "Look for cards again")
LOOK_AGAIN_NOTE = Words("使用したい電子証明書が表示されていない場合：", "If your certificate is not listed:")
PIN_BEFORE_READING = Words(
    "電子証明書の内容は、PINまたはパスワードを入力した後に表示されます。",
    "The certificate is shown after its PIN or password.",
)
UNUSABLE = Words("使用できないもの", "Not usable")
SHARE_PIN = Words(
    "新しいICカードのPIN番号も、現在使用しているICカードと同じである",
    "The new card has the same PIN as the card in use",
)
SHARE_PIN_NOTE = Words(
    "※現在使用中のICカードと新しいICカードのPIN番号が同じ場合は、新しいICカードのPIN番号を入力する画面は表示されません。"
    "分からない場合は、選ばないでください。",
    "You are then not asked for the PIN of the new card. If you do not know, leave this empty.",
)

WHAT_IS_SIGNED = Words("署名する内容", "What your card signs")
CHECK_WHAT_IS_SIGNED = Words("署名する内容の確認", "Check what your card signs")
CHECK_BEFORE_SIGNING = Words(
    "この内容でよろしければ「署名する」ボタンをクリックしてください。",
    "If all of this is right, click Sign.",
)
REQUEST_VALUES = Words("手続きの全項目", "All fields of the request")
PURPOSE_VALUES = Words("署名するデータの全項目", "All values that are signed")
CARD_VALUES = Words("使用するICカード", "The card that signs")
PERSON_IN_CHARGE = Words("担当者", "Person in charge")
PIN_PLACE = Words("ICカード・ファイル", "Card or file")
TRIES_LEFT = Words("残り{tries}回です", "{tries} tries are left")
LAST_TRY = Words(
    "残り1回です。もう一度誤ると、ロックされて使用できなくなります。",
    "One try is left. One more wrong entry locks it.",
)

PIN_LABELS = {
    Role.SOLE: Words("PIN番号", "PIN"),
    Role.OLD: Words("現在使用しているICカードのPIN番号", "PIN of the card in use"),
    Role.NEW: Words("新しいICカードのPIN番号", "PIN of the new card"),
}
PIN_TYPING = Words(
    "日本語入力をオフにして、半角で入力してください。",
    "If you use a Japanese input method, switch it off first.",
)
PIN_HEARD = Words(
    "読み上げソフトが、入力した文字を読み上げることがあります。",
    "Your screen reader may speak what you type.",
)
PIN_UNMASKED = Words(
    "このブラウザーでは、入力した文字がそのまま表示されます。周囲をご確認ください。",
    "This browser shows what you type. Make sure that nobody watches.",
)

# Of the browser's tab, while the card works and after it: the title can't change in between.
STREAMED_TITLE = Words("ICカードの処理", "Use of the card")
BUSY_TITLE = Words("ICカードにアクセス中", "The card is in use")
BUSY = (
    Words("ただいま ICカードにアクセス中です。", "The card is in use."),
    Words("しばらくお待ち下さい。", "Please wait."),
    Words(
        "本メッセージが表示されている間は操作しないでください。",
        "Do not do anything while this message is shown, and do not remove the card.",
    ),
)

GOES_ON = Words(
    "自動的に{system}の画面に移ります。移らない場合は、次のリンクをクリックしてください。",
    "You are taken to {system}. If nothing happens, use this link.",
)
GO_ON = Words("{system}の画面に移る", "Go to {system}")
GO_BACK = Words("{system}の画面に戻る", "Back to {system}")

REFUSED_TITLE = Words("手続きを続けられません", "You cannot go on")
TRY_AGAIN = Words("もう一度試す", "Try again")

START_TITLE = Words("電子入札の利用者登録を始める", "Begin a user registration")
START_MESSAGE = Words(
    "利用するシステムを選んでください。このブラウザーで、そのシステムの画面が開きます。",
    "Choose the system. Its pages open in this browser.",
)
OPEN_PORTAL = Words("{system}を開く", "Open {system}")
NO_PORTALS = Words(
    "利用できるシステムが、まだ登録されていません。システムの運営者から受け取ったファイルを「card-agent trust add」で"
    "登録してください。",
    "No system is known yet. Add the file of the system's operator by: card-agent trust add",
)
VERSION = Words("バージョン", "Version")
CHOOSE_PHRASE_TITLE = Words("合言葉を決める", "Choose a phrase")
CHOOSE_PHRASE = Words(
    "合言葉は、このPCのカードエージェントの全ての画面に表示されます。表示されない画面や、異なる合言葉が表示される画面は"
    "偽物です。PINを入力しないでください。",
    "The phrase is shown on every page of the card agent of this PC. A page without it, or with another one, is an"
    " imitation: enter no PIN there.",
)
PHRASE_HINT = Words(
    "PINやパスワードとは別の、見て分かる言葉にしてください（例：青い自転車）。",
    "Some words that you will recognize, and that are not a PIN or password (for example: blue bicycle).",
)
SAVE_PHRASE = Words("この合言葉にする", "Use this phrase")
