"""An officer who runs `toroku roster` without a terminal, against a registry in this process over mTLS."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from officers.words import Fact
from operator_command.__main__ import main
from servicekit.access import ListenerKind
from tests.support.in_process import Authority, serving
from tests.support.peers.officer_acts import OfficerActsPeer
from tests.support.peers.qualification_registry import QualificationRegistryPeer
from tests.support.running_instance import PROFILE
from toroku.officer.v1 import officer_acts_pb2
from toroku.officer.v1.officer_acts_pb2_grpc import add_OfficerActsServicer_to_server
from toroku.qualification.v1 import qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import add_QualificationRegistryServicer_to_server

SERVICE = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
ACTS = officer_acts_pb2.DESCRIPTOR.services_by_name["OfficerActs"]
CONTENT = "商号,住所\n".encode() + "株式会社甲,岡山県\n".encode() * 60_000


@dataclass(slots=True)
class Result:
    """The exit status and output of a command."""

    status: int
    out: str
    err: str


@dataclass(slots=True)
class Desk:
    """An officer without a terminal: commands, the registry that they call, a roster file, a folder for letters."""

    registry: QualificationRegistryPeer
    options: list[str]
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def roster(self) -> Path:
        return self.folder / "list.csv"

    @property
    def letters(self) -> Path:
        return self.folder / "letters"

    async def run(self, *arguments: object, language: str = "ja") -> Result:
        """Runs `toroku roster …` with the connection's options."""
        command = ["toroku", "roster", *map(str, arguments), *self.options, "--language", language]
        self.monkeypatch.setattr(sys, "argv", command)
        self.capsys.readouterr()
        status = await asyncio.to_thread(_status)
        out, err = self.capsys.readouterr()
        return Result(status, out, err)

    async def import_roster(self, *options: str, mapping: str = "works-list") -> Result:
        return await self.run("import", self.roster, "--mapping", mapping, *options)

    async def issue(self, *options: str) -> Result:
        named = () if "--profile" in options else ("--profile", PROFILE)
        issuing = ("issue-passwords", "--category", "works", "--letters", self.letters, "--yes")
        return await self.run(*issuing, *named, *options)


def _status() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@asynccontextmanager
async def registry_at(
    folder: Path, *roles: str, officer: str = "prefecture/officer"
) -> AsyncIterator[tuple[QualificationRegistryPeer, list[str]]]:
    authority = Authority(folder, "example")
    own = authority.enrol(officer, *roles)
    facts = {name: Fact("1", "1") for name in ("roster", "term", "new", "changed", "gone")}
    acts = OfficerActsPeer("example", SERVICE, facts)
    registry = QualificationRegistryPeer(acts=acts)  # type: ignore[abstract]  # it has what the command calls
    services = {
        SERVICE: partial(add_QualificationRegistryServicer_to_server, registry),
        ACTS: partial(add_OfficerActsServicer_to_server, acts),
    }
    name = "qualification-registry"
    async with serving(authority, name, services, instance="example", listener=ListenerKind.AGENCY) as address:
        files = {
            "--endpoint": address,
            "--client-certificate": own.certificate,
            "--client-key": own.private_key,
            "--trust": own.trusted,
        }
        yield registry, [str(part) for option in files.items() for part in option]


@asynccontextmanager
async def open_desk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Desk]:
    """Opens a desk with a roster file, and a registry that has a preview of 60,000 rows and three bidders."""
    (folder / "list.csv").write_bytes(CONTENT)
    async with registry_at(folder, "roster", "password") as (registry, options):
        registry.preview.rows = 60_000
        registry.preview.new = 2
        registry.preview.unchanged = 59_998
        for number in (1, 2, 3):
            registry.add(f"100000000{number}", f"株式会社{number}")
        yield Desk(registry, options, folder, monkeypatch, capsys)
