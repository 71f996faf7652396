"""The fixed words of the frame of every page."""

from portal.pages.views import Words

SKIP = Words("本文へ移動", "Skip to the content")
OTHER_LANGUAGE = Words("English", "日本語")
LOG_OUT = Words("ログアウト", "Log out")
REQUIRED, OPTIONAL = Words("必須", "required"), Words("任意", "optional")
ERROR, ERROR_TITLE = Words("エラー：", "Error: "), Words("エラーがあります", "There is a problem")
NUMBER = Words("照会番号", "Inquiry number")
CORRECT = Words("修正", "Correct")
HELP_DESK = Words("お問い合わせ", "Help")
TELEPHONE, CHAT = Words("電話", "Telephone"), Words("チャット", "Chat")
CHOSEN = Words("選択中の調達機関・業務区分", "Chosen agency and category")
DONE_HERE = Words("このブラウザで完了した手続きの控え", "Receipts of what this browser has done")
GUIDE = Words("どの操作を選ぶか分からない場合", "If you do not know what to choose")
GUIDE_LINK = Words("利用者登録の案内を見る", "What each operation is for")
EXPLANATION = Words("詳しい説明", "More about it")
ASPECT, REGISTRATION, RENEWAL = (
    Words("項目", "Subject"),
    Words("登録", "Registration"),
    Words("ICカード更新", "Card renewal"),
)
DIFFERENCES = Words("「利用者登録」と「ICカード更新」の違い", "How registration and card renewal differ")
BACK, CANCEL, PRINT = Words("戻る", "Back"), Words("キャンセル", "Cancel"), Words("印刷", "Print")
OK = Words("OK", "OK")
TO_AGENT = Words("カードエージェントへ進む", "Go to the card agent")
WHERE_IT_FAILS = Words("カードエージェントの画面が表示されないとき", "If no page of the card agent comes")
STEPS, PAST = Words("操作の流れ", "Steps"), Words("（完了）", "(done)")
AGENCIES = Words("他の調達機関への反映", "The other agencies")
AGENCY, STATE = Words("調達機関", "Agency"), Words("状態", "State")
LOOK_AGAIN = Words("最新の状態を表示する", "Look again")
UNDER_WAY = Words(
    "反映中です。各調達機関の状態は自動的に更新されます。", "Under way. The states are updated by themselves."
)
STOP_FOLLOWING = Words("自動更新を止める", "Stop updating")
RIGHT_NOW = Words("適した操作", "What is right")
IN_NEW_WINDOW = Words("（新しい画面で開きます）", " (opens a new window)")
HOW_TO_PRINT = Words(
    "印刷の画面が開かない場合は、ブラウザの印刷機能で印刷してください。印刷後、この画面は「×」で閉じてください。",
    "If your browser does not ask how to print, use its own command. Close this window afterwards.",
)
ENDS = Words(
    "操作がないまま10分たつと、自動的にログアウトします。入力した内容は残ります。",
    "After ten minutes without use you are logged out. What you typed is kept.",
)
ENDS_SOON = Words("まもなく自動的にログアウトします。", "You will be logged out soon.")
NOT_PROLONGED = Words(
    "延長できませんでした。通信の状態を確認して、もう一度「操作を続ける」を押してください。",
    "That failed. Check the connection, then press the button again.",
)
GO_ON = Words("操作を続ける", "Stay logged in")
