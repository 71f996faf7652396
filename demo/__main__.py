"""`make demo`: imports a roster, registers a card with the card agent, shows receipt, mail and answers."""

import argparse
import asyncio
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from demo.overlay import write_demo_overlay
from demo.steps import DemoFailed, Steps
from operator_command.__main__ import say_refusal
from operator_command.launcher.instance import running_instance
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority
from simulators.crl_server import crl_server
from simulators.smart_card_service import SmartCardServiceFailed, smart_card_service

ROOT = Path(__file__).parent.parent
PROFILE = ROOT / "profiles" / "saitama.yaml"
EXAMPLE_ROSTER = ROOT / "profiles" / "examples" / "saitama-works.csv"
EXAMPLE_MAPPING = "saitama-standard"


def main() -> None:
    """Exits with 0 after `demo: ok`, otherwise with 1 and the cause."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--roster", type=Path, default=EXAMPLE_ROSTER, help="a roster in CSV")
    parser.add_argument("--mapping", default=EXAMPLE_MAPPING, help="the profile's roster mapping for that file")
    chosen = parser.parse_args()
    try:
        asyncio.run(demonstrate(chosen.roster.absolute(), chosen.mapping))
    except Refusal as refusal:
        say_refusal(refusal)
        sys.exit("demo: failed")
    except (DemoFailed, SmartCardServiceFailed) as failure:
        sys.exit(f"demo: failed: {failure}")
    print("demo: ok")


async def demonstrate(roster: Path, mapping: str) -> None:
    """Runs all steps. Each mapping has an instance that keeps its state, so that a second roster can follow."""
    began = datetime.now(UTC)
    state = ROOT / ".toroku" / "demo" / mapping
    state.mkdir(parents=True, exist_ok=True)
    card_ca = CertificateAuthority.create(
        "Toroku Demo Issuing CA", parent=CertificateAuthority.create("Toroku Demo CA")
    )
    root_ca = card_ca.parent
    assert root_ca is not None
    with ExitStack() as stack:
        lists = (stack.enter_context(crl_server(card_ca.crl)), stack.enter_context(crl_server(root_ca.crl)))
        overlay = write_demo_overlay(state / "overlay.yaml", card_ca, lists)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toroku-demo-")))
        readers = stack.enter_context(smart_card_service())
        print("demo: the overlay .toroku/demo/…/overlay.yaml opens the instance at every hour of every day")
        async with running_instance(PROFILE, state, overlay=overlay) as instance:
            print(f"demo: every service runs, each as a process, {(datetime.now(UTC) - began).total_seconds():.1f} s")
            steps = Steps(instance=instance, card_ca=card_ca, readers=readers, folder=folder, state=state)
            await steps.import_roster(roster, mapping)
            bidder = await steps.choose_bidder_with_password(mapping)
            card = steps.insert_card(bidder)
            await steps.register(bidder)
            await steps.show_mail(bidder)
            await steps.ask_three_agencies(bidder, card)
            await steps.show_second_registration_refused(bidder)
    print(f"demo: {(datetime.now(UTC) - began).total_seconds():.1f} s")


if __name__ == "__main__":
    main()
