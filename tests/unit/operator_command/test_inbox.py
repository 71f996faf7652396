"""The inbox stores every mail unchanged, in a private folder."""

import asyncio
import stat
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from operator_command.launcher.inbox import read_messages, running_inbox, wait_for_message
from operator_command.topology import HOST


def notice(address: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "system@example.jp", address, subject
    message.set_content("登録しました。髙橋﨑\n")
    return message


async def test_message_is_stored_with_its_japanese_text(tmp_path: Path) -> None:
    async with running_inbox(tmp_path / "inbox") as port:
        await aiosmtplib.send(notice("a@example.jp", "利用者登録のお知らせ"), hostname=HOST, port=port)
    (stored,) = read_messages(tmp_path / "inbox")
    assert stored["Subject"] == "利用者登録のお知らせ"
    assert "髙橋﨑" in stored.get_content()
    assert stored["Return-Path"] == "<system@example.jp>"
    assert stored["Delivered-To"] == "a@example.jp"


async def test_bytes_of_a_message_are_unchanged(tmp_path: Path) -> None:
    content = notice("a@example.jp", "x").as_bytes().replace(b"\n", b"\r\n")
    async with running_inbox(tmp_path) as port:
        await aiosmtplib.send(content, sender="s@example.jp", recipients=["a@example.jp"], hostname=HOST, port=port)
    (file,) = tmp_path.glob("*.eml")
    assert file.read_bytes().endswith(content)


async def test_messages_are_in_order_of_arrival(tmp_path: Path) -> None:
    async with running_inbox(tmp_path) as port:
        for number in range(5):
            await aiosmtplib.send(notice("a@example.jp", str(number)), hostname=HOST, port=port)
    assert [message["Subject"] for message in read_messages(tmp_path)] == ["0", "1", "2", "3", "4"]


async def test_waiting_returns_a_message_that_arrives_later(tmp_path: Path) -> None:
    async with running_inbox(tmp_path) as port:
        task = asyncio.create_task(wait_for_message(tmp_path, lambda message: message["To"] == "b@example.jp"))
        for address in ("a@example.jp", "b@example.jp"):
            await aiosmtplib.send(notice(address, address), hostname=HOST, port=port)
        assert (await task)["Subject"] == "b@example.jp"


async def test_waiting_ends_with_a_timeout(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await wait_for_message(tmp_path / "none", lambda _message: True, within=0.05)


async def test_folder_is_private(tmp_path: Path) -> None:
    async with running_inbox(tmp_path / "inbox"):
        assert stat.S_IMODE((tmp_path / "inbox").stat().st_mode) == 0o700
