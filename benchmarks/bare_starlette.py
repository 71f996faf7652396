"""The least that a page over TLS can be: a fixed answer of Starlette behind the portal's own server.

python -m benchmarks.bare_starlette <certificate> <private key> <bytes of the answer> <port>
"""

import asyncio
import sys
from pathlib import Path

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from portal.pages.server import serving_pages
from servicekit.credentials import CertificateFiles


async def main(files: CertificateFiles, length: int, port: int) -> None:
    """Serves until the process is ended."""
    page = "x" * length

    async def show(_: Request) -> Response:
        return HTMLResponse(page)

    application = Starlette(routes=[Route("/", show)])
    async with serving_pages(application, f"127.0.0.1:{port}", files, connections=2000, stop_grace=1):
        await asyncio.Event().wait()


if __name__ == "__main__":
    certificate, private_key, length, port = sys.argv[1:]
    uvloop.run(main(CertificateFiles(Path(certificate), Path(private_key), trusted=None), int(length), int(port)))
