"""What makes a card registrable: a roster, a password for one bidder, a card. Done by the same commands as by hand."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from instance_profile.name_pieces import spell_out
from operator_command.instance_certificates import OFFICER, Identity
from operator_command.launcher.instance import Instance
from simulators.certificate_authorities import CertificateAuthority, IssuedCard
from simulators.smart_card_service import SmartCardService
from simulators.virtual_card import VirtualCard
from toroku.qualification.v1.qualification_registry_pb2 import (
    ListBiddersRequest,
    ListRosterVersionsRequest,
    ListVersionLinesRequest,
)
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

ROOT = Path(__file__).parent.parent
PROFILE = ROOT / "profiles" / "saitama.yaml"
EXAMPLE_ROSTER = ROOT / "profiles" / "examples" / "saitama-works.csv"
EXAMPLE_MAPPING = "saitama-standard"
PIN = "123456"
# The bidder that registers is qualified at so many agencies.
AGENCIES = 3


class DemoFailed(Exception):
    """A step failed; the text says which and why."""


@dataclass(frozen=True, slots=True)
class ChosenBidder:
    """The bidder that registers, as in its password letter."""

    bidder_id: str
    name: str
    category: str
    agency: str
    # Whose card the agency accepts: the contract party of the roster, or else the representative.
    holder: str
    password: str = field(repr=False)
    letter: str = field(repr=False)

    @property
    def typed_name(self) -> str:
        """The name as a person types it, with its legal form spelled out."""
        return spell_out(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """The steps of officer and CA. With `quiet`, the output of commands is shown only when they fail."""

    instance: Instance
    card_ca: CertificateAuthority
    quiet: bool = False

    async def import_roster(self, roster: Path, mapping: str) -> None:
        """Runs `toroku roster import`, with its preview."""
        options = ("--mapping", mapping, "--accept-suggestions", "--yes")
        await self._toroku("roster", "import", str(roster), *options)

    async def choose_bidder_with_password(self, mapping: str) -> ChosenBidder:
        """Runs `toroku roster issue-passwords` for the first bidder, unless a letter of an earlier run exists."""
        chosen = self.instance.profile.mapping(mapping)
        category = chosen.category
        bidder_id, agency = await self._first_bidder(category)
        holder = await self._find_holder(chosen.roster, bidder_id)
        letters = self.instance.state / "letters"
        letter = next(letters.glob(f"*{bidder_id}*"), None)
        if letter is None:
            options = ("--category", category, "--bidder-id", bidder_id, "--letters", str(letters), "--yes")
            await self._toroku("roster", "issue-passwords", *options)
            letter = next(letters.glob(f"*{bidder_id}*"))
        text = letter.read_text("utf-8")
        name, password = (_value(text, label) for label in ("商号又は名称", "パスワード"))
        return ChosenBidder(bidder_id, name, category, agency, holder, password, text)

    def issue_card(self, bidder: ChosenBidder) -> IssuedCard:
        """Issues a new card of the bidder."""
        return self.card_ca.issue(company=bidder.typed_name, holder=bidder.holder)

    async def _first_bidder(self, category: str) -> tuple[str, str]:
        """Returns the first bidder that is qualified at enough agencies, and the first of these agencies."""
        first = self.instance.profile.agencies[0].code
        async with self._open_registry() as channel:
            request = ListBiddersRequest(agency=first, category=category)
            response = await QualificationRegistryStub(channel).ListBidders(request, timeout=10)
        for bidder in response.bidders:
            if len(bidder.agencies) >= AGENCIES:
                order = [agency.code for agency in self.instance.profile.agencies]
                return bidder.bidder_id, min(bidder.agencies, key=order.index)
        raise DemoFailed(f"none of the first bidders in {category} is qualified at {AGENCIES} agencies")

    async def _find_holder(self, roster: str, bidder_id: str) -> str:
        """Returns the contract party of a bidder as the newest list of a roster has it, or else its representative."""
        page = ""
        async with self._open_registry() as channel:
            stub = QualificationRegistryStub(channel)
            [newest] = (await stub.ListRosterVersions(ListRosterVersionsRequest(roster=roster, most=1))).versions
            while True:
                request = ListVersionLinesRequest(roster=roster, version=newest.version, page=page)
                response = await stub.ListVersionLines(request, timeout=10)
                for company in (line.company for line in response.lines):
                    holder = company.contract_party_name or company.representative_name
                    if company.bidder_id == bidder_id and holder:
                        return holder
                page = response.next_page
                if not page:
                    raise DemoFailed(f"the roster {roster} names nobody who may hold a card of {bidder_id}")

    def _open_registry(self) -> grpc.aio.Channel:
        officer = self.instance.certificates.officers[f"{self.instance.profile.agencies[0].code}/{OFFICER}"]
        return open_channel(self.instance, "qualification-registry", officer)

    async def _toroku(self, *words: str) -> None:
        officer = f"{self.instance.profile.agencies[0].code}/{OFFICER}"
        options = ("--state", str(self.instance.state), "--officer", officer)
        await run_command("operator_command", (*words, *options), {}, quiet=self.quiet)


def insert_card(readers: SmartCardService, card: IssuedCard, *, reader: int = 0) -> VirtualCard:
    """Inserts a card into the first virtual reader, or the second one, where it stays until it is pulled."""
    inserted = VirtualCard.with_key(card.key, card.certificate, PIN, port=readers.port + reader)
    readers.insert(inserted)
    return inserted


def open_channel(instance: Instance, service: str, caller: Identity) -> grpc.aio.Channel:
    """Returns a channel to a service's listener for agencies and officers."""
    credentials = grpc.ssl_channel_credentials(
        instance.certificates.services[service].authority.read_bytes(),
        caller.private_key.read_bytes(),
        caller.certificate.read_bytes(),
    )
    options = [("grpc.ssl_target_name_override", service)]
    return grpc.aio.secure_channel(instance.addresses.of(service, "agency"), credentials, options)


async def run_command(
    module: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    *,
    may_fail: bool = False,
    quiet: bool = False,
) -> int:
    """Runs a command without input and returns its exit status; raises DemoFailed if it failed and may not."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if quiet else None,
        stderr=asyncio.subprocess.STDOUT if quiet else None,
        env={**os.environ, **environment},
    )
    try:
        output, _ = await process.communicate()
    finally:
        # The caller was stopped meanwhile.
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode != 0 and not may_fail:
        said = f":\n{output.decode('utf-8', 'replace')}" if quiet else ""
        raise DemoFailed(f"`{module} {words[0]}` ended with exit status {process.returncode}{said}")
    return process.returncode or 0


def _value(letter: str, label: str) -> str:
    match = re.search(rf"^\s*{label}\s*：(.+)$", letter, re.MULTILINE)
    if match is None:
        raise DemoFailed(f"the letter has no {label}")
    return match[1].strip()
