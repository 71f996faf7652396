"""`toroku up` and `toroku inbox`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from operator_command.console import console
from refusals import Code, Refusal


def up(
    profile: Annotated[Path, typer.Option(help="The prefecture's profile (YAML).")],
    overlay: Annotated[Path | None, typer.Option(help="Overrides of the profile for this instance (YAML).")] = None,
    state: Annotated[Path, typer.Option(help="Folder of the instance: databases, certificates, logs, mails.")] = Path(
        ".toroku/up"
    ),
) -> None:
    """Runs a whole instance on this machine until Ctrl-C."""
    from instance_profile import ProfileError
    from operator_command.launcher.instance import running_instance
    from operator_command.launcher.open_files import describe_shortage, raise_file_limit
    from operator_command.launcher.up import run_until_stopped

    console.print(f"starting Toroku with {profile}, state in {state} …", markup=False, highlight=False)
    if shortage := describe_shortage(raise_file_limit()):
        console.print(shortage, markup=False, highlight=False)
    try:
        asyncio.run(run_until_stopped(running_instance(profile, state, overlay=overlay), console))
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None


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
