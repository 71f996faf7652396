"""`toroku call` and `toroku check`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from operator_command.client.options import STATE, ClientCertificate, ClientKey, Officer, State, Trust
from operator_command.console import console


def call(
    service: Annotated[str, typer.Argument(help="For example user-lookup.")],
    method: Annotated[str | None, typer.Argument(help="Without it, the methods open to the caller are listed.")] = None,
    request: Annotated[str, typer.Argument(help="The request as JSON (bytes in base64).")] = "{}",
    agency: Annotated[str | None, typer.Option(help="Call as this agency.")] = None,
    officer: Officer = None,
    as_service: Annotated[str | None, typer.Option(help="Call as this service, at the internal listener.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="The service's listener, host:port.")] = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
) -> None:
    """Calls a method of a service as an agency, an officer or a service, and prints the answer as JSON."""
    from operator_command.client import call as calls
    from operator_command.client.connection import resolve_connection

    callers = [(kind, name) for kind, name in (("agencies", agency), ("services", as_service)) if name]
    if officer is not None and not callers:
        # The environment may name an officer for every command; a caller on the command line takes precedence.
        callers = [("officers", officer)]
    has_own_certificate = client_certificate is not None and client_key is not None
    if len(callers) > 1 or not (callers or has_own_certificate):
        raise typer.BadParameter("name one of --agency, --officer, --as-service")
    caller = callers[0] if callers else None
    if method is None:
        for descriptor in calls.list_methods(service, caller[0] if caller else "officers"):
            print(f"{descriptor.name}: {calls.list_request_fields(descriptor)}")
        return
    connection = resolve_connection(
        service,
        caller,
        endpoint=endpoint,
        certificate=client_certificate,
        private_key=client_key,
        authority=trust,
        state=state,
    )
    print(calls.call(connection, service, method, request))


def check(
    front_door: Annotated[
        str | None, typer.Option(envvar="TOROKU_FRONT_DOOR", help="The front door's public listener, host:port.")
    ] = None,
    front_door_name: Annotated[
        str | None,
        typer.Option(envvar="TOROKU_FRONT_DOOR_NAME", help="The name in its certificate if it is not the host."),
    ] = None,
    public_ca: Annotated[
        Path | None,
        typer.Option(envvar="TOROKU_PUBLIC_CA", help="CA of that certificate (PEM); public CAs by default."),
    ] = None,
    agency: Annotated[
        str | None, typer.Option(envvar="TOROKU_AGENCY", help="Also ask user-lookup as this agency.")
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(envvar="TOROKU_ENDPOINT", help="user-lookup's agency listener, host:port.")
    ] = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    words: Annotated[
        Path | None,
        typer.Option(help="Text file to print after success; $NAME is replaced by that environment variable."),
    ] = None,
) -> None:
    """Checks a running instance with the questions of a registration; changes nothing."""
    from operator_command.client import check as checks
    from operator_command.client.connection import Connection
    from operator_command.instance_certificates import locate_identity
    from operator_command.topology import read_addresses

    certificates = state / "certificates"
    if front_door is None:
        front_door = read_addresses(state).of("front-door", "public")
        public_ca = public_ca or certificates / "public" / "ca.crt"
    calling_agency: checks.CallingAgency | None = None
    if agency is not None:
        identity = locate_identity(certificates, "agencies", agency)
        connection = Connection(
            endpoint or read_addresses(state).of("user-lookup", "agency"),
            client_certificate or identity.certificate,
            client_key or identity.private_key,
            trust or certificates / "services" / "ca.crt",
        )
        calling_agency = checks.CallingAgency(agency, connection)

    def report(step: str) -> None:
        console.print(step, markup=False, highlight=False, soft_wrap=True)

    checks.check(checks.FrontDoor(front_door, front_door_name, public_ca), calling_agency, report)
    if words is not None:
        report("check: ok. Nothing was changed.")
        report(checks.fill_template(words, os.environ))
        return
    report("check: ok. Nothing was changed. A complete registration, with a test card as a PKCS#12 file:")
    report(f"  card-agent register --endpoint {front_door} --pkcs12 <card.p12> --form <answers.yaml>")
