"""The command `toroku`. Each command imports what it needs when it runs, so that all of them start quickly."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from operator_command.containers import command as containers
from operator_command.officer import command as roster
from refusals import Code, Refusal
from refusals.catalogue import explain, explain_refusal

application = typer.Typer(
    name="toroku", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
application.add_typer(roster.application, name="roster")
application.add_typer(containers.databases, name="databases")
application.command()(containers.certificates)
console = Console()
complaints = Console(stderr=True)

State = Annotated[Path, typer.Option(help="Folder of the instance: databases, certificates, logs, mails.")]


@application.callback()
def toroku() -> None:
    """Runs Toroku on one machine, and does an operator's work."""


@application.command()
def up(
    profile: Annotated[Path, typer.Option(help="The prefecture's profile (YAML).")],
    overlay: Annotated[Path | None, typer.Option(help="What this instance says otherwise (YAML).")] = None,
    state: State = Path(".toroku/up"),
) -> None:
    """Runs the whole system on this machine until Ctrl-C."""
    from instance_profile import ProfileError
    from operator_command.launcher.instance import running_instance
    from operator_command.launcher.up import keep_up

    console.print(f"starting Toroku with {profile}, its state in {state} …", markup=False, highlight=False)
    try:
        asyncio.run(keep_up(running_instance(profile, state, overlay=overlay), console))
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None


@application.command()
def inbox(
    folder: Annotated[Path, typer.Option(help="Where the messages go, one .eml file each.")] = Path(".toroku/inbox"),
    listen: Annotated[str, typer.Option(help="Where mail is taken, host:port.")] = "127.0.0.1:2525",
    page: Annotated[str, typer.Option(help="Where the page shows them, host:port.")] = "127.0.0.1:8025",
    page_name: Annotated[
        list[str] | None, typer.Option(help="Another name by which a browser may ask for the page.")
    ] = None,
) -> None:
    """Takes every mail that it is sent, keeps it, and shows it on a page, until Ctrl-C."""
    from operator_command.launcher.inbox import keep_inbox
    from operator_command.topology import host_and_port

    console.print(f"taking mail at {listen}, kept in {folder}, shown at http://{page}/", markup=False)
    asyncio.run(keep_inbox(folder, host_and_port(listen), host_and_port(page), tuple(page_name or ())))


@application.command()
def call(
    service: Annotated[str, typer.Argument(help="For example certificate-registry.")],
    method: Annotated[str | None, typer.Argument(help="Without it, what may be called is listed.")] = None,
    request: Annotated[str, typer.Argument(help="The request as JSON (bytes in base64).")] = "{}",
    agency: Annotated[str | None, typer.Option(help="Call as this agency.")] = None,
    officer: roster.Officer = None,
    as_service: Annotated[str | None, typer.Option(help="Call as this service, at the internal listener.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="The service's listener, host:port.")] = None,
    client_certificate: roster.ClientCertificate = None,
    client_key: roster.ClientKey = None,
    trust: roster.Trust = None,
    state: roster.State = Path(".toroku/up"),
) -> None:
    """Calls a service with a certificate: one of the instance in --state, or the one that is named."""
    from operator_command.client import call as calling
    from operator_command.client.connection import connection_of

    named = [(kind, name) for kind, name in (("agencies", agency), ("services", as_service)) if name]
    if officer is not None and not named:
        # An officer may be named by the environment once and for all; who is named here comes first.
        named = [("officers", officer)]
    own_certificate = client_certificate is not None and client_key is not None
    if len(named) > 1 or not (named or own_certificate):
        raise typer.BadParameter("name one of --agency, --officer, --as-service")
    caller = named[0] if named else None
    if method is None:
        for found in calling.methods_for(service, caller[0] if caller else "officers"):
            print(f"{found.name}: {calling.request_fields(found)}")
        return
    to = connection_of(caller, service, endpoint, client_certificate, client_key, trust, state)
    print(calling.call(to, service, method, request))


@application.command()
def check(
    front_door: Annotated[
        str | None,
        typer.Option(envvar="TOROKU_FRONT_DOOR", help="The front door's public listener, host:port."),
    ] = None,
    front_door_name: Annotated[
        str | None,
        typer.Option(envvar="TOROKU_FRONT_DOOR_NAME", help="The name on its certificate, where it is not the host."),
    ] = None,
    public_ca: Annotated[
        Path | None,
        typer.Option(envvar="TOROKU_PUBLIC_CA", help="The CA of that certificate (PEM); without it, public CAs."),
    ] = None,
    agency: Annotated[
        str | None, typer.Option(envvar="TOROKU_AGENCY", help="Also ask certificate-registry as this agency.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(envvar="TOROKU_ENDPOINT", help="certificate-registry's agency listener, host:port.")
    ] = None,
    client_certificate: roster.ClientCertificate = None,
    client_key: roster.ClientKey = None,
    trust: roster.Trust = None,
    state: roster.State = Path(".toroku/up"),
    words: Annotated[
        Path | None, typer.Option(help="What to say then, a text file; $NAME stands for an environment variable.")
    ] = None,
) -> None:
    """Asks a running instance what a registration would ask, and changes nothing."""
    from operator_command.client import check as checking
    from operator_command.client.connection import Connection
    from operator_command.instance_certificates import identity_files
    from operator_command.topology import remembered_addresses

    certificates = state / "certificates"
    if front_door is None:
        front_door = remembered_addresses(state).of("front-door", "public")
        public_ca = public_ca or certificates / "public" / "ca.crt"
    asking: checking.AskingAgency | None = None
    if agency is not None:
        own = identity_files(certificates, "agencies", agency)
        connection = Connection(
            endpoint or remembered_addresses(state).of("certificate-registry", "agency"),
            client_certificate or own.certificate,
            client_key or own.private_key,
            trust or certificates / "services" / "ca.crt",
        )
        asking = checking.AskingAgency(agency, connection)

    def say(step: str) -> None:
        console.print(step, markup=False, highlight=False, soft_wrap=True)

    checking.check(checking.FrontDoor(front_door, front_door_name, public_ca), asking, say)
    if words is not None:
        say("check: ok. Nothing was changed.")
        say(checking.closing_words(words, os.environ))
        return
    say("check: ok. Nothing was changed. A whole registration, with a test card as a PKCS#12 file:")
    say(f"  card-agent register --endpoint {front_door} --pkcs12 <card.p12> --form <answers.yaml>")


def main() -> None:
    """Runs the command line."""
    with refusals_said():
        application(prog_name="toroku")


@contextmanager
def refusals_said() -> Iterator[None]:
    """A refusal inside is said in Japanese and English, and ends the command with status 1."""
    try:
        yield
    except Refusal as refusal:
        say_refusal(refusal)
        sys.exit(1)


def say_refusal(refusal: Refusal) -> None:
    """What happened and what to do next, in both languages, with every field that is wrong."""
    words = explain_refusal(refusal)
    fields = [(problem.field, explain(problem.reason, problem.metadata)) for problem in refusal.violations]
    for language, own in (("ja", words.ja), ("en", words.en)):
        complaints.print(str(own), style="red", markup=False, highlight=False, soft_wrap=True)
        for field, problem in fields:
            text = problem.ja.what if language == "ja" else problem.en.what
            complaints.print(f"  {field}: {text}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
