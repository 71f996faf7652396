"""Agencies and officers have CAs of their own: a certificate counts for the kind of caller whose CA issued it."""

import logging
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from refusals import Refusal
from refusals.status import from_rpc_error
from servicekit.authorities import AuthorityBundle, CallerAuthorities
from servicekit.credentials import CertificateFiles
from tests.support.echo_service import INSTANCE, EchoService, EchoStub, echo_stub, request, running_echo_service
from tests.support.in_process import Authority

YAMADA, ROLE, CITY = "kawagoe-city/yamada", "roster", "kawagoe-city"
NOW = datetime.now(UTC)
Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[EchoService]:
    async with running_echo_service(tmp_path) as opened:
        yield opened


async def talk(stub: EchoStub) -> str:
    """Calls the method for officers. Raises Refusal."""
    return await find_first(stub.talk(iter([request()])))


async def find_first(call: Any) -> str:
    """Returns the first answer of a stream. Raises Refusal."""
    try:
        answers = [str(answer.value) async for answer in call]
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    return answers[0]


async def talk_as(echo: EchoService, files: CertificateFiles) -> str:
    """Calls the method for officers over a connection of its own. Raises Refusal."""
    async with echo_stub(echo.agency, echo.agency_files(files)) as stub:
        return await talk(stub)


async def follow_as(echo: EchoService, files: CertificateFiles) -> str:
    """Calls the method for agencies over a connection of its own. Raises Refusal."""
    async with echo_stub(echo.agency, echo.agency_files(files)) as stub:
        return await find_first(stub.follow(request(CITY)))


async def test_officer_needs_a_certificate_of_the_officers_authority(echo: EchoService) -> None:
    assert await talk_as(echo, echo.officers.enrol(YAMADA, ROLE)) == f"officer {YAMADA}"
    of_agencies = echo.agencies.person(YAMADA)
    echo.officers.known.add(YAMADA, [ROLE], of_agencies)
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED") as refused:
        await talk_as(echo, of_agencies)
    assert refused.value.metadata == {"caller": f"officer {YAMADA}"}


async def test_officer_of_the_file_of_callers_needs_it_too(echo: EchoService) -> None:
    administrator = "operator/administrator-1"
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
        await talk_as(echo, echo.agencies.officer(administrator, "administrator"))
    files = echo.officers.officer(administrator, "administrator")
    shutil.copyfile(echo.officers.callers, echo.agencies.callers)
    # Known, but without the role.
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await talk_as(echo, files)


async def test_agency_needs_a_certificate_of_the_agencies_authority(echo: EchoService) -> None:
    assert await follow_as(echo, echo.agencies.agency(CITY)) == "first"
    of_officers = echo.officers.agency(CITY)
    shutil.copyfile(echo.officers.callers, echo.agencies.callers)
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED") as refused:
        await follow_as(echo, of_officers)
    assert refused.value.metadata == {"caller": f"agency {CITY}"}


async def test_officers_authority_is_replaced_by_way_of_both(echo: EchoService, tmp_path: Path) -> None:
    bundle = echo.officers.trusted
    (tmp_path / "next").mkdir()
    following = Authority(tmp_path / "next", INSTANCE)
    old, new = bundle.read_bytes(), following.trusted.read_bytes()
    files, renewed = echo.officers.enrol(YAMADA, ROLE), following.person(YAMADA)
    echo.officers.known.add("kawagoe-city/sato", [ROLE], renewed)
    agency = echo.agencies.agency(CITY)
    async with echo_stub(echo.agency, echo.agency_files(files)) as stub:
        assert await talk(stub) == f"officer {YAMADA}"
        with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
            await talk_as(echo, renewed)
        bundle.write_bytes(old + new)
        assert await talk(stub) == f"officer {YAMADA}"
        assert await talk_as(echo, files) == f"officer {YAMADA}"
        assert await talk_as(echo, renewed) == "officer kawagoe-city/sato"
        bundle.write_bytes(new)
        # At the next call, though the connection is older; a new one fails already.
        with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
            await talk(stub)
    with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
        await talk_as(echo, files)
    assert await talk_as(echo, renewed) == "officer kawagoe-city/sato"
    assert await follow_as(echo, agency) == "first"


async def test_service_without_an_authority_of_officers_has_none(tmp_path: Path) -> None:
    async with running_echo_service(tmp_path, admits_officers=False) as echo:
        with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
            await talk_as(echo, echo.officers.enrol(YAMADA, ROLE))
        of_agencies = echo.agencies.person(YAMADA)
        echo.officers.known.add(YAMADA, [ROLE], of_agencies)
        with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
            await talk_as(echo, of_agencies)
        assert await follow_as(echo, echo.agencies.agency(CITY)) == "first"


async def test_broken_bundle_leaves_the_last_valid_one_in_force(
    echo: EchoService, caplog: pytest.LogCaptureFixture
) -> None:
    files = echo.agency_files(echo.officers.enrol(YAMADA, ROLE))
    async with echo_stub(echo.agency, files) as stub:
        assert await talk(stub) == f"officer {YAMADA}"
        for break_file in (lambda: echo.officers.trusted.write_text("not one"), echo.officers.trusted.unlink):
            caplog.clear()
            break_file()
            for _ in range(2):
                assert await talk(stub) == f"officer {YAMADA}"
            errors = [record for record in caplog.records if record.levelno == logging.ERROR]
            assert len([record for record in errors if "the last valid CAs remain" in record.getMessage()]) == 1


def issue(name: str, issuer: Issuer | None, *, is_authority: bool = True, days: int = 1) -> Issuer:
    """Issues a certificate; without an issuer it signs itself. It is valid for some days, or was until yesterday."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=2))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .sign(key if issuer is None else issuer[1], hashes.SHA256())
    )
    return certificate, key


def has_issued(folder: Path, leaf: x509.Certificate, *authorities: Issuer) -> bool:
    """Returns whether a bundle of these CAs has issued a certificate."""
    file = folder / "bundle.pem"
    file.write_bytes(b"".join(certificate.public_bytes(Encoding.PEM) for certificate, _ in authorities))
    return AuthorityBundle(file).has_issued(leaf.public_bytes(Encoding.DER), NOW)


def test_the_issuing_authority_itself_counts_and_none_above_it(tmp_path: Path) -> None:
    root = issue("root", None)
    below = issue("below", root)
    leaf, _ = issue("yamada", below, is_authority=False)
    assert has_issued(tmp_path, leaf, below)
    assert has_issued(tmp_path, leaf, root, below)
    assert not has_issued(tmp_path, leaf, root)
    # The same name with another key.
    assert not has_issued(tmp_path, leaf, issue("below", root))


def test_expired_authorities_and_certificates_that_are_no_authority_issue_nothing(tmp_path: Path) -> None:
    expired, person = issue("expired", None, days=-1), issue("person", None, is_authority=False)
    for issuer in (expired, person):
        assert not has_issued(tmp_path, issue("yamada", issuer, is_authority=False)[0], issuer)


def test_certificate_that_can_not_be_parsed_was_issued_by_nobody(tmp_path: Path) -> None:
    authority = Authority(tmp_path, INSTANCE)
    authorities = CallerAuthorities(officers=AuthorityBundle(authority.trusted))
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
        authorities.require_officers_authority("yamada", b"no certificate", NOW)


@pytest.mark.parametrize("content", [None, "", "not one"])
def test_server_does_not_start_without_a_valid_bundle(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises((OSError, ValueError)):
        AuthorityBundle(file)
