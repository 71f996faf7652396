"""`card-agent trust`: an operator's file is seen before it counts, and counts by one agreement."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from card_agent.command import application
from card_agent.trust import read_trust_file
from simulators.certificate_authorities import CertificateAuthority
from tests.support.example_profile import example_profile
from tests.support.services.front_door import RunningFrontDoor, running_front_door

PORTAL, RETURN = "https://portal.example/start", "https://portal.example/return"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    (tmp_path / "server").mkdir()
    async with running_front_door(example_profile(), tmp_path / "server") as server:
        yield server


async def trust(folder: Path, *arguments: str) -> tuple[int, str]:
    """Runs the command; returns its status and what it said."""
    options = ("--trust-file", str(folder / "own" / "trust.yaml"), "--language", "ja")
    command = ["trust", *arguments, *options]
    # The front door answers meanwhile.
    result = await asyncio.to_thread(CliRunner().invoke, application, command, env={"HOME": str(folder)})
    return result.exit_code, result.output.replace("\n", "")


def offer(folder: Path, server: RunningFrontDoor, **changes: str) -> None:
    """Writes an operator's file, with the CA in it."""
    entry = {"endpoint": server.address, "authority": server.authority.decode(), "portal": PORTAL, "return": RETURN}
    (folder / "operator.yaml").write_text(yaml.safe_dump({server.profile.id: {**entry, **changes}}))


async def test_offer_is_shown_with_fingerprints_and_written_only_once_agreed_to(
    server: RunningFrontDoor, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    id = server.profile.id
    offer(tmp_path, server)
    authority = x509.load_pem_x509_certificate(server.authority)
    fingerprint = sha256(authority.public_bytes(Encoding.DER)).digest().hex(":").upper()
    # Nobody is there to agree.
    status, said = await trust(tmp_path, "add", str(tmp_path / "operator.yaml"))
    assert status == 1
    for text in (id, server.profile.name.ja, server.address, PORTAL, RETURN, fingerprint):
        assert text in said
    assert list((tmp_path / "own").iterdir()) == []
    assert (await trust(tmp_path, "add", str(tmp_path / "operator.yaml"), "--yes"))[0] == 0
    (trusted,) = read_trust_file(tmp_path / "own" / "trust.yaml")
    assert (trusted.id, trusted.endpoint, trusted.portal, trusted.return_address) == (
        id,
        server.address,
        PORTAL,
        RETURN,
    )
    assert trusted.authority is not None
    assert trusted.authority.read_bytes() == server.authority
    # An entry is replaced as a whole, and removed by the same kind of agreement.
    offer(tmp_path, server, portal="https://new.example/start")
    status, said = await trust(tmp_path, "add", str(tmp_path / "operator.yaml"), "--yes")
    assert "すでに登録されています" in said
    assert PORTAL not in (tmp_path / "own" / "trust.yaml").read_text()
    assert id in (await trust(tmp_path, "list"))[1]
    assert (await trust(tmp_path, "remove", id, "--yes"))[0] == 0
    assert read_trust_file(tmp_path / "own" / "trust.yaml") == ()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"portal": "http://portal.example/start"}, "「toroku.portal」が正しくありません"),
        ({"return": "https://portal.example/return#x"}, "「toroku.return」が正しくありません"),
        ({"authority": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"}, "「toroku.authority」"),
        ({"authority": "missing.pem"}, "を読み取れません"),
    ],
)
async def test_file_that_no_operator_would_send_is_refused_before_anybody_is_called(
    server: RunningFrontDoor, tmp_path: Path, changes: dict[str, str], text: str
) -> None:
    offer(tmp_path, server, **changes)
    status, said = await trust(tmp_path, "add", str(tmp_path / "operator.yaml"), "--yes")
    assert status == 1
    assert text.replace("toroku", server.profile.id) in said


async def test_server_of_another_authority_or_of_another_instance_is_not_trusted(
    server: RunningFrontDoor, tmp_path: Path
) -> None:
    offer(tmp_path, server, authority=CertificateAuthority.create().pem)
    status, said = await trust(tmp_path, "add", str(tmp_path / "operator.yaml"), "--yes")
    assert (status, "接続先のサーバーを確認できない" in said) == (1, True)
    entry = {"endpoint": server.address, "authority": server.authority.decode()}
    (tmp_path / "operator.yaml").write_text(yaml.safe_dump({"another": entry}))
    status, said = await trust(tmp_path, "add", str(tmp_path / "operator.yaml"), "--yes")
    assert (status, "「another」ではありません" in said) == (1, True)
    assert not (tmp_path / "own").exists()
