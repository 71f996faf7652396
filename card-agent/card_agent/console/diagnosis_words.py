"""The card agent's texts of the diagnosis, which a contractor reads out to a help desk or sends to it."""

from card_agent.console.words import Words

PROBLEM = Words("要確認", "to check")
NO_PROBLEM = Words("問題は見つかりませんでした。", "Nothing was found that is wrong.")
WRITTEN = Words("結果をファイルに書き込みました。", "The result was written to a file.")
FILE = Words("ファイル", "File")
NO_SECRET = Words(
    "この結果に、PIN、パスワード、電子証明書の企業名・氏名は含まれていません。ファイルの場所に、パソコンのユーザー名が含まれることがあります。",
    "It has no PIN, no password, and no name of a company or person from a certificate. The place of a file may contain"
    " your user name on this PC.",
)

THIS_PC = Words("カードエージェントとパソコン", "Card agent and PC")
DIAGNOSED_AT = Words("確認日時", "Looked at")
VERSION = Words("カードエージェントのバージョン", "Version of the card agent")
NEWER = Words("新しいバージョン", "Newer version")
SYSTEM = Words("OS", "Operating system")
PYTHON = Words("Python", "Python")
LANGUAGE = Words("言語", "Language")
ENCODING = Words("文字コード", "Encoding")
PROXY = Words("プロキシの設定", "Proxy settings")
SET = Words("あり", "yes")
NOT_SET = Words("なし", "none")
FOLDER = Words("設定のフォルダー", "Folder of the settings")
LOG = Words("ログ", "Log")
LOG_MISSING = Words("ログを書き込めません", "the log can't be written")
LOG_ADVICE = Words(
    "設定のフォルダーに書き込めるか確認してください。手続きはログがなくてもできます。",
    "Check that the folder of the settings can be written. Everything works without a log.",
)
PAGES = Words("画面（card-agent serve）", "Pages (card-agent serve)")
RUNNING = Words("動作中（ポート{port}）", "running (port {port})")
NOT_RUNNING = Words("動作していません", "not running")
PAGES_ADVICE = Words(
    "ブラウザーで手続きをする場合は、カードエージェントを起動してください。",
    "To use the agency's web site, start the card agent.",
)

CARDS = Words("カードリーダー、モジュール、証明書ファイル", "Readers, modules and certificate files")
CERTIFICATES = Words("電子証明書", "Certificates")
NO_CERTIFICATE = Words("PINの入力なしに読み取れる電子証明書はありません", "no certificate can be read without a PIN")
NONE_USABLE = Words("使用できる電子証明書がありません", "none of the certificates can be used")
VALID_UNTIL = Words("{date}まで有効", "valid until {date}")
SERIAL = Words("シリアル番号{serial}", "serial number {serial}")
AUTHORITY_UNKNOWN = Words("認証局は未確認", "certification authority not known yet")

TRUSTED = Words("信頼するシステム", "Trusted systems")
NONE_TRUSTED = Words("登録されていません", "none")
NONE_TRUSTED_ADVICE = Words(
    "利用するシステムの信頼設定（「card-agent trust add」）を行ってください。",
    "Add the system that you use, with card-agent trust add.",
)
ENDPOINT = Words("接続先", "Server")
CONNECTION = Words("接続", "Connection")
CONNECTED = Words("接続できました（{milliseconds}ミリ秒）", "connected ({milliseconds} ms)")
INSTANCE_OTHER = Words("別のシステム（{found}）が応答しました", "another system ({found}) answered")
INSTANCE_OTHER_ADVICE = Words(
    "信頼するシステムの一覧の接続先を確認してください。", "Check the server in the list of trusted systems."
)
OPENING = Words("受付", "Open")
OPEN = Words("受付時間内", "yes")
CLOSED = Words("受付時間外", "no, outside its hours")
SERVER_CERTIFICATE = Words("サーバー証明書", "Certificate of the server")
PORTAL = Words("ポータル", "Portal")
PORTAL_CERTIFICATE = Words("ポータルのサーバー証明書", "Certificate of the portal")
VERIFIED_UNTIL = Words("確認できました（{date}まで有効）", "verified, valid until {date}")
NOT_VERIFIED = Words("確認できません（{detail}）", "not verified ({detail})")
NOT_VERIFIED_ADVICE = Words(
    "パソコンの時刻と、CA証明書のファイルを確認してください。通信を検査するウイルス対策ソフトやプロキシが原因のことがあります。",
    "Check the clock of this PC and the file with the CA certificate. Antivirus software or a proxy that inspects"
    " connections can be the cause.",
)
UNREACHABLE = Words("接続できません（{detail}）", "can't be reached ({detail})")
UNREACHABLE_ADVICE = Words(
    "インターネットに接続しているか、ファイアウォールやプロキシが接続を止めていないか確認してください。",
    "Check that this PC is online and that no firewall or proxy stops the connection.",
)
CLOCK = Words("パソコンの時刻とサーバーの時刻の差", "Clock of this PC against the server's")
CLOCK_EQUAL = Words("{seconds}秒", "{seconds} s")
CLOCK_ADVICE = Words(
    "パソコンの日付と時刻を合わせてください。ずれていると、接続や電子証明書の確認ができないことがあります。",
    "Set the date and time of this PC. If they are wrong, connections and checks of certificates can fail.",
)


def fill(text: Words, **values: str) -> Words:
    """Returns the text with its placeholders filled, in both languages."""
    return Words(text.ja.format(**values), text.en.format(**values))


def count_problems(count: int) -> Words:
    """Returns the sentence at the end of a diagnosis."""
    if count == 0:
        return NO_PROBLEM
    return Words(f"「{PROBLEM.ja}」の項目が{count}件あります。", f"{count} of these are marked “{PROBLEM.en}”.")
