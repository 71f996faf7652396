"""`toroku epoch raise`."""

from pathlib import Path
from typing import Annotated

import typer

epoch = typer.Typer(no_args_is_help=True, help="The epoch of an instance, raised after a database was put back.")


@epoch.command("raise")
def raise_epoch(
    database: Annotated[
        list[str],
        typer.Option(
            envvar="TOROKU_EPOCH_DATABASES",
            metavar="SERVICE=ADDRESS",
            help="A service and the address of its database, as its migration has it; once for each service.",
        ),
    ],
    passwords: Annotated[
        Path | None, typer.Option(help="Folder with one subfolder for each service, as `toroku databases` has it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Raises the epoch in all databases of an instance: after one of them was restored, and before services start."""
    from operator_command.epochs.raising import opened_databases, raise_epochs, read_databases
    from operator_command.epochs.words import ASK, NO_EPOCH, NOT_RAISED, RAISED
    from operator_command.officer.asking import ask
    from operator_command.speech import Speech, find_language

    speech = Speech(find_language())
    with opened_databases(read_databases(database), passwords) as connections:
        if not yes and not ask(speech, ASK):
            print(speech.say(NOT_RAISED))
            raise typer.Exit(1)
        for raised in raise_epochs(connections):
            words = NO_EPOCH if raised.epoch is None else RAISED
            print(speech.say(words).format(service=raised.service, epoch=raised.epoch))
