"""Letters that tell bidders their user IDs and passwords: one file each, readable by its owner only."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

from instance_profile.company_name import write_full_name
from instance_profile.model import Profile
from instance_profile.offers import require_category
from operator_command.officer.private_files import write_atomically
from refusals import Code, Refusal
from toroku.qualification.v1.bidder_pb2 import CompanyProfile, PasswordLetter


@dataclass(frozen=True, slots=True)
class Sender:
    """What the instance calls itself, the category and the bidder id, how a password is reissued, and the help desk.

    `reissue` says the ways, empty where the profile does not; `help_desk` has the lines at the end.
    """

    system: str
    category: str
    bidder_id_label: str
    reissue: str
    help_desk: tuple[str, ...]


def make_sender(profile: Profile, code: str) -> Sender:
    """Returns the profile's words for a category. Raises CATEGORY_UNKNOWN."""
    desk, category = profile.help_desk, require_category(profile, code)
    return Sender(
        system=profile.name.ja,
        category=category.name.ja,
        bidder_id_label=profile.bidder_id.label.ja,
        reissue=category.reissue.summary.ja if category.reissue else "",
        help_desk=(
            desk.name.ja,
            f"電話：{desk.telephone}（{desk.hours.ja}）",
            f"メール：{desk.mail_address}",
            f"ウェブサイト：{desk.url}",
        ),
    )


def compose_letter(letter: PasswordLetter, sender: Sender, day: date, *, reissued: bool) -> str:
    """Returns the letter, in Japanese. It contains a password: write it into a private file and show it nowhere."""
    company = letter.company
    inquiries = "下記または調達機関の担当者"
    width = max(_cells(label) for label in ("商号又は名称", sender.bidder_id_label))
    values = (
        ("業務区分", sender.category),
        ("商号又は名称", company.name),
        (sender.bidder_id_label, company.bidder_id),
        ("パスワード", letter.password),
    )
    paragraphs = [
        *_recipient(company),
        "",
        f"{day.year}年{day.month}月{day.day}日",
        "",
        f"{sender.system}　{sender.bidder_id_label}・パスワードのお知らせ",
        "",
        f"　{sender.system}の利用者登録に用いる{sender.bidder_id_label}とパスワードをお知らせします。",
        "",
        *(f"　　{_padded(label, width)}：{value}" for label, value in values),
        "",
        "　パスワードは半角で、大文字と小文字を区別して入力してください。",
        *(["　以前にお知らせしたパスワードは使えなくなりました。"] if reissued else []),
        "",
        "このあとの手続き",
        "　１　ICカードとカードリーダーを用意し、利用者登録用のソフトウェア（card-agent）を起動してください。",
        f"　　　入手方法が分からない場合は、{inquiries}にお問い合わせください。",
        "　２　調達機関と業務区分を選び、ICカードのPIN（暗証番号）を入力してください。",
        f"　３　商号又は名称、{sender.bidder_id_label}、パスワードを入力して検索してください。",
        "　　　商号又は名称は、株式会社などを略さず、全角で入力してください。",
        *(["　　　宛名にある支店名等は入力しないでください。"] if company.branch else []),
        "　４　連絡先を入力し、内容を確認して登録してください。",
        *(["　　　パスワードを再発行した当日は登録できません。次の受付日以降に行ってください。"] if reissued else []),
        "",
        "　この書面は他の人の目に触れないように保管してください。",
        f"　お心当たりのない場合や紛失した場合は、{inquiries}にご連絡ください。",
        *([f"　{sender.reissue}"] if sender.reissue else []),
        "",
        *(f"　　{line}" for line in sender.help_desk),
    ]
    return "\n".join(paragraphs) + "\n"


def name_letter_file(folder: Path, letter: PasswordLetter) -> Path:
    """Returns a letter's file; any bidder id becomes a plain file name in the folder."""
    return folder / f"{quote(letter.category, safe='')}-{quote(letter.company.bidder_id, safe='')}.txt"


def prepare_folder(folder: Path) -> None:
    """Makes the folder (0700) and writes a test file; raises LETTERS_FOLDER_UNUSABLE.

    To be called before passwords are issued, because an issued password cannot be retrieved again.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        trial = folder / ".trial"
        write_atomically(trial, b"")
        trial.unlink()
    except OSError as error:
        metadata = {"path": str(folder), "cause": error.strerror or type(error).__name__}
        raise Refusal("LETTERS_FOLDER_UNUSABLE", Code.FAILED_PRECONDITION, metadata) from None


def _recipient(company: CompanyProfile) -> Iterable[str]:
    if company.HasField("postal_code"):
        yield f"〒{company.postal_code}"
    if company.HasField("address"):
        yield company.address
    yield f"{write_full_name(company.name, company.branch)}　御中"
    if company.HasField("representative_name"):
        title = f"{company.representative_title}　" if company.representative_title else ""
        yield f"　{title}{company.representative_name}　様"


def _padded(text: str, cells: int) -> str:
    missing = cells - _cells(text)
    return text + "　" * (missing // 2) + " " * (missing % 2)


def _cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in {"W", "F", "A"} else 1 for sign in text)
