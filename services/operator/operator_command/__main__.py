"""The command `toroku`. Each command imports what it needs when it runs, so that all of them start quickly."""

import typer

from operator_command.client.command import call, check
from operator_command.console import exit_on_refusal
from operator_command.containers.command import certificates, databases
from operator_command.launcher.command import inbox, up
from operator_command.officer.command import roster

application = typer.Typer(
    name="toroku", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
application.command()(up)
application.command()(inbox)
application.command()(certificates)
application.add_typer(databases, name="databases")
application.add_typer(roster, name="roster")
application.command()(call)
application.command()(check)


@application.callback()
def toroku() -> None:
    """Runs Toroku on one machine, prepares it in containers, and does operators' and officers' work."""


def main() -> None:
    """Runs the command line."""
    with exit_on_refusal():
        application(prog_name="toroku")


if __name__ == "__main__":
    main()
