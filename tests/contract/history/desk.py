"""The operator's officer who runs `toroku history`, with three registries in this process, and the acts in them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from history.entries import Chain, Entry, SignedAct
from history.sealing import seal_batch
from history.writing import WrittenEntry, write_history
from operator_command.__main__ import main
from operator_command.history.registries import Registry
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.signed_statement import SigningKey
from signed_acts.purpose import Act, Operation, Purpose, PurposeType, Role, encode
from signed_acts.signature import prefix_purpose
from tests.support.history import CHAIN, make_entry
from tests.support.running_instance import PROFILE
from tests.support.services.history import READER, ROLE, Registries, serving_histories

BIDDER = "1000000001"
REQUEST_ID = "00000000-0000-0000-0000-000000000007"
LINES = ("埼玉県の電子入札に、下記のICカードを登録します。", "商号又は名称：髙橋建設株式会社")


@dataclass(frozen=True, slots=True)
class Result:
    """The exit status and output of a command."""

    status: int
    out: str
    err: str


@dataclass(slots=True)
class Desk:
    """The command, the registries that it calls with their databases, the key of their heads, and a folder."""

    registries: Registries
    databases: Mapping[Registry, Database]
    files: CertificateFiles
    key: SigningKey
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def public_key(self) -> Path:
        return self.folder / "history.pub"

    async def run(
        self,
        command: str,
        *arguments: object,
        language: str = "ja",
        has_profile: bool = False,
        files: CertificateFiles | None = None,
    ) -> Result:
        """Runs `toroku history …` against all registries; with the profile it has names, and takes longer.

        Where the arguments name a state folder, connections come from there.
        """
        own = files or self.files
        options: list[object] = [
            "--client-certificate",
            own.certificate,
            "--client-key",
            own.private_key,
            "--trust",
            own.trusted,
        ]
        for registry, address in self.registries.addresses.items():
            options += ["--endpoint", f"{registry}={address}"]
        if command == "verify" and "--public-key" not in arguments:
            options += ["--public-key", self.public_key]
        options = [] if "--state" in arguments else options
        options += ["--profile", PROFILE] if has_profile else []
        named = map(str, (command, *arguments, *options, "--language", language))
        self.monkeypatch.setattr(sys, "argv", ["toroku", "history", *named])
        self.capsys.readouterr()
        status = await asyncio.to_thread(_run)
        out, err = self.capsys.readouterr()
        return Result(status, out, err)

    async def write(self, registry: Registry, *entries: Entry) -> list[WrittenEntry]:
        """Writes entries of a registry."""
        async with self.databases[registry].transaction() as connection:
            return await write_history(connection, Chain(CHAIN.instance, registry), entries)

    async def seal(self) -> None:
        """Seals what there is in every registry."""
        for registry, database in self.databases.items():
            await seal_batch(database, Chain(CHAIN.instance, registry), self.key)


@asynccontextmanager
async def open_desk(
    folder: Path,
    databases: Mapping[Registry, Database],
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Desk]:
    """Opens a desk whose officer may read histories."""
    monkeypatch.setenv("COLUMNS", "120")
    (folder / "history.pub").write_bytes(key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    async with serving_histories(folder, {str(registry): database for registry, database in databases.items()}) as all_:
        yield Desk(all_, databases, all_.authority.enrol(READER, ROLE), key, folder, monkeypatch, capsys)


def make_card() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """Returns the key of a card, and its certificate in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "card")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return key, built.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def make_registration(key: ec.EllipticCurvePrivateKey, certificate: bytes, **changes: Any) -> Entry:
    """Returns the entry of a registration that a card signed, at 12:00:07 in Japan."""
    digest = sha256(certificate).digest()
    purpose = encode(
        Purpose(
            instance=CHAIN.instance,
            type=PurposeType.ACT,
            operation=Operation.REGISTRATION,
            role=Role.SOLE,
            nonce=bytes(32),
            certificate_sha256=digest,
            agency="saitama-prefecture",
            category="works",
            bidder_id=BIDDER,
            act=Act(REQUEST_ID, bytes(32), LINES),
        )
    )
    signature = key.sign(prefix_purpose(purpose), ec.ECDSA(hashes.SHA256()))
    values: dict[str, Any] = {
        "who": f"card {digest.hex()}",
        "what": "registered",
        "certificate_sha256": digest,
        "agencies": ("saitama-prefecture",),
        "bidder_id": BIDDER,
        "before": {"bound_to": None},
        "after": {"bound_to": BIDDER, "registrations": {"saitama-prefecture": "registration-1"}},
        "act": SignedAct(purpose, "ECDSA_SHA256", signature, certificate),
    }
    return make_entry(7, **values | changes)


def make_officers_act(number: int, **changes: Any) -> Entry:
    """Returns the entry of an act of an officer, as many seconds after 12:00 in Japan as its number says."""
    values: dict[str, Any] = {
        "who": "officer saitama-prefecture/yamada",
        "what": "passwords shown",
        "request_id": None,
        "trace_id": None,
        "certificate_sha256": None,
        "agencies": ("saitama-prefecture", "kawagoe-city"),
        "bidder_id": BIDDER,
        "before": {},
        "after": {"count": 1},
        "act": None,
    }
    return make_entry(number, **values | changes)


def _run() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
