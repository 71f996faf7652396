"""The page shows every mail, newest first, as text; nothing that a mail holds becomes a part of the page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import aiosmtplib
import pytest

from operator_command.launcher.inbox import inbox
from operator_command.launcher.inbox_page import ON_ONE_PAGE, inbox_page, serving_page
from operator_command.topology import HOST

ATTACK = '<script>alert(1)</script><img src=x onerror="alert(2)">'


@asynccontextmanager
async def shown(folder: Path, *names: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serving_page(inbox_page(folder, names), (HOST, 0)) as port,
        aiohttp.ClientSession(f"http://{HOST}:{port}") as browser,
    ):
        yield browser


async def text_of(browser: aiohttp.ClientSession, path: str) -> str:
    async with browser.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


def message(subject: str, text: str = "登録しました。\n", to: str = "koji@contractor.example") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "system@example.jp", to, subject
    made.set_content(text)
    return made


def keep(folder: Path, content: bytes, number: int = 1) -> str:
    name = f"20250401T013000.{number:06}-{number:06}.eml"
    (folder / name).write_bytes(content)
    return name


async def test_mail_that_was_sent_is_listed_and_shown(tmp_path: Path) -> None:
    async with inbox(tmp_path) as port, shown(tmp_path) as browser:
        assert "まだメールはありません" in await text_of(browser, "/")
        await aiosmtplib.send(message("利用者登録のお知らせ", "髙橋﨑 様\n"), hostname=HOST, port=port)
        listed = await text_of(browser, "/")
        assert "koji@contractor.example" in listed
        assert "利用者登録のお知らせ" in listed
        path = listed.partition('href="/mail/')[2].partition('"')[0]
        one = await text_of(browser, f"/mail/{path}")
        assert "髙橋﨑 様" in one
        assert "system@example.jp" in one


async def test_newest_stands_first_in_japanese_time(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        keep(tmp_path, message(f"第{number}報").as_bytes(), number)
    async with shown(tmp_path) as browser:
        listed = await text_of(browser, "/")
    assert listed.index("第3報") < listed.index("第2報") < listed.index("第1報")
    assert "2025-04-01 10:30:00" in listed


async def test_older_mails_are_one_page_further(tmp_path: Path) -> None:
    for number in range(1, ON_ONE_PAGE + 3):
        keep(tmp_path, message(f"第{number}報").as_bytes(), number)
    async with shown(tmp_path) as browser:
        first = await text_of(browser, "/")
        assert "第2報" not in first
        older = first.partition('href="/?before=')[2].partition('"')[0]
        second = await text_of(browser, f"/?before={older}")
    assert [number for number in range(1, ON_ONE_PAGE + 3) if f">第{number}報<" in second] == [1, 2]


@pytest.mark.parametrize("place", ["subject", "to", "text", "html", "attachment", "raw"])
async def test_markup_in_a_mail_is_shown_and_not_executed(tmp_path: Path, place: str) -> None:
    made = message(ATTACK if place == "subject" else "お知らせ", ATTACK if place == "text" else "本文\n")
    if place == "to":
        del made["To"]
        made["To"] = '"<script>alert(1)</script>" <a@example.jp>'
    if place == "html":
        made.set_content(ATTACK, subtype="html")
    if place == "attachment":
        made.add_attachment(b"x", maintype="application", subtype="octet-stream", filename="<script>.bin")
    content = made.as_bytes()
    if place == "raw":
        content = f"Subject: {ATTACK}\nTo: {ATTACK}\n\n{ATTACK}".encode()
    name = keep(tmp_path, content)
    async with shown(tmp_path) as browser:
        for path in ("/", f"/mail/{name}"):
            page = await text_of(browser, path)
            assert "<script" not in page
            assert "<img" not in page
        assert "&lt;script" in page


async def test_mail_without_plain_text_says_so(tmp_path: Path) -> None:
    made = message("お知らせ")
    made.set_content("<b>太字</b>", subtype="html")
    async with shown(tmp_path) as browser:
        page = await text_of(browser, f"/mail/{keep(tmp_path, made.as_bytes())}")
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
async def test_mail_that_is_none_is_shown_all_the_same(tmp_path: Path, content: bytes) -> None:
    name = keep(tmp_path, content)
    async with shown(tmp_path) as browser:
        assert name in await text_of(browser, "/")
        await text_of(browser, f"/mail/{name}")


async def test_nothing_but_mails_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    folder.mkdir()
    (tmp_path / "secret.eml").write_text("Subject: secret\n\nsecret")
    (folder / ".20250401T013000.000001-000001.eml").write_text("half")
    async with shown(folder) as browser:
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


async def test_every_answer_forbids_scripts_and_foreign_content(tmp_path: Path) -> None:
    name = keep(tmp_path, message("お知らせ").as_bytes())
    async with shown(tmp_path) as browser:
        for path in ("/", f"/mail/{name}", "/style.css", "/nothing"):
            async with browser.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; style-src 'self'")
                assert "script" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"


async def test_page_of_another_name_is_refused_unless_it_was_named(tmp_path: Path) -> None:
    """A foreign page whose name points here must not read the mails (DNS rebinding)."""
    async with shown(tmp_path, "inbox.example") as browser:
        for name, status in (("attacker.example", 400), ("inbox.example", 200), ("localhost:8025", 200)):
            async with browser.get("/", headers={"Host": name}) as answer:
                assert answer.status == status


async def test_port_that_is_taken_is_an_error_at_once(tmp_path: Path) -> None:
    async with serving_page(inbox_page(tmp_path), (HOST, 0)) as port:
        with pytest.raises(OSError, match="in use"):
            async with asyncio.timeout(5), serving_page(inbox_page(tmp_path), (HOST, port)):
                pass
