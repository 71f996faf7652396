"""The command line of `card-agent`."""

import typer

from card_agent.commands.advise import advise_on_card
from card_agent.commands.change import change_card
from card_agent.commands.diagnose import diagnose
from card_agent.commands.media import application as media
from card_agent.commands.menu import begin, show_menu
from card_agent.commands.propagations import show_propagations
from card_agent.commands.readers import show_card, show_readers
from card_agent.commands.register import register_card
from card_agent.commands.renew import renew
from card_agent.commands.serve import serve
from card_agent.commands.surroundings import find_configuration
from card_agent.commands.trust import application as trust
from card_agent.commands.version import check_update
from card_agent.log_file import start_log

application = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    help="ICカードの確認・利用者登録・変更・ICカード更新。コマンドなしではメニューを表示する"
    " / Shows an IC card, registers it, changes its contacts, and renews it. Without a command it shows the"
    " menu.",
)
application.callback(invoke_without_command=True)(begin)
application.command("menu")(show_menu)
application.command("advise")(advise_on_card)
application.command("register")(register_card)
application.command("change")(change_card)
application.command("renew")(renew)
application.command("serve")(serve)
application.add_typer(trust, name="trust")
application.command("propagations")(show_propagations)
application.command("readers")(show_readers)
application.command("show")(show_card)
application.add_typer(media, name="media")
application.command("diagnose")(diagnose)
application.command("check-update")(check_update)


def main() -> None:
    """Runs the command line: exit status 1 after a refusal, 2 after wrong usage, 3 while an officer decides first."""
    start_log(find_configuration())
    application()
