"""`make up`: a whole instance until Ctrl-C, on which a card can be registered, and the command that registers it.

Where neither profile nor overlay names a certification authority, and the profile has the example roster's mapping, the
instance gets what a registration needs, made for this run: a card CA whose key is in memory only, hours that never end,
the example roster, a password for one bidder, and a card in a virtual reader. Otherwise this is `toroku up`.
"""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from demo.browsing import write_person
from demo.card_ca import CardCa, running_card_ca
from demo.preparation import (
    EXAMPLE_MAPPING,
    EXAMPLE_ROSTER,
    PIN,
    PROFILE,
    ROOT,
    ChosenBidder,
    DemoFailed,
    Preparation,
    insert_card,
)
from instance_profile import ProfileError, load_profile
from operator_command.console import console, exit_on_refusal
from operator_command.launcher.instance import Instance, running_instance
from operator_command.launcher.unprivileged_user import require_own_folder
from operator_command.launcher.up import announce_start, compose_lookup_command, describe_access, run_until_stopped
from simulators.certificate_authorities import IssuedCard
from simulators.smart_card_service import SmartCardService, SmartCardServiceFailed, smart_card_service


@dataclass(frozen=True, slots=True)
class OfferedCard:
    """A card that can be registered, its bidder, and how the card agent reaches it: variables and options."""

    card: IssuedCard
    bidder: ChosenBidder
    environment: Mapping[str, str]
    options: tuple[str, ...] = ()


@dataclass(slots=True)
class DemoInstance:
    """An instance with a card to register; `readers` is None where no virtual reader can run, `why` says why not."""

    profile: Path
    overlay: Path
    state: Path
    card_ca: CardCa
    readers: SmartCardService | None
    why: str = ""
    offered: OfferedCard | None = field(default=None, init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Instance]:
        """Starts the instance and prepares it; yields it when a card can be registered."""
        async with running_instance(self.profile, self.state, overlay=self.overlay) as instance:
            console.print("preparing a card to register …", markup=False, highlight=False)
            preparation = Preparation(instance=instance, card_ca=self.card_ca.authority, quiet=True)
            await preparation.import_roster(EXAMPLE_ROSTER, EXAMPLE_MAPPING)
            bidder = await preparation.choose_bidder_with_password(EXAMPLE_MAPPING)
            card = preparation.issue_card(bidder)
            if self.readers is not None:
                insert_card(self.readers, card)
                self.offered = OfferedCard(card, bidder, self.readers.environment)
            else:
                file = write_certificate_file(card, instance.state)
                self.offered = OfferedCard(card, bidder, {}, ("--pkcs12", str(file)))
            yield instance

    def describe(self, instance: Instance) -> str:
        """Returns how to call the instance, and how to register the card."""
        assert self.offered is not None
        without_reader = [f"There is no virtual reader, so the card is a file: {self.why}", ""] if self.why else []
        return "\n".join(
            [describe_access(instance), "", *without_reader, *_describe_registration(instance, self.offered)]
        )


def main() -> None:
    """Runs the instance; exits with 0 after Ctrl-C, otherwise with 1 and the cause."""
    parser = argparse.ArgumentParser(prog="demo.up", description=__doc__)
    parser.add_argument("--profile", type=Path, default=PROFILE)
    parser.add_argument("--overlay", type=Path)
    parser.add_argument("--state", type=Path, default=ROOT / ".toroku" / "up")
    chosen = parser.parse_args()
    with exit_on_refusal():
        announce_start(chosen.profile, chosen.state, console)
        try:
            if lacks_card_authorities(chosen.profile, chosen.overlay):
                run_with_demo_card(chosen.profile, chosen.overlay, chosen.state)
            else:
                starting = running_instance(chosen.profile, chosen.state, overlay=chosen.overlay)
                asyncio.run(run_until_stopped(starting, console))
        except DemoFailed as failure:
            sys.exit(f"make up: failed: {failure}")


def lacks_card_authorities(profile: Path, overlay: Path | None) -> bool:
    """Returns whether the demo's CA and the example roster can complete this profile."""
    try:
        loaded = load_profile(profile, overlay)
    except ProfileError:
        # The start refuses it, with all that is wrong.
        return False
    return not loaded.card_authorities and any(each.name == EXAMPLE_MAPPING for each in loaded.roster_mappings)


def run_with_demo_card(profile: Path, overlay: Path | None, state: Path) -> None:
    """Runs an instance that trusts the demo's card CA, until a signal stops it."""
    state.mkdir(mode=0o711, parents=True, exist_ok=True)
    require_own_folder(state)
    own = yaml.safe_load(overlay.read_text("utf-8")) if overlay is not None else None
    changes = {key: value for key, value in (own or {}).items() if key != "card_authorities"}
    with ExitStack() as stack:
        card_ca = stack.enter_context(running_card_ca())
        readers, why = None, ""
        try:
            readers = stack.enter_context(smart_card_service())
        except SmartCardServiceFailed as failure:
            why = str(failure)
        written = card_ca.write_overlay(state / "overlay.yaml", changes)
        demo = DemoInstance(profile, written, state, card_ca, readers, why)
        asyncio.run(run_until_stopped(demo.running(), console, demo.describe))


def write_certificate_file(card: IssuedCard, folder: Path) -> Path:
    """Writes key and certificate of a card as a PKCS#12 file that only its owner can read; its password is the PIN."""
    file = folder / "card.p12"
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(card.pkcs12(PIN.encode()))
    return file


def compose_register_command(instance: Instance, offered: OfferedCard) -> str:
    """Returns the shell command that registers the card, and asks for everything else."""
    agent = str(Path(sys.prefix, "bin", "card-agent"))
    trusted = str(instance.certificates.public.authority)
    words = [agent, "register", "--endpoint", instance.front_door, "--trust", trusted, *offered.options]
    variables = [f"{name}={shlex.quote(value)}" for name, value in offered.environment.items()]
    return " ".join([*variables, shlex.join(words)])


def prepare_browsing(instance: Instance, offered: OfferedCard) -> str:
    """Writes the files of a person whose card agent trusts the instance; returns the command that starts that agent."""
    files = [path for option, path in zip(offered.options, offered.options[1:], strict=False) if option == "--pkcs12"]
    variables = {**write_person(instance.state / "person", instance, files), **offered.environment}
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join([*words, shlex.join([str(Path(sys.prefix, "bin", "card-agent")), "serve"])])


def _describe_registration(instance: Instance, offered: OfferedCard) -> list[str]:
    bidder, profile = offered.bidder, instance.profile
    agency = next(each for each in profile.agencies if each.code == bidder.agency)
    category = next(each for each in profile.categories if each.code == bidder.category)
    labels = {rule.field.value: rule.label.ja for rule in category.search_fields}
    lookup = compose_lookup_command(instance, bidder.agency, bidder.category, offered.card.sha256)
    return [
        "A card can be registered. Run this in another terminal:",
        "",
        f"  {compose_register_command(instance, offered)}",
        "",
        "Or in a browser, which warns of the certificate of this trial. This starts the card agent, which opens it:",
        "",
        f"  {prepare_browsing(instance, offered)}",
        "",
        "What it asks for (a card, a bidder and a password made for this instance, good nowhere else):",
        f"  PIN：{PIN}",
        f"  調達機関：{agency.name.ja}",
        f"  業務区分：{category.name.ja}",
        f"  {labels['name']}：{bidder.typed_name}",
        f"  {labels['bidder_id']}：{bidder.bidder_id}",
        f"  {labels['password']}：{bidder.password}",
        "  contacts: as you like, in the form that each hint shows",
        "",
        f"Then read the mail at http://{instance.addresses.inbox_page}/ and ask whose card it is:",
        f"  {lookup}",
        "The same card a second time is refused. After a restart there is a new card and a new CA.",
    ]


if __name__ == "__main__":
    main()
