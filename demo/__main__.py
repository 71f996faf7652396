"""`make demo`: imports a roster; registers, changes and renews a card with the card agent; shows what agencies see."""

import argparse
import asyncio
import re
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from demo.card_ca import running_card_ca
from demo.preparation import EXAMPLE_MAPPING, EXAMPLE_ROSTER, PROFILE, ROOT, DemoFailed, Preparation, insert_card
from demo.steps import Steps, title
from operator_command.console import print_refusal
from operator_command.launcher.instance import running_instance
from refusals import Refusal
from simulators.smart_card_service import SmartCardServiceFailed, smart_card_service


def main() -> None:
    """Exits with 0 after `demo: ok`, otherwise with 1 and the cause."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--roster", type=Path, default=EXAMPLE_ROSTER, help="a roster in CSV")
    parser.add_argument("--mapping", default=EXAMPLE_MAPPING, help="the profile's roster mapping for that file")
    chosen = parser.parse_args()
    try:
        asyncio.run(demonstrate(chosen.roster.absolute(), chosen.mapping))
    except Refusal as refusal:
        print_refusal(refusal)
        sys.exit("demo: failed")
    except (DemoFailed, SmartCardServiceFailed) as failure:
        sys.exit(f"demo: failed: {failure}")
    print("demo: ok")


async def demonstrate(roster: Path, mapping: str) -> None:
    """Runs all steps. Each mapping has an instance that keeps its state, so that a second roster can follow."""
    began = datetime.now(UTC)
    state = ROOT / ".toroku" / "demo" / mapping
    state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        card_ca = stack.enter_context(running_card_ca())
        overlay = card_ca.write_overlay(state / "overlay.yaml")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toroku-demo-")))
        readers = stack.enter_context(smart_card_service())
        print("demo: the overlay .toroku/demo/…/overlay.yaml opens the instance at every hour of every day")
        async with running_instance(PROFILE, state, overlay=overlay) as instance:
            print(f"demo: every service runs, each as a process, {(datetime.now(UTC) - began).total_seconds():.1f} s")
            preparation = Preparation(instance=instance, card_ca=card_ca.authority)
            steps = Steps(instance=instance, readers=readers, folder=folder, state=state)
            title(f"1. An officer imports the roster {roster.name} with the mapping {mapping}")
            await preparation.import_roster(roster, mapping)
            title("2. The officer issues a password, as a letter in a file")
            bidder = await preparation.choose_bidder_with_password(mapping)
            print(re.sub(r"(パスワード\s*：)\S+", r"\1********", bidder.letter))
            title("3. The contractor puts its IC card into the reader")
            card = preparation.issue_card(bidder)
            first = insert_card(readers, card)
            await steps.register(bidder)
            await steps.show_mail(bidder)
            await steps.ask_three_agencies(bidder, card)
            await steps.show_second_registration_refused(bidder)
            await steps.change_contact(bidder)
            await steps.compare_contacts(bidder, card)
            new_card = preparation.issue_card(bidder)
            second = insert_card(readers, new_card, reader=1)
            await steps.renew(bidder, card, new_card)
            readers.pull(first)
            readers.pull(second)
            further_card = preparation.issue_card(bidder)
            insert_card(readers, further_card)
            await steps.register_in_browser(bidder, further_card)
    print(f"demo: {(datetime.now(UTC) - began).total_seconds():.1f} s")


if __name__ == "__main__":
    main()
