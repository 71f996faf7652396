"""`toroku up`: a whole instance on this machine until a signal stops it."""

import asyncio
import base64
import json
import shlex
import signal
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from rich.console import Console

from instance_profile.base import OPERATOR
from operator_command.instance_certificates import OFFICER
from operator_command.launcher.instance import Instance
from refusals import Refusal

# Seconds between two looks at the processes.
POLL_INTERVAL = 0.5


async def run_until_stopped(starting: AbstractAsyncContextManager[Instance], console: Console) -> None:
    """Starts an instance, prints how to call it, and runs it until SIGINT, SIGTERM or SIGHUP.

    Raises Refusal if something does not start, and SERVICE_STOPPED if a process ends unexpectedly, in both cases after
    stopping everything.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    run = asyncio.create_task(_run(starting, console))
    signalled = asyncio.create_task(stop.wait())
    await asyncio.wait({run, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if not run.done():
        console.print("stopping everything …")
        # This also interrupts a start half-way, and stops what has been started.
        run.cancel()
    try:
        await run
    except asyncio.CancelledError:
        console.print("stopped")


async def _run(starting: AbstractAsyncContextManager[Instance], console: Console) -> None:
    async with starting as instance:
        console.print(describe_access(instance), highlight=False, markup=False, soft_wrap=True)
        while (refusal := _find_ended_process(instance)) is None:
            await asyncio.sleep(POLL_INTERVAL)
        raise refusal


def _find_ended_process(instance: Instance) -> Refusal | None:
    for process in instance.processes:
        if process.status is not None:
            return process.unexpected_end()
    return None


def describe_access(instance: Instance) -> str:
    """Returns addresses, certificates and a ready-to-paste command, for the terminal."""
    addresses, certificates = instance.addresses, instance.certificates
    agency = instance.profile.agencies[0].code
    identity = certificates.agencies[agency]
    seconds = max(instance.timings.values())
    lines = [
        f"Toroku is ready after {seconds:.1f} s: instance {instance.profile.id}. Ctrl-C stops it.",
        "",
        f"  front door (TLS)           {instance.front_door}   CA {certificates.public.authority}",
    ]
    lines += [
        f"  {name:<26} {addresses.of(name, 'agency')}   for agencies and officers (mTLS)"
        for name, running in instance.services.items()
        if "agency" in running.service.listeners
    ]
    lines += [
        f"  mails                      http://{addresses.inbox_page}/   stored in {instance.inbox}",
        f"  logs                       {instance.state / 'logs'}",
        "",
        f"The certificate of the agency {agency} (every agency has its own in the same folder):",
        f"  certificate        {identity.certificate}",
        f"  key                {identity.private_key}",
        f"  CA of the services {certificates.services['certificate-registry'].authority}",
        f"The certificate of its officer: {certificates.officers[f'{agency}/{OFFICER}'].certificate}",
        f"That of the operator's officer: {certificates.officers[f'{OPERATOR}/{OFFICER}'].certificate}",
        "",
        "A command to try: whose card is this?",
        f"  {compose_example_command(instance)}",
        "Without the method, the same command lists what may be called.",
    ]
    return "\n".join(lines)


def compose_example_command(instance: Instance) -> str:
    """Returns a shell command that calls ResolveUser as the first agency, for a card that is not registered."""
    agency = instance.profile.agencies[0]
    request = {
        "agency": agency.code,
        "category": agency.categories[0],
        "certificate_sha256": base64.b64encode(bytes(32)).decode(),
        "possession_verified": True,
    }
    command = [str(Path(sys.prefix, "bin", "toroku")), "call", "--state", str(instance.state)]
    return shlex.join([*command, "--agency", agency.code, "user-lookup", "ResolveUser", json.dumps(request)])
