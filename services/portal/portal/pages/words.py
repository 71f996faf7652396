"""The portal's own words, Japanese first: where the profile has none, and what no manual prints."""

from portal.pages.views import Line, Trouble, Words

REGISTER, CHANGE, RENEW = Words("登録", "Register"), Words("変更", "Change"), Words("更新", "Renew")
SEARCH, BACK, CHECK = Words("検索", "Search"), Words("戻る", "Back"), Words("入力内容確認", "Check what was entered")
CORRECT, PRINT, LOG_OUT = Words("修正", "Correct"), Words("印刷", "Print"), Words("ログアウト", "Log out")
OK, CANCEL = Words("OK", "OK"), Words("キャンセル", "Cancel")
ASK = Words("担当者に確認を依頼する", "Ask an officer")
AGAIN = Words("もう一度確認する", "Look again")
TO_MENU = Words("利用者登録メニューへ", "To the menu")
TO_START = Words("はじめの画面へ", "To the first page")
NOT_GIVEN = Words("（記載なし）", "(none)")
NOT_IN_CERTIFICATE = Words("証明書に記載なし", "not in the certificate")
CARD_LABELS = {
    "company_name": Words("ICカード企業名称", "Company on the card"),
    "company_address": Words("ICカード企業住所", "Company's address on the card"),
    "holder_name": Words("ICカード取得者氏名", "Holder"),
    "holder_address": Words("ICカード取得者住所", "Holder's address"),
}
SERIAL = Words("証明書シリアル番号", "Serial number of the certificate")
ISSUER, EXPIRY = Words("証明書発行者", "Issuer"), Words("証明書有効期限", "Valid until")
DECIMAL, HEXADECIMAL = Words("(10進)", "(decimal)"), Words("(16進)", "(hexadecimal)")
COMPANY, CARD = Words("企業情報", "Company"), Words("ICカード情報", "Card")
AGENCY = Words("調達機関", "Agency")
FROM_ROSTER = Words(
    "名簿の内容が表示されます。この画面では変更できません。", "This comes from the roster and can't be changed here."
)
FROM_CARD = Words(
    "ICカードの企業名称や取得者は、ICカードに記載された内容です。この画面では変更できません。",
    "Company and holder are those on the card and can't be changed here.",
)
REPRESENTATIVE_STANDS = Words(
    "登録済みのため、ここでは変更できません。内容が変わった場合は、登録した後に「変更」を選んでください。",
    "Registered already. If it is not right any more, choose Change after the registration.",
)
MAIL_AGAIN = Words("メールアドレス再入力", "Mail address again")
OLD_SERIAL = Words("有効期限が切れた古いICカードの証明書シリアル番号", "Serial number of your card that has expired")
OLD_SERIAL_HINT = Words(
    "有効期限が切れたICカードに代わる新しいICカードを登録する場合だけ入力してください（10進または16進）。進行中の案件の引継ぎに使用します。",
    "Only where this card comes after one that has expired (decimal or hexadecimal): running tenders are found by it.",
)
REQUEST_NUMBER = Words("受付番号", "Request number")
REGISTERED_AT, CHANGED_AT = Words("登録日時", "Registered at"), Words("変更日時", "Changed at")
RENEWED_AT = Words("更新日時", "Renewed at")
HISTORY = Words("記録の指紋", "Digest of the record")
CHANGED_FIELDS = Words("変更された項目", "What changed")
COUNTS_FROM = Words("{when}から有効な登録内容です。", "This counts since {when}.")
EARLIER_AT = Words(
    "次の調達機関では、以前の連絡先が有効です：{agencies}", "At these agencies an earlier contact counts: {agencies}"
)
REGISTERED_VALUE = Words("現在の登録内容：{value}", "Registered now: {value}")
FOR_ALL_CARDS = Words("同じユーザIDのすべてのICカードに共通の連絡先です。", "The same for all cards of this user ID.")
FOR_THIS_CARD = Words("このICカードだけの連絡先です。", "For this card only.")
PROPAGATE = Words("他の調達機関にも変更を自動反映する。", "Propagate to the other agencies.")
REGISTERED = Words("登録が完了しました。", "The registration is complete.")
CHANGED = Words("変更が完了しました。", "The change is complete.")
RENEWED = Words(
    "ICカードの更新が完了しました。この調達機関では、古いICカードは使用できません。",
    "The card was renewed. The old card can't be used at this agency any more.",
)
TYPED_IS_KEPT = Words(
    "入力した内容は残っています。ログインすると、続きから操作できます。",
    "What you typed is kept: log in, and go on from there.",
)
AFTER_CARD = Words(
    "「カードエージェントへ進む」を押すと、このパソコンのカードエージェントの画面に移ります。画面の案内に従って操作すると、この画面の続きに戻ります。",
    "The button leads to the card agent on this PC. Follow its pages; it brings you back here.",
)
TO_AGENT = Words("カードエージェントへ進む", "Go to the card agent")
WHERE_IT_FAILS = (
    Words(
        "カードエージェントの画面が表示されない場合（「接続が拒否されました」など）は、ブラウザの「戻る」でこの画面に戻り、カードエージェントを起動し直してください。",
        "If no page of the card agent comes (“refused to connect”), go back here and start the card agent anew.",
    ),
    Words(
        "起動し直すと、新しいタブでこの続きが表示されます。入力した内容は残っています。",
        "It opens a new tab, in which you go on from here. What you typed is kept.",
    ),
)
HOP_TITLES = {
    "card": Words("ICカードの確認", "Your card"),
    "log-in": Words("ICカードによるログイン", "Log-in with your card"),
    "old-card": Words("古いICカードの確認", "The card in use"),
    "old-log-in": Words("古いICカードによるログイン", "Log-in with the card in use"),
    "succession": Words("古いICカードによる更新の同意", "The card in use agrees to its renewal"),
    "new-card": Words("新しいICカードの確認", "The new card"),
    "new-log-in": Words("新しいICカードによるログイン", "Log-in with the new card"),
    "act": Words("ICカードによる署名", "Signature with your card"),
}
HOP_LINES = {
    "card": Words("使用するICカードをICカードリーダーに挿入してください。", "Insert your card into the reader."),
    "log-in": Words("PIN番号を入力して、ICカードをお持ちであることを確認します。", "You enter the PIN of your card."),
    "old-card": Words("現在使用しているICカードを挿入してください。", "Insert the card that is in use."),
    "old-log-in": Words("現在使用しているICカードのPIN番号を入力します。", "You enter the PIN of the card in use."),
    "succession": Words("現在使用しているICカードで、更新に同意する署名を行います。", "The card in use signs."),
    "new-card": Words("新しいICカードに差し替えてください。", "Insert the new card in its place."),
    "new-log-in": Words("新しいICカードのPIN番号を入力します。", "You enter the PIN of the new card."),
    "act": Words(
        "確認した内容に、ICカードで署名します。署名するまで、手続きは完了しません。",
        "Your card signs what you checked; only then is it done.",
    ),
}
STEP_CARD, STEP_SEARCH = Words("ICカード", "Card"), Words("企業の検索", "Search")
STEP_FORM, STEP_CHECK = Words("情報の入力", "Form"), Words("内容の確認", "Check")
STEP_SIGN, STEP_DONE = Words("署名", "Signature"), Words("完了", "Done")
STEP_ADVICE = Words("案内", "Advice")
COMMITTING = Words(
    "署名した内容を送信しましたが、結果をまだ確認できていません。「もう一度確認する」を押してください。二重に登録されることはありません。",
    "The signed request was sent and its outcome is not known yet. Look again; nothing is done twice.",
)
AGENT_TITLE = Words("カードエージェントの起動", "Start the card agent")
AGENT_LINES = (
    Words(
        "この操作では、ICカードを読み取るために、このパソコンのカードエージェントを使用します。",
        "Your card is read by the card agent on this PC.",
    ),
    Words(
        "カードエージェントのアイコンを開いてください。新しいタブで、この操作の続きが表示されます。",
        "Open the icon of the card agent. A new tab shows how this goes on.",
    ),
    Words(
        "カードエージェントがこのパソコンに無い場合は、ヘルプデスクの案内に従ってインストールしてください。",
        "If there is none on this PC, install it as the help desk says.",
    ),
)
AGENT_OLD_TITLE = Words("カードエージェントが古い版です", "The card agent is too old")
AGENT_OLD_LINES = (
    Words(
        "このパソコンのカードエージェントは古い版のため、使用できません。ヘルプデスクの案内に従って新しい版をインストールし、もう一度アイコンを開いてください。",
        "Install the newest card agent as the help desk says, then open its icon again.",
    ),
)
AGENT_OTHER_TITLE = Words("別のシステムのカードエージェントです", "The card agent is for another system")
AGENT_OTHER_LINES = (
    Words(
        "カードエージェントは、別のシステムの入口からこの画面を開きました。カードエージェントの最初の画面で、このシステムを選び直してください。",
        "The card agent opened this page for another system. Choose this system on its first page.",
    ),
)
LOG_OUT_QUESTION = Words(
    "ログアウトします。完了していない操作の入力内容は失われます。よろしいですか。",
    "You will be logged out, and what is not finished is lost. Do you agree?",
)
END_TITLE = Words("終了画面", "The end")
END_LINE = Words(
    "ログアウトしました。この画面は「×」で閉じてください。", "You have been logged out. Close this window."
)
RELAY_TITLE = Words("しばらくお待ちください", "Please wait")
WITHOUT_SCRIPT = (
    Words(
        "このブラウザではJavaScriptが無効になっています。この画面だけはJavaScriptが必要です。",
        "JavaScript is switched off in this browser, and this page alone needs it.",
    ),
    Words(
        "ブラウザの設定でこのサイトのJavaScriptを許可し、この画面を再読み込みしてください。",
        "Allow it for this site in the settings of the browser, then load this page again.",
    ),
)
BUSY_TITLE = Words("処理中です", "At work")
BUSY_LINE = Words(
    "前の操作を処理しています。この画面は自動的に切り替わります。",
    "Your last step is being worked on. This page goes on by itself.",
)
REFUSED_TITLE = Words("操作を続けられません", "This can't go on")
APPROVAL_TITLE = Words("担当者への確認の依頼", "Ask an officer")
APPROVAL_ADDRESS = Words("回答を受け取るメールアドレス", "Mail address for the answer")
APPROVAL_HINT = Words("回答のためだけに使用します。", "It is used for the answer only.")
ASKED = Words("担当者に確認を依頼しました。", "An officer has been asked.")
ASKED_NUMBER = Words("確認番号", "Number of the question")
ASKED_NEXT = Words(
    "回答がメールで届いた後に、もう一度この操作を行ってください。", "When the answer has come by mail, begin again."
)
ADVICE_TITLE = Words("このICカードに適した操作", "What is right for this card")
ADVICE_NAME = Words("どの操作がよいか調べる", "Find out which one is right")
ADVICE_LINE = Words(
    "ICカードを読み取り、登録・変更・ICカード更新のどれを行うべきかを案内します。何も変更されません。",
    "Your card is looked at, and you are told which operation is right. Nothing is changed.",
)
WHY, UNTIL, CONSEQUENCES = Words("理由", "Why"), Words("期限", "Until"), Words("進行中の案件など", "What to mind")
EXCEPTIONS = Words("次の場合は、別の操作を行ってください", "When to do something else")
NONE_IS_RIGHT = Words("今、行う操作はありません。", "There is nothing to be done now.")
GUIDE_TITLE = Words("利用者登録の案内", "What each operation is for")
CLOSED = Words("現在は受付時間外です。次の受付開始：{when}", "Closed now. Opens next: {when}")
STATE_DONE, STATE_PLANNED = Words("反映済み", "done"), Words("予定：{when}", "planned: {when}")
STATE_RUNNING = Words("反映中", "under way")
STATE_WAITING, STATE_REFUSED = (
    Words("保留中。{why}", "waiting. {why}"),
    Words("反映されません。{why}", "not propagated. {why}"),
)
CHECK_COMPANIES = Words(
    "企業情報及びICカードの企業名称が、御社の企業名称であることを確認してください。",
    "Check that the company names above, of the roster and of the card, are those of your company.",
)
IF_RIGHT_REGISTER = Words(
    "この内容でよろしければ登録ボタンを押してください", "If all of this is right, press Register."
)
IF_RIGHT_CHANGE = Words("この内容でよろしければ変更ボタンを押してください", "If all of this is right, press Change.")
IF_RIGHT_RENEW = Words("この内容でよろしければ更新ボタンを押してください", "If all of this is right, press Renew.")
PROPAGATION = Words("他の調達機関への反映", "Propagation to the other agencies")
FOLLOWS, STAYS = Words("反映する", "yes"), Words("反映しない", "no")
OLD_CARD = Words("現在使用しているICカード", "The card in use")
NEW_CARD = Words("新規に使用するICカード", "The card that takes its place")
TAB = Words("利用者登録処理", "User registration")
ENTRY_TITLE, CHOICE_TITLE = Words("システム入口", "Entry"), Words("調達機関・業務区分の選択", "Agency and category")
CHOICE_MESSAGE = Words(
    "調達機関を選択していずれかのリンクを選択してください。", "Choose an agency, then one of the categories."
)
CATEGORY_MESSAGE = Words("業務区分を選択してください。", "Choose one of the categories.")
REGISTRATION, BIDDING = Words("利用者登録", "User registration"), Words("電子入札", "E-bidding")
BIDDING_NOTE = Words("電子入札システムに移ります。", "Leads to the e-bidding system.")
DOORS_TITLE = Words("利用者登録／電子入札選択画面（受注者）", "User registration or e-bidding")
TOP_TITLE, MENU_TITLE = Words("受注者トップ画面", "Contractors"), Words("利用者登録メニュー", "Menu")
NOT_OFFERED = Trouble(
    lines=(
        Line(
            words=Words(
                "選択した調達機関では、この業務区分の利用者登録はできません。",
                "The agency does not offer this category.",
            ),
            field="agency",
        ),
    ),
    next_step=Words("別の調達機関または業務区分を選択してください。", "Choose another agency or category."),
)
