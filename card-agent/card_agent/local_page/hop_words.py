"""The texts of the hops that no instance says: where a card is, and what its PIN is about."""

from card_agent.console.words import Words

CHOSEN = Words("ICカードを確認しました。", "The card was read.")
SIGNED = Words("ICカードで署名しました。", "The card has signed.")
GIVEN_UP = Words("取りやめました。何も署名していません。", "You have cancelled. Nothing was signed.")
OPENING = Words("システムの画面を開きます。", "The pages of the system are opened.")

PIN_TITLE = Words("PIN番号の入力", "PIN")
PIN_MESSAGE = Words("PIN番号を入力してください。", "Enter the PIN.")
PASSWORD_TITLE = Words("パスワードの入力", "Password")
PASSWORD_MESSAGE = Words(
    "証明書ファイルのパスワードを入力してください。", "Enter the password of the certificate file."
)
MY_NUMBER_TITLE = Words("署名用パスワードの入力", "Password for signatures")
MY_NUMBER_MESSAGE = Words(
    "マイナンバーカードの署名用パスワードを入力してください。利用者証明用の4桁の暗証番号ではありません。",
    "Enter the password for signatures of the My Number card. It is not the one of four digits.",
)
TRIES_ARE_SHARED = Words(
    "残りの回数は、このICカードのほかの利用（電子申請など）と共通です。",
    "The tries are counted together with all other uses of this card.",
)
READERS = Words("カードリーダー", "Card readers")
