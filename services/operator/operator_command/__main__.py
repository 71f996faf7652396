"""The command `toroku`. Each command imports what it needs when it runs, so that all of them start quickly."""

import typer

from operator_command.client.command import call, check
from operator_command.console import exit_on_refusal
from operator_command.containers.command import certificates, databases
from operator_command.epochs.command import epoch
from operator_command.history.command import history
from operator_command.launcher.command import inbox, up
from operator_command.officer.administration.command import officer
from operator_command.officer.approvals.command import approvals
from operator_command.officer.command import roster
from operator_command.officer.proposals.command import approve, propose, reject
from operator_command.officer.successions.command import link_card, list_named, propose_bidder_link, propose_reopening
from operator_command.officer.suspensions.command import binding, cards, resume, suspend

application = typer.Typer(
    name="toroku", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
application.command()(up)
application.command()(inbox)
application.command()(certificates)
application.add_typer(databases, name="databases")
application.add_typer(epoch, name="epoch")
application.add_typer(roster, name="roster")
application.add_typer(officer, name="officer")
propose.command("reopening")(propose_reopening)
propose.command("bidder-link")(propose_bidder_link)
application.add_typer(propose, name="propose")
application.command()(approve)
application.command()(reject)
application.add_typer(suspend, name="suspend")
application.add_typer(resume, name="resume")
application.add_typer(binding, name="binding")
cards.command("link")(link_card)
cards.command("named")(list_named)
application.add_typer(cards, name="cards")
application.add_typer(approvals, name="approvals")
application.add_typer(history, name="history")
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
