"""`toroku certificates` and `toroku databases`, which prepare an instance in containers (see compose.yaml)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

databases = typer.Typer(no_args_is_help=True, help="Passwords, roles and databases on one PostgreSQL server.")
Secrets = Annotated[Path, typer.Option(help="Folder with one subfolder for each service, and one for the server.")]


def certificates(
    profile: Annotated[Path, typer.Option(envvar="TOROKU_PROFILE", help="The prefecture's profile (YAML).")],
    authorities: Annotated[Path, typer.Option(help="Folder of the CAs and their keys; keep it away from services.")],
    into: Annotated[Path, typer.Option(help="Each service's own files go to <into>/<service>/.")],
    people: Annotated[Path, typer.Option(help="Folder for the certificates of agencies and officers, and their CAs.")],
    overlay: Annotated[
        Path | None,
        typer.Option(envvar="TOROKU_PROFILE_OVERLAY", help="Overrides of the profile for this instance (YAML)."),
    ] = None,
) -> None:
    """Issues the certificates and keys of an instance in containers; renews those that expire soon."""
    from instance_profile import ProfileError, load_profile
    from operator_command.containers.certificate_volumes import fill_callers_folder, fill_service_folders
    from operator_command.instance_certificates import issue_instance_certificates, list_default_officers
    from operator_command.topology import SERVICES
    from refusals import Code, Refusal

    try:
        instance_profile = load_profile(profile, overlay)
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None
    agencies = [agency.code for agency in instance_profile.agencies]
    issued = issue_instance_certificates(
        authorities,
        instance=instance_profile.id,
        services=[service.name for service in SERVICES],
        agencies=agencies,
        officers=list_default_officers(agencies),
        now=datetime.now(UTC),
    )
    fill_service_folders(issued, into)
    fill_callers_folder(issued, people)
    print(f"certificates of {len(SERVICES)} services, {len(agencies)} agencies and their officers are ready")


@databases.command("passwords")
def passwords(into: Secrets) -> None:
    """Makes the missing passwords, each in a file for its one reader. No password is ever shown."""
    from operator_command.containers.server_databases import make_passwords

    make_passwords(into)
    print("passwords of the databases are ready")


@databases.command("provide")
def provide(
    into: Secrets,
    host: Annotated[str, typer.Option(help="Host of the PostgreSQL server.")] = "postgresql",
    port: Annotated[int, typer.Option(help="Port of the PostgreSQL server.")] = 5432,
    within: Annotated[float, typer.Option(help="Seconds to wait for the server's first answer.")] = 120,
) -> None:
    """Creates the role and the database of every service; existing ones are kept."""
    from operator_command.containers.server_databases import provide_databases

    provide_databases(host, port, into, timeout=within, report=print)
