"""`toroku up`: the whole system on this machine until it is told to stop."""

import asyncio
import base64
import json
import shlex
import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from rich.console import Console

from operator_command.launcher.instance import OFFICER, Instance
from refusals import Refusal

LOOK_INTERVAL = 0.5


async def keep_up(starting: AbstractAsyncContextManager[Instance], console: Console) -> None:
    """Starts an instance, says how to call it, and keeps it until SIGINT, SIGTERM or SIGHUP.

    Raises Refusal where something does not start, and SERVICE_STOPPED where a process ends by itself; everything is
    stopped first.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.create_task(_run(starting, console))
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not work.done():
        console.print("stopping everything …")
        # Also in the middle of the start: what has been started is stopped.
        work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        console.print("stopped")


async def _run(starting: AbstractAsyncContextManager[Instance], console: Console) -> None:
    async with starting as instance:
        console.print(how_to_call(instance), highlight=False, markup=False, soft_wrap=True)
        while (gone := _ended(instance)) is None:
            await asyncio.sleep(LOOK_INTERVAL)
        raise gone


def _ended(instance: Instance) -> Refusal | None:
    for process in instance.processes:
        if process.status is not None:
            return process.died()
    return None


def how_to_call(instance: Instance) -> str:
    """What stands where, and one command that can be copied; for the terminal."""
    addresses, certificates = instance.addresses, instance.certificates
    agency = instance.profile.agencies[0].code
    identity = certificates.agencies[agency]
    seconds = max(instance.timings.values())
    lines = [
        f"Toroku runs after {seconds:.1f} s: instance {instance.profile.id}. Ctrl-C stops it.",
        "",
        f"  front door (TLS)           {instance.front_door}   CA {certificates.public.authority}",
    ]
    lines += [
        f"  {name:<26} {addresses.of(name, 'agency')}   for agencies and officers (mTLS)"
        for name, running in instance.services.items()
        if "agency" in running.service.doors
    ]
    lines += [
        f"  mails                      http://{addresses.inbox_page}/   kept in {instance.inbox}",
        f"  logs                       {instance.state / 'logs'}",
        "",
        f"The agency {agency} calls with (every agency has its own beside it):",
        f"  certificate {identity.certificate}",
        f"  key         {identity.private_key}",
        f"  servers' CA {certificates.services['certificate-registry'].authority}",
        f"Its officer calls with {certificates.officers[f'{agency}/{OFFICER}'].certificate}",
        "",
        "Ready to be pasted, whose card is this?",
        f"  {ready_command(instance)}",
        "All that may be called: the same without the method.",
    ]
    return "\n".join(lines)


def ready_command(instance: Instance) -> str:
    """A call of ResolveUser as the first agency, for a card that nobody has registered."""
    agency = instance.profile.agencies[0]
    request = {
        "agency": agency.code,
        "category": agency.categories[0],
        "certificate_sha256": base64.b64encode(bytes(32)).decode(),
        "possession_verified": True,
    }
    toroku = [str(Path(sys.prefix, "bin", "toroku")), "call", "--state", str(instance.state)]
    return shlex.join([*toroku, "--agency", agency.code, "certificate-registry", "ResolveUser", json.dumps(request)])
