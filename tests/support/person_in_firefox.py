"""A person in front of Debian's Firefox ESR, which speaks Marionette: Playwright drives no Firefox but its own build.

A command is `[0, number, name, parameters]`, its answer `[1, number, error, result]`, each in JSON after its length in
bytes and a colon. The names and parameters are those of the WebDriver standard.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.person_at_portal import PIN, REST
from tests.support.waiting import wait_until

_FIREFOX = "/usr/bin/firefox-esr"
# Milliseconds until a part of a page has to be there.
_PATIENCE = 20_000
# Any free port, and nothing that a new profile opens or sends.
_PREFERENCES: Mapping[str, str | int | bool] = {
    "marionette.port": 0,
    "intl.accept_languages": "ja",
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a command: its result, or the WebDriver standard's name of what went wrong."""

    error: str | None
    result: dict[str, Any]


@dataclass(slots=True)
class PersonInFirefox:
    """Who uses one window of Firefox, at the portal and at the pages of an agent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    commands: int = 0

    async def go(self, address: str) -> None:
        """Opens an address."""
        await self.command("WebDriver:Navigate", url=address)

    async def see(self, selector: str) -> str:
        """Waits for an element, and returns its reference."""
        found = await self.command("WebDriver:FindElement", using="css selector", value=selector)
        (reference,) = found["value"].values()
        return str(reference)

    async def click(self, selector: str) -> None:
        """Waits for an element that can be clicked on, and clicks on it."""

        async def is_clicked() -> bool:
            answer = await self.ask("WebDriver:ElementClick", id=await self.see(selector))
            assert answer.error in (None, "element not interactable"), answer.error
            return answer.error is None

        await wait_until(is_clicked)

    async def type(self, selector: str, text: str) -> None:
        """Waits for a field, and types into it."""
        element = await self.see(selector)
        await self.command("WebDriver:ElementClear", id=element)
        await self.command("WebDriver:ElementSendKeys", id=element, text=text)

    async def fill_in(self, values: Mapping[str, str]) -> None:
        """Types into the fields of a form, each by its name."""
        for name, value in values.items():
            await self.type(f"[name='{name}']", value)

    async def wait_for(self, part_of_address: str) -> None:
        """Waits for a page whose address has this in it."""

        async def is_there() -> bool:
            return part_of_address in (await self.command("WebDriver:GetCurrentURL"))["value"]

        await wait_until(is_there)

    async def read(self) -> str:
        """Returns what is on the screen."""
        text = await self.command("WebDriver:GetElementText", id=await self.see("main"))
        return str(text["value"])

    async def use_agent(self, pin: str = "") -> None:
        """From a page of the portal: goes to the agent, agrees there, with the PIN where one is given, and returns."""
        await self.click("#agent")
        await self.see(REST)
        if pin:
            await self.type(PIN, pin)
        await self.click("button[name=answer][value=ok]")
        await self.wait_for("/operations/")

    async def command(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command, and returns its result; raises AssertionError where it failed."""
        answer = await self.ask(name, **parameters)
        assert answer.error is None, f"{name}: {answer.error}"
        return answer.result

    async def ask(self, name: str, **parameters: Any) -> Answer:
        """Sends a command, and returns what Firefox says to it."""
        self.commands += 1
        body = json.dumps([0, self.commands, name, parameters]).encode()
        self.writer.write(b"%d:%b" % (len(body), body))
        _, number, error, result = await self.receive()
        assert number == self.commands
        return Answer(error["error"] if error else None, dict(result or {}))

    async def receive(self) -> Any:
        """Returns what Firefox says next."""
        length = await self.reader.readuntil(b":")
        return json.loads(await self.reader.readexactly(int(length[:-1])))


@asynccontextmanager
async def person_in_firefox(folder: Path) -> AsyncIterator[PersonInFirefox]:
    """Runs Firefox with a new profile in the folder until the block ends."""
    profile = folder / "firefox"
    profile.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines), "utf-8")
    with (folder / "firefox.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            _FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", profile, stdout=log, stderr=log
        )
        try:
            person = await _connect(profile / "MarionetteActivePort")
            try:
                yield person
            finally:
                person.writer.close()
                await person.writer.wait_closed()
        finally:
            process.terminate()
            await process.wait()


async def _connect(file: Path) -> PersonInFirefox:
    async def is_written() -> bool:
        return file.is_file() and bool(file.read_text("utf-8"))

    await wait_until(is_written)
    person = PersonInFirefox(*await asyncio.open_connection("127.0.0.1", int(file.read_text("utf-8"))))
    assert (await person.receive())["marionetteProtocol"] == 3
    await person.command("WebDriver:NewSession", acceptInsecureCerts=True)
    await person.command("WebDriver:SetTimeouts", implicit=_PATIENCE)
    return person
