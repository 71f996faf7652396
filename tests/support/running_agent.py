"""The process `card-agent serve` of a person, with a home of its own and a browser that notes what it is to open."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from urllib.parse import parse_qs, urlsplit

import yaml

from simulators.portal_place import PortalPlace

PHRASE = "青い自転車"
_TIMEOUT = 20.0
# The person's browser: it notes each address.
_BROWSER = """#!/bin/sh
printf '%s\\n' "$1" >> '{file}'
"""


@dataclass(slots=True)
class RunningAgent:
    """The agent of one person, and the addresses that it opened in the browser."""

    home: Path
    environment: Mapping[str, str] = field(repr=False)
    process: subprocess.Popen[bytes] | None = None
    seen: int = 0

    @property
    def log(self) -> str:
        """Returns all that the process wrote to its terminal."""
        return (self.home / "terminal.log").read_text("utf-8", errors="replace")

    @property
    def port(self) -> int:
        """Returns the port on which the agent listens, by the first address that it opened."""
        address = urlsplit(self._opened()[0])
        if address.hostname == "127.0.0.1":
            assert address.port is not None
            return address.port
        return int(parse_qs(address.fragment)["port"][0])

    @property
    def address(self) -> str:
        """Returns the address of the agent's own first page."""
        return f"http://127.0.0.1:{self.port}/"

    def choose_phrase(self, phrase: str) -> None:
        """Chooses the phrase of all pages, as at the first start."""
        (self.home / ".config" / "toroku-card-agent" / "phrase").write_text(phrase, "utf-8")

    def choose_files(self, files: Sequence[Path]) -> None:
        """Names certificate files in the settings."""
        settings = yaml.safe_dump({"files": [str(file) for file in files]}, allow_unicode=True)
        (self.home / ".config" / "toroku-card-agent" / "settings.yaml").write_text(settings, "utf-8")

    def start(self) -> str:
        """Starts `card-agent serve`, and returns the address that it opens; a second start is one of its icon again."""
        with (self.home / "terminal.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "card_agent", "serve"],
                env=dict(self.environment),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        is_first = self.process is None
        if is_first:
            self.process = process
        address = self._wait_for_opened()
        if not is_first:
            assert process.wait(_TIMEOUT) == 0, self.log
        return address

    def stop(self) -> None:
        """Ends the agent as the end of a login session does."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(_TIMEOUT)
            self.process = None

    def _wait_for_opened(self) -> str:
        deadline = time.monotonic() + _TIMEOUT
        while len(opened := self._opened()) <= self.seen:
            if time.monotonic() > deadline or (self.process is not None and self.process.poll() is not None):
                raise TimeoutError("the agent opened nothing:\n" + self.log)
            time.sleep(0.01)
        self.seen = len(opened)
        return opened[-1]

    def _opened(self) -> list[str]:
        file = self.home / "opened"
        return file.read_text("utf-8").splitlines() if file.exists() else []


@contextmanager
def agent_of_a_person(
    home: Path, trusted: Mapping[str, Mapping[str, str]], environment: Mapping[str, str] = {}
) -> Iterator[RunningAgent]:
    """Makes a home with a trust file, and ends the agent that was started there after the block."""
    settings = home / ".config" / "toroku-card-agent"
    settings.mkdir(parents=True)
    (settings / "trust.yaml").write_text(yaml.safe_dump({name: dict(entry) for name, entry in trusted.items()}))
    browser = home / "browser"
    browser.write_text(_BROWSER.format(file=home / "opened"))
    browser.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "LC_"))}
    own |= {"HOME": str(home), "BROWSER": f"{quote(str(browser))} %s", "LANG": "ja_JP.UTF-8"}
    agent = RunningAgent(home, own | dict(environment))
    try:
        yield agent
    finally:
        agent.stop()


def trust(place: PortalPlace, endpoint: str, authority: Path) -> dict[str, str]:
    """Returns the entry of an instance in a trust file, with its portal."""
    return {
        "endpoint": endpoint,
        "authority": str(authority),
        "portal": f"{place.origin}/start",
        "return": f"{place.origin}/return",
    }
