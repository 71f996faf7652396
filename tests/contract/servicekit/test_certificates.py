"""Renewal of certificates while a service runs, on both sides of a connection, and broken certificate files."""

import asyncio
import logging
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from cryptography import x509

from refusals import Refusal
from servicekit.credentials import CertificateFiles, server_credentials
from tests.support.echo_service import INSTANCE, NAME, EchoService, EchoStub, echo_stub, request, running_echo_service
from tests.support.in_process import Authority, calling


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[EchoService]:
    async with running_echo_service(tmp_path) as opened:
        yield opened


def serial_of(files: CertificateFiles) -> int:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number


async def read_served_serial(address: str, files: CertificateFiles) -> int:
    """The serial number of the certificate that a new connection receives."""
    context = ssl.create_default_context(cafile=str(files.trusted))
    context.load_cert_chain(files.certificate, files.private_key)
    context.set_alpn_protocols(["h2"])
    host, _, port = address.partition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=NAME)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(shown).serial_number


def copy(files: CertificateFiles, folder: Path) -> CertificateFiles:
    """Copies a certificate to other files."""
    folder.mkdir()
    copied = CertificateFiles(folder / "certificate.pem", folder / "private.key", files.trusted)
    overwrite(copied, files)
    return copied


def overwrite(files: CertificateFiles, by: CertificateFiles) -> None:
    shutil.copyfile(by.certificate, files.certificate)
    shutil.copyfile(by.private_key, files.private_key)


def garbage(files: CertificateFiles) -> None:
    files.certificate.write_text("-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n")


def nothing(files: CertificateFiles) -> None:
    files.private_key.write_text("")


def missing(files: CertificateFiles) -> None:
    files.private_key.unlink()


def half_renewed(files: CertificateFiles) -> None:
    """Writes a new certificate whose key is not written yet."""
    files.certificate.write_bytes((files.certificate.parent / "next" / "certificate.pem").read_bytes())


BREAKS = pytest.mark.parametrize("break_files", [garbage, nothing, missing, half_renewed], ids=lambda way: way.__name__)


async def test_renewed_server_certificate_is_used_for_new_connections_while_old_ones_continue(
    echo: EchoService,
) -> None:
    client = echo.services.service("front-door")
    async with echo_stub(echo.internal, client) as before:
        assert (await before.ask(request())).value == "service front-door"
        old = serial_of(echo.own)
        assert await read_served_serial(echo.internal, client) == old

        echo.services.service(NAME)
        assert serial_of(echo.own) != old
        assert await read_served_serial(echo.internal, client) == serial_of(echo.own)
        assert (await before.ask(request())).value == "service front-door"


async def test_renewed_trusted_cas_apply_to_new_connections(echo: EchoService) -> None:
    agency = echo.agency_files(echo.agencies.agency("kawagoe-city"))
    service = echo.services.service("front-door")
    agencies_ca = echo.agencies.service("unused").trusted
    assert agencies_ca is not None
    assert echo.own.trusted is not None
    async with echo_stub(echo.agency, agency) as stub:
        assert (await stub.ask(request("kawagoe-city"))).value == "agency kawagoe-city"
    # The CA is replaced by another one.
    shutil.copyfile(echo.own.trusted, agencies_ca)
    async with calling(agency, echo=echo.agency) as peers:
        with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
            await peers.stub("echo", EchoStub).ask(request("kawagoe-city"), timeout=2)
    async with calling(service, echo=echo.agency) as peers:
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await peers.stub("echo", EchoStub).ask(request("kawagoe-city"))


@BREAKS
async def test_broken_files_of_a_server_leave_the_last_valid_certificate_in_force(
    echo: EchoService,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    break_files: Callable[[CertificateFiles], None],
) -> None:
    client = echo.services.service("front-door")
    good = copy(echo.own, tmp_path / "good")
    echo.services.service(NAME)
    renewed = copy(echo.own, echo.own.certificate.parent / "next")
    overwrite(echo.own, good)
    assert await read_served_serial(echo.internal, client) == serial_of(good)

    break_files(echo.own)
    assert await read_served_serial(echo.internal, client) == serial_of(good)
    async with echo_stub(echo.internal, client) as stub:
        assert (await stub.ask(request())).value == "service front-door"
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert any("the last valid ones remain in force" in error for error in errors)
    assert not any("PRIVATE KEY" in error for error in errors)

    overwrite(echo.own, renewed)
    assert await read_served_serial(echo.internal, client) == serial_of(renewed)


@BREAKS
def test_server_does_not_start_with_broken_files(
    tmp_path: Path, break_files: Callable[[CertificateFiles], None], certificate: CertificateFiles
) -> None:
    files = copy(certificate, tmp_path / "files")
    copy(files, tmp_path / "files" / "next")
    (tmp_path / "files" / "next" / "certificate.pem").write_bytes(_another(certificate))
    break_files(files)
    with pytest.raises((OSError, ValueError)):
        server_credentials(files)


async def test_stub_of_a_peer_uses_the_current_certificate_files(echo: EchoService, tmp_path: Path) -> None:
    files = copy(echo.services.service("agency-sync"), tmp_path / "client")
    async with calling(files, echo=echo.internal) as peers:
        stub = peers.stub("echo", EchoStub)
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await stub.ask(request())
        overwrite(files, echo.services.service("front-door"))
        assert (await stub.ask(request())).value == "service front-door"


async def test_call_that_runs_during_a_renewal_is_answered(echo: EchoService, tmp_path: Path) -> None:
    files = copy(echo.services.service("front-door"), tmp_path / "client")
    async with calling(files, echo=echo.internal) as peers:
        stub = peers.stub("echo", EchoStub)
        running = asyncio.ensure_future(stub.ask(request(behaviour="wait")))
        await echo.servicer.entered.wait()
        overwrite(files, echo.services.service("front-door"))
        assert (await stub.ask(request())).value == "service front-door"
        assert not running.done()
        echo.servicer.leave.set()
        assert (await running).value == "service front-door"


@BREAKS
async def test_broken_files_of_a_client_leave_the_last_valid_connection_in_use(
    echo: EchoService, tmp_path: Path, break_files: Callable[[CertificateFiles], None]
) -> None:
    files = copy(echo.services.service("agency-sync"), tmp_path / "client")
    renewed = copy(echo.services.service("front-door"), tmp_path / "client" / "next")
    async with calling(files, echo=echo.internal) as peers:
        stub = peers.stub("echo", EchoStub)
        for breaking in (None, break_files):
            if breaking:
                breaking(files)
            with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
                await stub.ask(request())
        overwrite(files, renewed)
        assert (await stub.ask(request())).value == "service front-door"


@pytest.fixture
def certificate(tmp_path: Path) -> CertificateFiles:
    return _authority(tmp_path / "authority").service("front-door")


def _authority(folder: Path) -> Authority:
    folder.mkdir()
    return Authority(folder, INSTANCE)


def _another(certificate: CertificateFiles) -> bytes:
    return _authority(certificate.certificate.parent / "other").service("front-door").certificate.read_bytes()
