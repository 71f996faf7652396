"""Command-line options that several commands share: where a service listens, and with which certificate to call it."""

from pathlib import Path
from typing import Annotated

import typer

# Where `toroku up` keeps its instance unless told otherwise.
STATE = Path(".toroku/up")

ClientCertificate = Annotated[
    Path | None, typer.Option(envvar="TOROKU_CLIENT_CERTIFICATE", help="The caller's certificate (PEM).")
]
ClientKey = Annotated[Path | None, typer.Option(envvar="TOROKU_CLIENT_KEY", help="The caller's private key (PEM).")]
Trust = Annotated[Path | None, typer.Option(envvar="TOROKU_TRUST", help="CA of the services (PEM).")]
State = Annotated[
    Path,
    typer.Option(envvar="TOROKU_STATE", help="State folder of `toroku up`, the source of all options not given."),
]
Officer = Annotated[
    str | None,
    typer.Option(envvar="TOROKU_OFFICER", help="Call as this officer (agency/person) of the state folder."),
]
