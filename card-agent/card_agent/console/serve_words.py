"""The card agent's texts of `serve` and `trust`: what a start and a decision about whom to trust say."""

from card_agent.console.words import Words

ALREADY_RUNNING = Words(
    "カードエージェントはすでに起動しています。ブラウザーの画面をご覧ください。",
    "The card agent is running already. See your browser.",
)

TRUSTED = Words("信頼するシステム", "Trusted system")
NO_TRUSTED = Words("信頼するシステムは登録されていません。", "No system is trusted yet.")
SYSTEM_NAME = Words("名称", "Name")
SYSTEM_ID = Words("システムのID", "Id")
ENDPOINT = Words("接続先", "Server")
PORTAL = Words("画面のアドレス", "Its pages")
RETURN_ADDRESS = Words("ICカードの処理の後に戻るアドレス", "Where the browser goes back to")
RELEASES = Words(
    "カードエージェントの新しいバージョンを確認するアドレス", "Where newer versions of the card agent are announced"
)
SERVER_KEY = Words("サーバーの鍵のSHA-256", "SHA-256 of the server's key")
AUTHORITY_CERTIFICATE = Words("CA証明書のSHA-256", "SHA-256 of the CA's certificate")
SYSTEM_AUTHORITIES = Words("このパソコンのCA証明書を使用", "the CAs of this PC")
NOT_USED = Words("使用しない", "not used")
REPLACES = Words(
    "このシステムはすでに登録されています。続けると、登録内容が置き換わります。",
    "This system is trusted already. Its entry will be replaced.",
)
CONFIRM_TRUST = Words(
    "このシステムのためにICカードで署名できるようにします。SHA-256の値を運営者の案内と照らし合わせましたか。登録しますか",
    "Your card will sign for this system. Have you compared the SHA-256 with what its operator says? Trust it?",
)
TRUST_SAVED = Words("登録しました。", "It is trusted now.")
TRUST_NOT_SAVED = Words("登録しませんでした。", "Nothing was changed.")
CONFIRM_REMOVAL = Words("このシステムを一覧から削除しますか", "Remove this system from the list?")
TRUST_REMOVED = Words("一覧から削除しました。", "It is not trusted any more.")
