"""The baseline for ResolveUser: mTLS and one SELECT of one card per call, and nothing else.

No interceptor, no access check, no tracing, no batching. The benchmark runs it as a process.
"""

import asyncio
import sys
from pathlib import Path

import grpc
import uvloop
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from certificate_registry.store.lookup import RESOLVE_ONE
from servicekit.context import Context
from servicekit.credentials import CertificateFiles, server_credentials
from servicekit.database import build_connection_settings
from toroku.certificate.v1 import user_lookup_pb2
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupServicer, add_UserLookupServicer_to_server

POOL = 8


class Bare(UserLookupServicer):
    """One SELECT per call."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool

    @override
    async def ResolveUser(
        self, request: user_lookup_pb2.ResolveUserRequest, context: Context
    ) -> user_lookup_pb2.ResolveUserResponse:
        """Reads one row for each call, with one statement of psycopg."""
        async with self._pool.connection() as connection:
            key = {
                "agency": request.agency,
                "category": request.category,
                "certificate_sha256": request.certificate_sha256,
            }
            row = await (await connection.execute(RESOLVE_ONE.sql, key)).fetchone()
        assert row is not None
        verdict, bidder_id, as_of, revocation_as_of = row
        response = user_lookup_pb2.ResolveUserResponse(verdict=verdict, bidder_id=bidder_id or "")
        response.as_of.FromDatetime(as_of)
        response.revocation_as_of.FromDatetime(revocation_as_of)
        return response


async def serve(dsn: str, address: str, certificate: Path, private_key: Path, trusted: Path) -> None:
    """Serves until the process is ended; prints `ready`."""
    options = build_connection_settings(dsn) | {"autocommit": True}
    async with AsyncConnectionPool(dsn, min_size=POOL, max_size=POOL, open=False, kwargs=options) as pool:
        await pool.wait(10)
        server = grpc.aio.server()
        add_UserLookupServicer_to_server(Bare(pool), server)
        # The same kind of credentials as ours: with static ones gRPC refuses some of many simultaneous handshakes.
        credentials = server_credentials(CertificateFiles(certificate, private_key, trusted))
        server.add_secure_port(address, credentials)
        await server.start()
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], *(Path(name) for name in sys.argv[3:6])))
