"""Arguments that several commands of officers have."""

from typing import Annotated

import typer

Agency = Annotated[
    str | None,
    typer.Option(
        envvar="TOROKU_AGENCY",
        help="Your agency's code, or operator; by default that of your certificate, where it names one.",
    ),
]
Bidder = Annotated[str, typer.Argument(metavar="BIDDER_ID", help="The bidder.")]
Card = Annotated[
    str, typer.Argument(metavar="SHA256|FILE", help="The card: its certificate (PEM, DER) or the SHA-256 of it.")
]
Category = Annotated[str, typer.Option(help="Code of the category.")]
Reason = Annotated[str, typer.Option(help="Why, in your words; 1 to 400 characters. It is signed and kept.")]
