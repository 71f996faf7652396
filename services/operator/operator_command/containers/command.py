"""What an instance in containers needs before it starts. compose.yaml calls these.

Like every command these import what they need when they run.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

databases = typer.Typer(no_args_is_help=True, help="Passwords, roles and databases on one PostgreSQL server.")
Secrets = Annotated[Path, typer.Option(help="Folder with one folder for each service, and one for the server.")]


def certificates(
    profile: Annotated[Path, typer.Option(envvar="TOROKU_PROFILE", help="The prefecture's profile (YAML).")],
    authorities: Annotated[Path, typer.Option(help="Folder of the CAs and their keys; nobody else needs it.")],
    into: Annotated[Path, typer.Option(help="Each service's own files go to <into>/<service>/.")],
    people: Annotated[Path, typer.Option(help="Certificates of agencies and officers, and what they trust.")],
    overlay: Annotated[
        Path | None, typer.Option(envvar="TOROKU_PROFILE_OVERLAY", help="What this instance says otherwise (YAML).")
    ] = None,
) -> None:
    """Makes the certificates and keys of an instance in containers; renews those that are near their end."""
    from instance_profile import ProfileError, load_profile
    from operator_command.containers.certificate_volumes import hand_out, hand_out_to_people
    from operator_command.instance_certificates import issue_instance_certificates
    from operator_command.launcher.instance import OFFICER, OFFICER_ROLES
    from operator_command.topology import SERVICES
    from refusals import Code, Refusal

    try:
        read = load_profile(profile, overlay)
    except ProfileError as error:
        raise Refusal("PROFILE_WRONG", Code.INVALID_ARGUMENT, {"problems": str(error)}) from None
    agencies = [agency.code for agency in read.agencies]
    made = issue_instance_certificates(
        authorities,
        instance=read.id,
        services=[service.name for service in SERVICES],
        agencies=agencies,
        officers={f"{agency}/{OFFICER}": OFFICER_ROLES for agency in agencies},
        now=datetime.now(UTC),
    )
    hand_out(made, into)
    hand_out_to_people(made, people)
    print(f"certificates of {len(SERVICES)} services, {len(agencies)} agencies and their officers stand ready")


@databases.command("passwords")
def passwords(into: Secrets) -> None:
    """Makes the passwords that are missing, each in a file for its one reader. None is ever shown."""
    from operator_command.containers.server_databases import make_passwords

    make_passwords(into)
    print("passwords of the databases stand ready")


@databases.command("provide")
def provide(
    into: Secrets,
    host: Annotated[str, typer.Option(help="The PostgreSQL server.")] = "postgresql",
    port: Annotated[int, typer.Option(help="Its port.")] = 5432,
    within: Annotated[float, typer.Option(help="How long the server may take to answer, in seconds.")] = 120,
) -> None:
    """Makes the role and the database of every service; what is there already stays."""
    from operator_command.containers.server_databases import provide_databases

    provide_databases(host, port, into, within=within, said=print)
