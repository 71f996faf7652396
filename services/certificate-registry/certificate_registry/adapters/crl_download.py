"""Downloads CRLs from addresses that the profile or a trusted CA names, with a limit on size and time.

The result is unverified bytes, for `pki.trust_store.accept_revocation_list`.
"""

from collections.abc import Set

import aiohttp
from yarl import URL

from certificate_registry.pki.revocation_list import MOST_LIST_BYTES
from instance_profile.strict_der import decode_pem
from refusals import Code, Refusal

TIME_OUT_SECONDS = 60.0
_MOST_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PEM = b"-----BEGIN X509 CRL-----"
# The size is counted while receiving, so the body must not be decompressed afterwards.
_HEADERS = {"Accept": "application/pkix-crl, */*;q=0.1", "Accept-Encoding": "identity"}


def open_client(time_out: float = TIME_OUT_SECONDS) -> aiohttp.ClientSession:
    """Opens an HTTP client for CRLs, which the caller closes: `time_out` seconds for a whole download, no cookies.

    The proxy comes from the environment, for prefectures whose network has one.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=time_out),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
        trust_env=True,
    )


async def download_revocation_list(
    session: aiohttp.ClientSession, url: str, allowed: Set[str], most_bytes: int = MOST_LIST_BYTES
) -> bytes:
    """Returns the CRL at `url` in DER; converts PEM.

    `allowed` holds the addresses from `pki.trust_store.collect_fetch_urls` and from cards of trusted CAs. A redirect is
    followed only to the same host and never from https to http: a CA's server must not direct requests to other hosts
    of this network. Raises CRL_URL_NOT_ALLOWED, CRL_TOO_LARGE, and CRL_FETCH_FAILED with `cause`.
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
    return decode_pem(bytes(body), "X509 CRL")[0]


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
