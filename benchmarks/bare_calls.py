"""The floor's calls: mTLS, messages of the same size, and nothing else: no access check, no counts, no traces.

`serve NAME ADDRESS FILES` answers every method of the list of an operation; `call NAME ADDRESS FILES COUNT CONCURRENCY`
makes the calls of so many operations and prints seconds and CPU seconds. FILES are certificate, private key and trusted
CAs.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import grpc
import uvloop

from benchmarks.floor.entries import Call
from benchmarks.floors import FLOORS
from servicekit.credentials import CertificateFiles, create_channel_credentials, server_credentials

_PACKAGE = "floor."
# The name in the certificate of the server.
SERVER = "certificate-registry"


async def serve(calls: Sequence[Call], address: str, files: CertificateFiles) -> None:
    """Answers until the process is ended; prints `ready`."""
    server = grpc.aio.server()
    for call in calls:
        service, _, method = call.method.partition("/")
        handler = grpc.unary_unary_rpc_method_handler(_answer(bytes(call.response)))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_PACKAGE + service, {method: handler}),))
    server.add_secure_port(address, server_credentials(files))
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


async def make_calls(
    calls: Sequence[Call], address: str, files: CertificateFiles, operations: int, concurrency: int
) -> tuple[float, float]:
    """Makes the calls of each operation one after the other, for `concurrency` operations at a time."""
    options = [("grpc.ssl_target_name_override", SERVER)]
    async with grpc.aio.secure_channel(address, create_channel_credentials(files), options=options) as channel:
        each = [(_open(channel, call), bytes(call.request)) for call in calls for _ in range(call.times)]
        waiting = iter(range(operations))

        async def call_one_by_one() -> None:
            for _ in waiting:
                for send, request in each:
                    await send(request)

        await channel.channel_ready()
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(call_one_by_one() for _ in range(concurrency)))
        return time.perf_counter() - began, time.process_time() - cpu


def _answer(response: bytes) -> Callable[[bytes, object], Awaitable[bytes]]:
    async def answer(_request: bytes, _context: object) -> bytes:
        return response

    return answer


def _open(channel: grpc.aio.Channel, call: Call) -> Callable[[bytes], Awaitable[bytes]]:
    return channel.unary_unary(f"/{_PACKAGE}{call.method}", request_serializer=None, response_deserializer=None)


async def _main(
    what: str, name: str, address: str, certificate: str, private_key: str, trusted: str, *numbers: str
) -> None:
    calls = FLOORS[name].calls
    files = CertificateFiles(Path(certificate), Path(private_key), Path(trusted))
    if what == "serve":
        await serve(calls, address, files)
    else:
        print(*await make_calls(calls, address, files, *map(int, numbers)))


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
