"""`toroku up`: a whole instance on this machine until a signal stops it."""

import asyncio
import base64
import json
import shlex
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from rich.console import Console

from instance_profile import ProfileError
from instance_profile.base import OPERATOR
from operator_command.instance_certificates import OFFICER
from operator_command.launcher.instance import Instance
from operator_command.launcher.open_files import describe_shortage, raise_file_limit
from operator_command.topology import compose_origin
from refusals import Code, Refusal

# Seconds between two looks at the processes.
POLL_INTERVAL = 0.5


def announce_start(profile: Path, state: Path, console: Console) -> None:
    """Says what is started where, lets this process open as many files as it may, and says if those are few."""
    text = f"starting Toroku with {profile}, state in {state} …"
    if shortage := describe_shortage(raise_file_limit()):
        text += f"\n{shortage}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)


async def run_until_stopped(
    starting: AbstractAsyncContextManager[Instance],
    console: Console,
    describe: Callable[[Instance], str] | None = None,
) -> None:
    """Starts an instance, prints how to call it, and runs it until SIGINT, SIGTERM or SIGHUP.

    `describe` returns what is printed, by default `describe_access`. Raises Refusal if something does not start (also
    PROFILE_WRONG), and SERVICE_STOPPED if a process ends unexpectedly, in both cases after stopping everything.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    run = asyncio.create_task(_run(starting, console, describe or describe_access))
    signalled = asyncio.create_task(stop.wait())
    await asyncio.wait({run, signalled}, return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if not run.done():
        console.print("stopping everything …")
        # This also interrupts a start half-way, and stops what has been started.
        run.cancel()
    try:
        await run
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None
    except asyncio.CancelledError:
        console.print("stopped")


async def _run(
    starting: AbstractAsyncContextManager[Instance], console: Console, describe: Callable[[Instance], str]
) -> None:
    async with starting as instance:
        console.print(describe(instance), highlight=False, markup=False, soft_wrap=True)
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
    # No card has this hash; the answer says that it is not registered.
    lookup = compose_lookup_command(instance, agency, instance.profile.agencies[0].categories[0], bytes(32))
    identity = certificates.agencies[agency]
    seconds = max(instance.timings.values())
    lines = [
        f"Toroku is ready after {seconds:.1f} s: instance {instance.profile.id}. Ctrl-C stops it.",
        "",
        f"  front door (TLS)           {instance.front_door}   CA {certificates.public.authority}",
        f"  portal (browser)           {compose_origin(addresses)}/   same CA",
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
        f"  {lookup}",
        "Without the method, the same command lists what may be called.",
    ]
    if not instance.profile.card_authorities:
        lines += [
            "",
            "NO CARD CAN BE REGISTERED HERE: profile and overlay name no certification authority (card_authorities).",
            "docs/howto/add-a-certificate-authority.md says how to add one.",
        ]
    return "\n".join(lines)


def compose_lookup_command(instance: Instance, agency: str, category: str, certificate_sha256: bytes) -> str:
    """Returns a shell command that asks, as an agency, whose card this is (ResolveUser)."""
    request = {
        "agency": agency,
        "category": category,
        "certificate_sha256": base64.b64encode(certificate_sha256).decode(),
        "possession_verified": True,
    }
    command = [str(Path(sys.prefix, "bin", "toroku")), "call", "--state", str(instance.state)]
    return shlex.join([*command, "--agency", agency, "user-lookup", "ResolveUser", json.dumps(request)])
