"""Fetching revocation lists: only from addresses that the profile or a trusted CA named, and never without a limit.

What comes back is bytes that nobody vouches for yet; `domain.trust.accept_revocation_list` does.
"""

from collections.abc import Set

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from yarl import URL

from certificate_registry.pki.revocation_list import MOST_LIST_BYTES
from refusals import Code, Refusal

TIME_OUT_SECONDS = 60.0
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PEM = b"-----BEGIN X509 CRL-----"
# A body is counted as it comes, so it must not grow after it was counted.
_HEADERS = {"Accept": "application/pkix-crl, */*;q=0.1", "Accept-Encoding": "identity"}


def client(time_out: float = TIME_OUT_SECONDS) -> aiohttp.ClientSession:
    """An HTTP client for lists, to be closed by the caller: one time-out in seconds for all of a fetch, no cookies.

    It takes the proxy from the environment, where a prefecture's network has one.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=time_out),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
        trust_env=True,
    )


async def fetch_revocation_list(
    session: aiohttp.ClientSession, url: str, allowed: Set[str], most_bytes: int = MOST_LIST_BYTES
) -> bytes:
    """The list at `url`, in DER; one that is published as PEM is turned into DER.

    `allowed` are the addresses from `domain.trust.fetch_urls` and from cards of trusted CAs. A redirect is followed
    only to the same host, and never away from https: who can answer for a CA's host must not choose what else this
    network is asked. Raises CRL_URL_NOT_ALLOWED, CRL_TOO_LARGE, and CRL_FETCH_FAILED with `cause`.
    """
    if url not in allowed:
        raise Refusal("CRL_URL_NOT_ALLOWED", Code.FAILED_PRECONDITION, {"url": url})
    try:
        target = _require_http(URL(url), url)
        for _ in range(_MOST_REDIRECTS + 1):
            async with session.get(target, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await _body(response, url, most_bytes)
                target = _redirected(target, response.headers.get("Location", ""), url)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _failed(url, type(error).__name__) from error
    raise _failed(url, "too many redirects")


async def _body(response: aiohttp.ClientResponse, url: str, most_bytes: int) -> bytes:
    if response.status != 200:
        raise _failed(url, f"HTTP {response.status}")
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > most_bytes:
            raise Refusal("CRL_TOO_LARGE", Code.FAILED_PRECONDITION, {"most": str(most_bytes)})
    if not body.lstrip().startswith(_PEM):
        return bytes(body)
    return x509.load_pem_x509_crl(bytes(body)).public_bytes(Encoding.DER)


def _redirected(source: URL, location: str, url: str) -> URL:
    target = _require_http(source.join(URL(location)), url)
    if target.host != source.host or (source.scheme == "https" and target.scheme != "https"):
        raise Refusal("CRL_URL_NOT_ALLOWED", Code.FAILED_PRECONDITION, {"url": str(target)})
    standard = target.is_default_port() and source.is_default_port()
    if not standard and target.port != source.port:
        raise Refusal("CRL_URL_NOT_ALLOWED", Code.FAILED_PRECONDITION, {"url": str(target)})
    return target


def _require_http(target: URL, url: str) -> URL:
    if target.scheme not in ("http", "https") or not target.host or target.user is not None:
        raise Refusal("CRL_URL_NOT_ALLOWED", Code.FAILED_PRECONDITION, {"url": url})
    return target


def _failed(url: str, cause: str) -> Refusal:
    return Refusal("CRL_FETCH_FAILED", Code.UNAVAILABLE, {"url": url, "cause": cause})
