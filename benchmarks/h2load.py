"""Load on one gRPC method by h2load with a client certificate."""

import asyncio
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from google.protobuf.message import Message

from operator_command.instance_certificates import Identity

# Longer than any flood lasts.
FLOOD_SECONDS = 3600
_SHIM = Path(__file__).parent / "client_certificate.c"


@dataclass(frozen=True, slots=True)
class Load:
    """A measurement of h2load: calls per second, and latencies in milliseconds."""

    calls_per_second: float
    p50: float
    p99: float
    calls: int


async def load(
    address: str,
    method: str,
    request: Message,
    caller: Identity,
    *,
    clients: int,
    streams: int,
    calls: int,
) -> Load:
    """Sends calls over `clients` connections with `streams` at a time on each; raises RuntimeError if any failed.

    h2load counts a refused gRPC call as a success, so the caller must check the server's own counts too.
    """
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder) / "request", Path(folder) / "log"
        body.write_bytes(_frame(request))
        process = await asyncio.create_subprocess_exec(
            *_build_command(address, method, body, clients=clients, streams=streams, amount=("-n", str(calls))),
            f"--log-file={log}",
            env=os.environ
            | {
                "LD_PRELOAD": str(_shim()),
                "CLIENT_CERTIFICATE": str(caller.certificate),
                "CLIENT_KEY": str(caller.private_key),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()

        if process.returncode != 0 or f"{calls} succeeded" not in output:
            raise RuntimeError(f"h2load failed:\n{output}")
        return _read_load(output, log)


async def load_page(address: str, *, clients: int, calls: int, headers: Mapping[str, str] | None = None) -> Load:
    """Gets a page over HTTP/1.1, one request at a time on each connection; raises RuntimeError if any failed."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        further = [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
        process = await asyncio.create_subprocess_exec(
            *("h2load", "--h1", "-n", str(calls), "-c", str(clients), "-m", "1", "-t", "1", f"--log-file={log}"),
            *further,
            address,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
        if process.returncode != 0 or f"{calls} 2xx" not in output:
            raise RuntimeError(f"h2load failed:\n{output}")
        return _read_load(output, log)


@asynccontextmanager
async def flood(
    address: str, method: str, requests: Sequence[Message], *, clients: int, streams: int, niceness: int
) -> AsyncIterator[None]:
    """Sends calls without a client certificate during the block, as many as are answered; one process per request.

    `niceness` is added to that of this process.
    """
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        try:
            for number, request in enumerate(requests):
                body = Path(folder) / str(number)
                body.write_bytes(_frame(request))
                command = _build_command(
                    address, method, body, clients=clients, streams=streams, amount=("-D", str(FLOOD_SECONDS))
                )
                processes.append(
                    await asyncio.create_subprocess_exec(
                        *("nice", "-n", str(niceness)), *command, stdout=asyncio.subprocess.DEVNULL
                    )
                )
            yield
            if any(process.returncode is not None for process in processes):
                raise RuntimeError("the flood ended early")
        finally:
            for process in processes:
                if process.returncode is None:
                    process.kill()
                await process.wait()


def _read_load(output: str, log: Path) -> Load:
    rate = re.search(r"finished in [\d.]+m?s, ([\d.]+) req/s", output)
    if rate is None:
        raise RuntimeError(f"h2load told no rate:\n{output}")
    # The log has start, status and microseconds of each call.
    durations = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    count = len(durations)
    return Load(float(rate[1]), durations[count // 2] / 1000, durations[count * 99 // 100] / 1000, count)


def _build_command(
    address: str, method: str, body: Path, *, clients: int, streams: int, amount: Sequence[str]
) -> Sequence[str]:
    return (
        *("h2load", *amount, "-c", str(clients), "-m", str(streams), "-t", "1"),
        *("-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"https://{address}{method}",
    )


def _frame(request: Message) -> bytes:
    message = request.SerializeToString()
    return struct.pack(">BI", 0, len(message)) + message


@cache
def _shim() -> Path:
    if shutil.which("gcc") is None:
        raise RuntimeError("gcc is missing; it builds the shim that gives h2load a client certificate")
    library = Path(tempfile.mkdtemp(prefix="toroku-bench-")) / "client_certificate.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, _SHIM, "-ldl"], check=True)
    return library
