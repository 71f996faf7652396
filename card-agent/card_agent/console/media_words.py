"""The card agent's texts for what was found on this PC, and for the choice among it."""

from card_agent.console.words import Words

MODULES = Words("PKCS#11モジュール", "PKCS#11 modules")
FILES = Words("証明書ファイル", "Certificate files")
PLACE = Words("場所", "Where")
AUTHORITY = Words("認証局", "Certification authority")
USE = Words("利用", "Use")
USABLE = Words("使用できます", "can be used")
UNUSABLE = Words("使用できません", "can't be used")
READ_AFTER_PIN = Words("電子証明書はPINの入力後に読み取ります", "its certificate is read after its PIN")
READ_AFTER_PASSWORD = Words(
    "電子証明書はパスワードの入力後に読み取ります", "its certificate is read after its password"
)
TRIES_SHARED = Words(
    "PIN入力の残り回数は、このカードのほかの利用（e-Taxなど）と共通です。",
    "The PIN tries are counted together with other uses of this card, such as e-Tax.",
)
NOTHING_ADDED = Words(
    "カードリーダーのほかに使用するものは、設定されていません。", "Nothing beside the readers is set up to be used."
)
ADDED = Words("使用するものに加えました。", "It was added to what is used.")
REMOVED = Words(
    "使用するものから外しました。ファイルは削除していません。", "It is not used any more. The file was not deleted."
)


def find_place(place: str) -> Words:
    """Returns a place by its own name, which is the same in both languages."""
    return Words(place, place)
