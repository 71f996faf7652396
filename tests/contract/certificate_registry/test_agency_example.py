"""The example in Node for agency developers, against a real UserLookup over mTLS with its database."""

import asyncio
import base64
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # comes without types

from certificate_registry.operations.resolve_user import BatchedLookups, UserResolver
from certificate_registry.servicer.user_lookup import UserLookup
from servicekit.access import ListenerKind
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from simulators.certificate_authorities import IssuedCard, new_ec_key, new_rsa_key
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS
from tests.support.in_process import Authority, serving
from tests.support.services.certificate_registry import USER_LOOKUP, RunningCertificateRegistry
from toroku.certificate.v1 import user_lookup_pb2
from toroku.certificate.v1.user_lookup_pb2_grpc import add_UserLookupServicer_to_server

CHECKOUT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("agency_log_in.js")
EXAMPLES = CHECKOUT / "docs" / "howto" / "ask-whose-card-it-is"
PAGE = CHECKOUT / "docs" / "howto" / "ask-whose-card-it-is.md"
GOOGLE_PROTOS = Path(error_details_pb2.__file__).parents[2]
NAME = "user-lookup"


class BiddingSystem:
    """An agency's system, which runs the example in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, challenge: bytes) -> None:
        self._process = process
        self._challenge = challenge

    async def log_in(
        self, card: IssuedCard, algorithm: str, *, signed: bytes | None = None, **changes: object
    ) -> Mapping[str, Any]:
        """Logs in with a card that signs the challenge, or something else; returns the outcome."""
        assert self._process.stdin is not None
        algorithm_hash = hashes.SHA384() if algorithm == "ECDSA_SHA384" else hashes.SHA256()
        line: dict[str, object] = {
            "certificate": base64.b64encode(card.der).decode(),
            "algorithm": algorithm,
            "signature": base64.b64encode(
                card.sign(self._challenge if signed is None else signed, algorithm_hash)
            ).decode(),
            "agency": PREFECTURE,
            "category": WORKS,
        }
        self._process.stdin.write(json.dumps(line | changes).encode() + b"\n")
        outcome = await read_line(self._process)
        self._challenge = base64.b64decode(outcome.pop("toBeSigned"))
        return outcome


async def read_line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    line = await process.stdout.readline()
    assert line, (await process.stderr.read()).decode()
    content: dict[str, Any] = json.loads(line)
    return content


@asynccontextmanager
async def bidding_system(address: str, files: CertificateFiles, name: str = NAME) -> AsyncIterator[BiddingSystem]:
    assert files.trusted is not None
    process = await asyncio.create_subprocess_exec(
        "node",
        PROGRAM,
        *(address, name, files.trusted, files.certificate, files.private_key),
        *(CHECKOUT / "protos", GOOGLE_PROTOS),
        env={**os.environ, "NODE_PATH": str(CHECKOUT / "tools" / "node_modules")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield BiddingSystem(process, base64.b64decode((await read_line(process))["toBeSigned"]))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@pytest.fixture
async def agency_listener(
    registry: RunningCertificateRegistry, tmp_path: Path
) -> AsyncIterator[tuple[str, CertificateFiles]]:
    """A UserLookup on a listener for agencies, over the registry's database; and the certificate of an agency."""
    folder = tmp_path / "agency"
    folder.mkdir()
    authority = Authority(folder, registry.profile.id)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(registry.dsn, pool=2))
        lookups = BatchedLookups(database, most_queries=2)
        servicer = UserLookup(resolver=UserResolver(profile=registry.profile, lookups=lookups))
        services = {USER_LOOKUP: partial(add_UserLookupServicer_to_server, servicer)}
        files = authority.agency(PREFECTURE)
        listener = serving(authority, NAME, services, instance=registry.profile.id, listener=ListenerKind.AGENCY)
        yield await stack.enter_async_context(listener), files


@pytest.mark.requirement("SYN-08")
async def test_example_lets_a_registered_card_in_and_no_other(
    registry: RunningCertificateRegistry, agency_listener: tuple[str, CertificateFiles]
) -> None:
    registered, _ = await registry.register_new()
    rsa, _ = await registry.register_new(registry.card(key=new_rsa_key()))
    async with bidding_system(*agency_listener) as system:
        assert await system.log_in(registered.card, "ECDSA_SHA256") == {"bidderId": BIDDER}
        assert await system.log_in(rsa.card, "RSA_PKCS1V15_SHA256") == {"bidderId": BIDDER}
        for card, algorithm in (
            (registry.card(), "ECDSA_SHA256"),
            (registry.card(key=new_ec_key(ec.SECP384R1())), "ECDSA_SHA384"),
        ):
            unknown = await system.log_in(card, algorithm)
            assert unknown["verdict"] == "VERDICT_NOT_REGISTERED"
            assert "利用者登録" in unknown["advice"]
        await registry.execute("UPDATE card SET not_after = now() - interval '1 second'")
        expired = await system.log_in(registered.card, "ECDSA_SHA256")
        assert expired["verdict"] == "VERDICT_CERTIFICATE_EXPIRED"


async def test_example_asks_only_for_a_card_that_signed_its_own_challenge(
    registry: RunningCertificateRegistry, agency_listener: tuple[str, CertificateFiles]
) -> None:
    visit, _ = await registry.register_new()
    card = visit.card
    async with bidding_system(*agency_listener) as system:
        earlier = system._challenge  # noqa: SLF001  # what a stranger may have recorded
        assert await system.log_in(card, "ECDSA_SHA256") == {"bidderId": BIDDER}
        for signed in (earlier, b"", b"toroku card signature v1\x00" + earlier):
            assert "not valid" in (await system.log_in(card, "ECDSA_SHA256", signed=signed))["notVerified"]
        other = base64.b64encode(registry.card().der).decode()
        assert "not valid" in (await system.log_in(card, "ECDSA_SHA256", certificate=other))["notVerified"]
        assert "expired" in (await system.log_in(card, "ECDSA_SHA256", late=True))["notVerified"]
        for algorithm in ("RSA_PKCS1V15_SHA256", "ECDSA_SHA384", "NONE", "constructor"):
            assert "notVerified" in await system.log_in(card, algorithm)
        assert (
            "too short"
            in (await system.log_in(registry.card(key=new_rsa_key(1024)), "RSA_PKCS1V15_SHA256"))["notVerified"]
        )
        assert await system.log_in(card, "ECDSA_SHA256") == {"bidderId": BIDDER}


@pytest.mark.requirement("SYN-08")
async def test_example_reads_the_reason_of_a_refusal(
    registry: RunningCertificateRegistry, agency_listener: tuple[str, CertificateFiles]
) -> None:
    visit, _ = await registry.register_new()
    async with bidding_system(*agency_listener) as system:
        expected: list[tuple[dict[str, Any], int, str]] = [
            ({"agency": CITY}, 7, "AGENCY_NOT_OWN"),
            ({"category": "poetry"}, 5, "CATEGORY_UNKNOWN"),
        ]
        for changes, code, reason in expected:
            assert await system.log_in(visit.card, "ECDSA_SHA256", **changes) == {"code": code, "reason": reason}


async def test_example_trusts_the_service_of_this_name_only(
    registry: RunningCertificateRegistry, agency_listener: tuple[str, CertificateFiles]
) -> None:
    visit, _ = await registry.register_new()
    async with bidding_system(*agency_listener, "front-door") as system:
        assert await system.log_in(visit.card, "ECDSA_SHA256") == {"code": 14, "reason": ""}


def test_example_and_page_know_every_verdict() -> None:
    names = set(user_lookup_pb2.ResolveUserResponse.Verdict.keys())
    page = PAGE.read_text("utf-8")
    assert [name for name in names if f"`{name.removeprefix('VERDICT_')}`" not in page] == []
    advised = set(re.findall(r"(VERDICT_[A-Z_]+):", (EXAMPLES / "log_in.js").read_text("utf-8")))
    # These two get the words for whatever is not known.
    assert advised == names - {"VERDICT_GOOD", "VERDICT_UNSPECIFIED", "VERDICT_CERTIFICATE_NEEDED"}


@pytest.mark.parametrize(("file", "language"), [("log_in.js", "js"), ("AskWhoseCardItIs.java", "java")])
def test_page_shows_the_examples_as_they_are(file: str, language: str) -> None:
    shown = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert shown == [(EXAMPLES / file).read_text("utf-8")]


def test_reasons_on_the_page_are_explained() -> None:
    explained = (CHECKOUT / "docs" / "errors.md").read_text("utf-8")
    verdicts = {name.removeprefix("VERDICT_") for name, _ in user_lookup_pb2.ResolveUserResponse.Verdict.items()}
    codes = {code.name for code in grpc.StatusCode}
    named = set(re.findall(r"`([A-Z]+_[A-Z_0-9]+)`", PAGE.read_text("utf-8"))) - verdicts - codes
    assert [reason for reason in named if f"| `{reason}` |" not in explained] == []
