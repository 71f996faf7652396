"""The server of the pages: HTTP over TLS, with a certificate that is read anew when its files change."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette

from servicekit.credentials import UNREADABLE, CertificateFiles

log = logging.getLogger(__name__)

_LOOK_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 30


@asynccontextmanager
async def serving_pages(
    application: Starlette, address: str, files: CertificateFiles, *, connections: int, stop_grace: float
) -> AsyncIterator[None]:
    """Serves until the block ends, and then finishes the requests that have begun."""
    host, _, port = address.rpartition(":")
    config = uvicorn.Config(
        application,
        host=host.strip("[]"),
        port=int(port),
        ssl_certfile=files.certificate,
        ssl_keyfile=files.private_key,
        # Nothing stands before it whose word about a client would count.
        proxy_headers=False,
        ws="none",
        http="h11",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # It counts connections, also idle ones.
        limit_concurrency=connections,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(stop_grace),
    )
    config.load()
    server = uvicorn.Server(config)
    # Signals are the process's own matter.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    watching = asyncio.create_task(_watch(config, files))
    try:
        yield
    finally:
        watching.cancel()
        server.should_exit = True
        await serving
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _watch(config: uvicorn.Config, files: CertificateFiles) -> None:
    times = files.read_modification_times()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            new_times = files.read_modification_times()
            if new_times != times and config.ssl is not None:
                # Also that key and certificate belong together, as they may not while they are being replaced.
                files.read()
                config.ssl.load_cert_chain(files.certificate, files.private_key)
                times = new_times
        except UNREADABLE as error:
            log.error("certificate files can't be read, the last valid ones remain in force: %s", error)
