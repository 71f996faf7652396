"""Downloading CRLs: only from allowed addresses, with a limit on size and time."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certificate_registry.adapters.crl_download import download_revocation_list, open_client
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, new_ec_key

LIST = CertificateAuthority.create(key=new_ec_key()).crl()
PEM = x509.load_der_x509_crl(LIST).public_bytes(Encoding.PEM)


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """A CA's web server, with broken and hostile paths."""

    async def published(request: web.Request) -> web.Response:
        return web.Response(body=PEM if request.path.endswith("pem") else LIST)

    async def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query.get("to", "")})

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))

    async def silent(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def compressed(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})

    application = web.Application()
    application.router.add_get("/ca.crl", published)
    application.router.add_get("/ca.pem", published)
    application.router.add_get("/redirect", redirect)
    application.router.add_get("/endless", endless)
    application.router.add_get("/silent", silent)
    application.router.add_get("/compressed", compressed)
    runner = web.AppRunner(application, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _fetch(url: str, most_bytes: int = 1_000_000, time_out: float = 20) -> bytes:
    async with open_client(time_out) as session:
        return await download_revocation_list(session, url, {url}, most_bytes)


async def _refusal(url: str, most_bytes: int = 1_000_000, time_out: float = 20) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await _fetch(url, most_bytes, time_out)
    return refused.value


@pytest.mark.parametrize("path", ["/ca.crl", "/ca.pem", "/redirect?to=/ca.crl"])
async def test_list_is_fetched_as_der(server: str, path: str) -> None:
    assert await _fetch(server + path) == LIST


async def test_address_not_allowed_is_refused(server: str) -> None:
    async with open_client() as session:
        with pytest.raises(Refusal) as refused:
            await download_revocation_list(session, f"{server}/ca.crl", {f"{server}/other.crl"})
    assert refused.value.reason == "CRL_URL_NOT_ALLOWED"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ldap://ldap.example/cn=ca", "http:///ca.crl", "http://user@127.0.0.1/ca.crl", "ca.crl"],
)
async def test_other_schemes_are_refused(url: str) -> None:
    assert (await _refusal(url)).reason == "CRL_URL_NOT_ALLOWED"


@pytest.mark.parametrize(
    "to",
    ["http://169.254.169.254/latest", "http://127.0.0.1:1/ca.crl", "file:///etc/passwd", "http://localhost/ca.crl"],
)
async def test_redirect_elsewhere_is_refused(server: str, to: str) -> None:
    assert (await _refusal(f"{server}/redirect?to={to}")).reason == "CRL_URL_NOT_ALLOWED"


async def test_too_many_redirects_are_refused(server: str) -> None:
    refusal = await _refusal(f"{server}/redirect?to=/redirect?to=/redirect")
    assert (refusal.reason, refusal.metadata["cause"]) == ("CRL_FETCH_FAILED", "too many redirects")


async def test_endless_body_is_refused(server: str) -> None:
    refusal = await _refusal(f"{server}/endless", most_bytes=300_000)
    assert (refusal.reason, refusal.metadata) == ("CRL_TOO_LARGE", {"most": "300000"})


async def test_compressed_body_is_not_decompressed(server: str) -> None:
    assert len(await _fetch(f"{server}/compressed")) < 20_000


async def test_silent_server_times_out(server: str) -> None:
    refusal = await _refusal(f"{server}/silent", time_out=0.2)
    assert (refusal.reason, refusal.metadata["cause"]) == ("CRL_FETCH_FAILED", "TimeoutError")


async def test_missing_list_is_reported(server: str) -> None:
    refusal = await _refusal(f"{server}/missing.crl")
    assert refusal.metadata == {"url": f"{server}/missing.crl", "cause": "HTTP 404"}


async def test_unreachable_server_is_reported() -> None:
    refusal = await _refusal("http://127.0.0.1:1/ca.crl")
    assert (refusal.reason, refusal.metadata["cause"]) == ("CRL_FETCH_FAILED", "ClientConnectorError")
