"""A process with a bare servicer, which answers on the same certificates as the service that it is compared with."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from operator_command.launcher.instance import Instance

ROOT = Path(__file__).parents[1]


@asynccontextmanager
async def running_bare(instance: Instance, service: str, module: str, *arguments: str) -> AsyncIterator[int]:
    """Runs a module with these arguments, then the files of a service's certificate; yields its process id.

    Raises RuntimeError if it does not print `ready`.
    """
    identity = instance.certificates.services[service]
    files = (identity.certificate, identity.private_key, instance.certificates.agency_clients_authorities)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments, *map(str, files)), stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    if await process.stdout.readline() != b"ready\n":
        raise RuntimeError(f"{module} did not start")
    try:
        yield process.pid
    finally:
        process.terminate()
        await process.wait()
