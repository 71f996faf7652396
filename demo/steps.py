"""The steps of the demo. What a person would do at a terminal is done by the same commands, as processes."""

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import yaml

from instance_profile.name_pieces import spell_out
from operator_command.instance_certificates import OFFICER, Identity
from operator_command.launcher.inbox import wait_for_message
from operator_command.launcher.instance import Instance
from simulators.certificate_authorities import CertificateAuthority, IssuedCard
from simulators.smart_card_service import SmartCardService
from simulators.virtual_card import VirtualCard
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserRequest, ResolveUserResponse
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub
from toroku.qualification.v1.qualification_registry_pb2 import ListBiddersRequest
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

PIN = "123456"
AGENCIES = 3
MOMENTS = 20.0


class DemoFailed(Exception):
    """A step failed; the text says which and why."""


@dataclass(frozen=True, slots=True)
class ChosenBidder:
    """The bidder that registers, as in its password letter."""

    bidder_id: str
    name: str
    category: str
    agency: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps, with the instance, the card CA, the readers and two folders, of which `folder` is temporary."""

    instance: Instance
    card_ca: CertificateAuthority
    readers: SmartCardService
    folder: Path
    state: Path

    async def import_roster(self, roster: Path, mapping: str) -> None:
        """Runs `toroku roster import`, with its preview."""
        title(f"1. An officer imports the roster {roster.name} with the mapping {mapping}")
        options = ("--mapping", mapping, "--accept-suggestions", "--yes")
        await self._toroku("roster", "import", str(roster), *options)

    async def choose_bidder_with_password(self, mapping: str) -> ChosenBidder:
        """Runs `toroku roster issue-passwords` for the first bidder, unless a letter of an earlier run exists."""
        title("2. The officer issues a password, as a letter in a file")
        category = self.instance.profile.mapping(mapping).category
        bidder_id, agency = await self._first_bidder(category)
        letters = self.state / "letters"
        letter = next(letters.glob(f"*{bidder_id}*"), None)
        if letter is None:
            options = ("--category", category, "--bidder-id", bidder_id, "--letters", str(letters))
            await self._toroku("roster", "issue-passwords", *options)
            letter = next(letters.glob(f"*{bidder_id}*"))
        text = letter.read_text("utf-8")
        print(re.sub(r"(パスワード\s*：)\S+", r"\1********", text))
        name, password = (_value(text, label) for label in ("商号又は名称", "パスワード"))
        return ChosenBidder(bidder_id, name, category, agency, password)

    def insert_card(self, bidder: ChosenBidder) -> IssuedCard:
        """Inserts a new card of the bidder into the virtual reader."""
        title("3. The contractor puts its IC card into the reader")
        card = self.card_ca.issue(company=spell_out(bidder.name))
        self.readers.insert(VirtualCard.with_key(card.key, card.certificate, PIN, port=self.readers.port))
        return card

    async def register(self, bidder: ChosenBidder) -> None:
        """Runs `card-agent register`: PIN, search, form, confirmation, signature, receipt."""
        title("4. The card agent registers the card")
        await self._card_agent("readers")
        await self._register(bidder)

    async def show_mail(self, bidder: ChosenBidder) -> None:
        """Prints the mail that the contractor receives."""
        title("5. The mail")
        address = _contact(bidder, "card")["mail_address"]
        mail = await wait_for_message(self.instance.inbox, lambda message: address in message["To"], within=MOMENTS)
        body = mail.get_body()
        print(f"To: {mail['To']}\nSubject: {mail['Subject']}\n\n{body.get_content() if body else ''}")

    async def ask_three_agencies(self, bidder: ChosenBidder, card: IssuedCard) -> None:
        """Calls ResolveUser as the agency and as two agencies to which the registration is propagated."""
        title("6. Whose card is this? Three agencies ask, each with its own certificate")
        agencies = [a.code for a in self.instance.profile.agencies if bidder.category in a.categories]
        agencies.sort(key=lambda code: code != bidder.agency)
        good: dict[str, str] = {}
        deadline = asyncio.get_running_loop().time() + MOMENTS
        # The registration is good at its agency at once, at the others as soon as it is propagated.
        while len(good) < AGENCIES and asyncio.get_running_loop().time() < deadline:
            for agency in agencies:
                answer = await self._resolve(agency, bidder, card)
                if answer.verdict == ResolveUserResponse.VERDICT_GOOD:
                    good[agency] = answer.bidder_id
            await asyncio.sleep(0.05)
        for agency, bidder_id in list(good.items())[:AGENCIES]:
            print(f"  {agency:<22} VERDICT_GOOD  {bidder_id}")
        if len(good) < AGENCIES or set(good.values()) != {bidder.bidder_id}:
            raise DemoFailed(f"the card is good at {sorted(good)} only; see {self.instance.state / 'logs'}")

    async def show_second_registration_refused(self, bidder: ChosenBidder) -> None:
        """Registers the same card again, which is refused right after the PIN."""
        title("7. The same card is registered again, and refused")
        if await self._register(bidder, expect_refusal=True) == 0:
            raise DemoFailed("a card was registered twice")

    async def _first_bidder(self, category: str) -> tuple[str, str]:
        """Returns the first bidder that is qualified at enough agencies, and the first of these agencies."""
        officer = self.instance.certificates.officers[f"{self.instance.profile.agencies[0].code}/{OFFICER}"]
        async with self._channel("qualification-registry", officer) as channel:
            request = ListBiddersRequest(agency=self.instance.profile.agencies[0].code, category=category)
            response = await QualificationRegistryStub(channel).ListBidders(request, timeout=10)
        for bidder in response.bidders:
            if len(bidder.agencies) >= AGENCIES:
                order = [agency.code for agency in self.instance.profile.agencies]
                return bidder.bidder_id, min(bidder.agencies, key=order.index)
        raise DemoFailed(f"none of the first bidders in {category} is qualified at {AGENCIES} agencies")

    async def _register(self, bidder: ChosenBidder, *, expect_refusal: bool = False) -> int:
        form, pin, password = (self.folder / name for name in ("form.yaml", "pin", "password"))
        typed = {
            "agency": bidder.agency,
            "category": bidder.category,
            "search": {"name": spell_out(bidder.name), "bidder_id": bidder.bidder_id},
            "card_contact": _contact(bidder, "card"),
            "representative_contact": _contact(bidder, "representative"),
        }
        written = yaml.safe_dump(typed, allow_unicode=True)
        for file, content in ((form, written), (pin, PIN), (password, bidder.password)):
            file.touch(mode=0o600)
            file.write_text(content, "utf-8")
        trusted = str(self.instance.certificates.public.authority)
        to = ("--endpoint", self.instance.front_door, "--trust", trusted)
        secrets = ("--pin-file", str(pin), "--password-file", str(password))
        receipt = ("--receipt", str(self.state / "receipt.txt"), "--state-directory", str(self.folder / "unfinished"))
        words = ("register", *to, "--form", str(form), *secrets, *(() if expect_refusal else receipt), "--yes")
        return await self._card_agent(*words, may_fail=expect_refusal)

    async def _card_agent(self, *words: str, may_fail: bool = False) -> int:
        return await _run("card_agent", words, self.readers.environment, may_fail=may_fail)

    async def _toroku(self, *words: str) -> None:
        officer = f"{self.instance.profile.agencies[0].code}/{OFFICER}"
        await _run("operator_command", (*words, "--state", str(self.state), "--officer", officer), {})

    async def _resolve(self, agency: str, bidder: ChosenBidder, card: IssuedCard) -> ResolveUserResponse:
        request = ResolveUserRequest(
            agency=agency, category=bidder.category, certificate_sha256=card.sha256, possession_verified=True
        )
        caller = self.instance.certificates.agencies[agency]
        async with self._channel("user-lookup", caller) as channel:
            return await UserLookupStub(channel).ResolveUser(request, timeout=10)

    def _channel(self, service: str, caller: Identity) -> grpc.aio.Channel:
        credentials = grpc.ssl_channel_credentials(
            self.instance.certificates.services[service].authority.read_bytes(),
            caller.private_key.read_bytes(),
            caller.certificate.read_bytes(),
        )
        options = [("grpc.ssl_target_name_override", service)]
        return grpc.aio.secure_channel(self.instance.addresses.of(service, "agency"), credentials, options)


def title(text: str) -> None:
    """Prints the heading of a step."""
    print(f"\n── {text}", flush=True)


async def _run(module: str, words: Sequence[str], environment: dict[str, str], *, may_fail: bool = False) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *words),
        stdin=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    status = await process.wait()
    if status != 0 and not may_fail:
        raise DemoFailed(f"`{module} {words[0]}` ended with exit status {status}")
    return status


def _value(letter: str, label: str) -> str:
    match = re.search(rf"^\s*{label}\s*：(.+)$", letter, re.MULTILINE)
    if match is None:
        raise DemoFailed(f"the letter has no {label}")
    return match[1].strip()


def _contact(bidder: ChosenBidder, which: str) -> dict[str, str]:
    mail_address = f"{which}-{bidder.bidder_id}@contractor.example"
    return {
        "department": "工事部",
        "postal_code": "330-9301",
        "address": "埼玉県さいたま市浦和区高砂３－１５－１",
        "person_name": "見本　太郎",
        "telephone": "048-000-0000",
        "fax": "048-000-0001",
        "mail_address": mail_address,
        "mail_address_again": mail_address,
    }
