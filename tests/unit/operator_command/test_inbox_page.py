"""The inbox page shows every mail, newest first, as text; no content of a mail becomes markup of the page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import aiosmtplib
import pytest

from operator_command.launcher.inbox import running_inbox
from operator_command.launcher.inbox_page import MAILS_PER_PAGE, inbox_page, running_page
from operator_command.topology import HOST

ATTACK = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@asynccontextmanager
async def open_page(folder: Path, *names: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        running_page(inbox_page(folder, names), (HOST, 0)) as port,
        aiohttp.ClientSession(f"http://{HOST}:{port}") as browser,
    ):
        yield browser


async def get_text(browser: aiohttp.ClientSession, path: str) -> str:
    async with browser.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


def message(subject: str, text: str = "登録しました。\n", to: str = "koji@contractor.example") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "system@example.jp", to, subject
    mail.set_content(text)
    return mail


def store(folder: Path, content: bytes, number: int = 1) -> str:
    name = f"20250401T013000.{number:06}-{number:06}.eml"
    (folder / name).write_bytes(content)
    return name


async def test_mail_is_listed_and_shown(tmp_path: Path) -> None:
    async with running_inbox(tmp_path) as port, open_page(tmp_path) as browser:
        assert "まだメールはありません" in await get_text(browser, "/")
        await aiosmtplib.send(message("利用者登録のお知らせ", "髙橋﨑 様\n"), hostname=HOST, port=port)
        mail_list = await get_text(browser, "/")
        assert "koji@contractor.example" in mail_list
        assert "利用者登録のお知らせ" in mail_list
        path = mail_list.partition('href="/mail/')[2].partition('"')[0]
        page = await get_text(browser, f"/mail/{path}")
        assert "髙橋﨑 様" in page
        assert "system@example.jp" in page


async def test_newest_mail_is_first_in_japanese_time(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        store(tmp_path, message(f"第{number}報").as_bytes(), number)
    async with open_page(tmp_path) as browser:
        mail_list = await get_text(browser, "/")
    assert mail_list.index("第3報") < mail_list.index("第2報") < mail_list.index("第1報")
    assert "2025-04-01 10:30:00" in mail_list


async def test_older_mails_are_on_the_next_page(tmp_path: Path) -> None:
    for number in range(1, MAILS_PER_PAGE + 3):
        store(tmp_path, message(f"第{number}報").as_bytes(), number)
    async with open_page(tmp_path) as browser:
        first = await get_text(browser, "/")
        assert "第2報" not in first
        older = first.partition('href="/?before=')[2].partition('"')[0]
        second = await get_text(browser, f"/?before={older}")
    assert [number for number in range(1, MAILS_PER_PAGE + 3) if f">第{number}報<" in second] == [1, 2]


@pytest.mark.parametrize("part", ["subject", "to", "text", "html", "attachment", "raw"])
async def test_markup_in_a_mail_is_shown_and_not_executed(tmp_path: Path, part: str) -> None:
    mail = message(ATTACK if part == "subject" else "お知らせ", ATTACK if part == "text" else "本文\n")
    if part == "to":
        del mail["To"]
        mail["To"] = '"<script>alert(1)</script>" <a@example.jp>'
    if part == "html":
        mail.set_content(ATTACK, subtype="html")
    if part == "attachment":
        mail.add_attachment(b"x", maintype="application", subtype="octet-stream", filename="<script>.bin")
    content = mail.as_bytes()
    if part == "raw":
        content = f"Subject: {ATTACK}\nTo: {ATTACK}\n\n{ATTACK}".encode()
    name = store(tmp_path, content)
    async with open_page(tmp_path) as browser:
        mail_list, page = await get_text(browser, "/"), await get_text(browser, f"/mail/{name}")
    for text in (mail_list, page):
        assert "<script" not in text
        assert "<img" not in text
    assert "&lt;script" in page


async def test_mail_without_plain_text_is_shown_as_source(tmp_path: Path) -> None:
    mail = message("お知らせ")
    mail.set_content("<b>太字</b>", subtype="html")
    async with open_page(tmp_path) as browser:
        page = await get_text(browser, f"/mail/{store(tmp_path, mail.as_bytes())}")
    assert "HTML しかありません" in page
    assert "&lt;b&gt;太字&lt;/b&gt;" in page


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00 no mail at all",
        b"Subject: =?utf-8?b?broken\nTo: =?x-nothing?q?=FF?= <\n\ntext",
        b"Content-Type: text/plain; charset=no-such-charset\n\n\xe3\x81\x82",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nhalf",
    ],
)
async def test_malformed_mail_is_shown_nevertheless(tmp_path: Path, content: bytes) -> None:
    name = store(tmp_path, content)
    async with open_page(tmp_path) as browser:
        assert name in await get_text(browser, "/")
        await get_text(browser, f"/mail/{name}")


async def test_only_mails_of_the_folder_are_served(tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    folder.mkdir()
    (tmp_path / "secret.eml").write_text("Subject: secret\n\nsecret")
    (folder / ".20250401T013000.000001-000001.eml").write_text("half")
    async with open_page(folder) as browser:
        for path in (
            "/mail/..%2Fsecret.eml",
            "/mail/../secret.eml",
            "/mail/.20250401T013000.000001-000001.eml",
            "/mail/20250401T013000.000001-000001.eml",
            "/secret.eml",
        ):
            async with browser.get(path) as answer:
                assert answer.status == 404, path
                assert "このメールはありません" in await answer.text()


async def test_every_response_forbids_scripts_and_foreign_content(tmp_path: Path) -> None:
    name = store(tmp_path, message("お知らせ").as_bytes())
    async with open_page(tmp_path) as browser:
        for path in ("/", f"/mail/{name}", "/style.css", "/nothing"):
            async with browser.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; style-src 'self'")
                assert "script" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"


async def test_unknown_host_name_is_refused(tmp_path: Path) -> None:
    """A foreign page whose name resolves to the inbox must not read the mails (DNS rebinding)."""
    async with open_page(tmp_path, "inbox.example") as browser:
        for name, status in (("attacker.example", 400), ("inbox.example", 200), ("localhost:8025", 200)):
            async with browser.get("/", headers={"Host": name}) as answer:
                assert answer.status == status


async def test_port_in_use_is_an_error(tmp_path: Path) -> None:
    async with running_page(inbox_page(tmp_path), (HOST, 0)) as port:
        with pytest.raises(OSError, match="in use"):
            async with asyncio.timeout(5), running_page(inbox_page(tmp_path), (HOST, port)):
                pass
