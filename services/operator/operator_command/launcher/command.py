"""`toroku up` and `toroku inbox`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from operator_command.console import console


def up(
    profile: Annotated[Path, typer.Option(help="The prefecture's profile (YAML).")],
    overlay: Annotated[Path | None, typer.Option(help="Overrides of the profile for this instance (YAML).")] = None,
    state: Annotated[Path, typer.Option(help="Folder of the instance: databases, certificates, logs, mails.")] = Path(
        ".toroku/up"
    ),
) -> None:
    """Runs a whole instance on this machine until Ctrl-C."""
    from operator_command.launcher.instance import running_instance
    from operator_command.launcher.up import announce_start, run_until_stopped

    announce_start(profile, state, console)
    asyncio.run(run_until_stopped(running_instance(profile, state, overlay=overlay), console))


def inbox(
    folder: Annotated[Path, typer.Option(help="Folder for the messages, one .eml file each.")] = Path(".toroku/inbox"),
    listen: Annotated[str, typer.Option(help="Address of the mail server, host:port.")] = "127.0.0.1:2525",
    page: Annotated[str, typer.Option(help="Address of the web page, host:port.")] = "127.0.0.1:8025",
    page_name: Annotated[
        list[str] | None, typer.Option(help="A further host name under which browsers may open the page.")
    ] = None,
) -> None:
    """Receives every mail, stores it, and shows it on a web page, until Ctrl-C."""
    from operator_command.launcher.inbox import run_inbox
    from operator_command.topology import split_address

    console.print(f"receiving mail at {listen}, stored in {folder}, shown at http://{page}/", markup=False)
    asyncio.run(run_inbox(folder, split_address(listen), split_address(page), tuple(page_name or ())))
