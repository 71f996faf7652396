"""Officers who run `toroku` in this process, each with a key file, against services in this process."""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from operator_command.__main__ import main
from servicekit.credentials import CertificateFiles
from tests.support.officers import SigningOfficer


@dataclass(frozen=True, slots=True)
class Result:
    """The exit status and output of a command."""

    status: int
    out: str
    err: str


@dataclass(slots=True)
class OfficersDesk:
    """Where officers run commands without a terminal: the services that they call, and the names of the profile."""

    addresses: Mapping[str, str]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    profile: Path | None = None
    instance: str | None = None

    async def run(self, officer: SigningOfficer, *arguments: object, language: str = "ja") -> Result:
        """Runs `toroku …` as an officer, whose certificate names neither agency nor instance."""
        self.monkeypatch.setenv("TOROKU_AGENCY", officer.name.partition("/")[0])
        return await self.run_with(officer.files, *arguments, language=language)

    async def run_with(self, files: CertificateFiles, *arguments: object, language: str = "ja") -> Result:
        """Runs `toroku …` with a certificate and its key."""
        options: list[object] = ["--client-certificate", files.certificate, "--client-key", files.private_key]
        options += ["--trust", files.trusted, "--language", language]
        for service, address in self.addresses.items():
            options += ["--endpoint", f"{service}={address}"]
        options += ["--profile", self.profile] if self.profile is not None else []
        options += ["--instance", self.instance] if self.instance is not None else []
        self.monkeypatch.setenv("COLUMNS", "120")
        self.monkeypatch.setattr(sys, "argv", ["toroku", *map(str, (*arguments, *options))])
        self.capsys.readouterr()
        status = await asyncio.to_thread(_run)
        out, err = self.capsys.readouterr()
        return Result(status, out, err)


def _run() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
