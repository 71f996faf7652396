"""The steps of the demo. What a person would do at a terminal is done by the same commands, as processes."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import yaml

from demo.preparation import AGENCIES, PIN, ChosenBidder, DemoFailed, open_channel, run_command
from operator_command.launcher.inbox import wait_for_message
from operator_command.launcher.instance import Instance
from simulators.certificate_authorities import IssuedCard
from simulators.smart_card_service import SmartCardService
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserRequest, ResolveUserResponse
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub

MOMENTS = 20.0


@dataclass(frozen=True, slots=True)
class Steps:
    """The contractor's steps, with the instance, the readers and two folders, of which `folder` is temporary."""

    instance: Instance
    readers: SmartCardService
    folder: Path
    state: Path

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

    async def _register(self, bidder: ChosenBidder, *, expect_refusal: bool = False) -> int:
        form, pin, password = (self.folder / name for name in ("form.yaml", "pin", "password"))
        typed = {
            "agency": bidder.agency,
            "category": bidder.category,
            "search": {"name": bidder.typed_name, "bidder_id": bidder.bidder_id},
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
        return await run_command("card_agent", words, self.readers.environment, may_fail=may_fail)

    async def _resolve(self, agency: str, bidder: ChosenBidder, card: IssuedCard) -> ResolveUserResponse:
        request = ResolveUserRequest(
            agency=agency, category=bidder.category, certificate_sha256=card.sha256, possession_verified=True
        )
        caller = self.instance.certificates.agencies[agency]
        async with open_channel(self.instance, "user-lookup", caller) as channel:
            return await UserLookupStub(channel).ResolveUser(request, timeout=10)


def title(text: str) -> None:
    """Prints the heading of a step."""
    print(f"\n── {text}", flush=True)


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
