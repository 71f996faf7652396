"""The steps of the demo. What a person would do at a terminal is done by the same commands, as processes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from demo.browsing import CHROMIUM, register_in_browser
from demo.preparation import AGENCIES, PIN, ChosenBidder, DemoFailed, open_channel, run_command
from operator_command.launcher.inbox import wait_for_message
from operator_command.launcher.instance import Instance
from simulators.certificate_authorities import IssuedCard
from simulators.smart_card_service import SmartCardService
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserRequest, ResolveUserResponse
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub

MOMENTS = 20.0
NEW_TELEPHONE = "048-111-2222"


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

    async def change_contact(self, bidder: ChosenBidder) -> None:
        """Runs `card-agent change` for one field of the card's contact, and for this agency only."""
        title("8. The card's contact gets another telephone number, at this agency only")
        typed = {"card_contact": {"telephone": NEW_TELEPHONE}, "propagate": "here"}
        await self._card_agent("change", *self._place(bidder, typed), *self._pin("--pin-file"), "--yes")

    async def compare_contacts(self, bidder: ChosenBidder, card: IssuedCard) -> None:
        """Calls GetContact as the agency of the change, and as one that goes on with the contact before."""
        title("9. Two agencies ask whom to write to")
        other = next(
            agency.code
            for agency in self.instance.profile.agencies
            if bidder.category in agency.categories and agency.code != bidder.agency
        )
        old = _contact(bidder, "card")["telephone"]
        for agency, expected in ((bidder.agency, NEW_TELEPHONE), (other, old)):
            answer = await self._get_contact(agency, bidder, card)
            print(f"  {agency:<22} version {answer.version}  {answer.contact.telephone}")
            if answer.contact.telephone != expected:
                raise DemoFailed(f"{agency} has the telephone number {answer.contact.telephone}, not {expected}")

    async def renew(self, bidder: ChosenBidder, old: IssuedCard, new: IssuedCard) -> None:
        """Runs `card-agent renew` with the old card in the first reader and the new one in the second."""
        title("10. A new card takes the place of the old one")
        place = self._place(bidder, {"propagate": "everywhere"})
        await self._card_agent("renew", *place, *self._pin("--pin-file"), *self._pin("--new-pin-file"), "--yes")
        title("11. Whose cards are these now?")
        replaced = await self._resolve(bidder.agency, bidder, old)
        good = await self._resolve(bidder.agency, bidder, new)
        verdicts = ResolveUserResponse.Verdict
        print(f"  the old card  {verdicts.Name(replaced.verdict)}  by {replaced.replaced_by.hex()[:16]}…")
        print(f"  the new card  {verdicts.Name(good.verdict)}  {good.bidder_id}, after {good.predecessor.hex()[:16]}…")
        if (replaced.replaced_by, good.predecessor) != (new.sha256, old.sha256):
            raise DemoFailed("the new card did not take the place of the old one")

    async def register_in_browser(self, bidder: ChosenBidder, card: IssuedCard) -> None:
        """Walks a browser through the portal and the agent's pages, where this machine has one."""
        title("12. Another card of the same bidder is registered in a browser")
        if not CHROMIUM.exists():
            print(f"  left out: there is no {CHROMIUM}; `apt-get install chromium` brings it")
            return
        contact = _contact(bidder, "card")
        await register_in_browser(self.instance, bidder, contact, self.readers.environment, self.folder)
        answer = await self._resolve(bidder.agency, bidder, card)
        print(f"  this card     {ResolveUserResponse.Verdict.Name(answer.verdict)}  {answer.bidder_id}")
        if answer.verdict != ResolveUserResponse.VERDICT_GOOD:
            raise DemoFailed("the card that was registered in the browser is not good")

    async def _register(self, bidder: ChosenBidder, *, expect_refusal: bool = False) -> int:
        typed = {
            "search": {"name": bidder.typed_name, "bidder_id": bidder.bidder_id},
            "card_contact": _contact(bidder, "card"),
            "representative_contact": _contact(bidder, "representative"),
        }
        secrets = (*self._pin("--pin-file"), "--password-file", self._write("password", bidder.password))
        receipt = () if expect_refusal else ("--receipt", str(self.state / "receipt.txt"))
        words = ("register", *self._place(bidder, typed), *secrets, *receipt, "--yes")
        return await self._card_agent(*words, may_fail=expect_refusal)

    def _place(self, bidder: ChosenBidder, typed: Mapping[str, object]) -> tuple[str, ...]:
        """Returns the options that say where, and what is typed there."""
        form = yaml.safe_dump({"agency": bidder.agency, "category": bidder.category, **typed}, allow_unicode=True)
        return (
            *("--endpoint", self.instance.front_door, "--trust", str(self.instance.certificates.public.authority)),
            *("--form", self._write("form.yaml", form), "--state-directory", str(self.folder / "unfinished")),
        )

    def _pin(self, option: str) -> tuple[str, str]:
        return option, self._write("pin", PIN)

    def _write(self, name: str, content: str) -> str:
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(content, "utf-8")
        return str(file)

    async def _card_agent(self, *words: str, may_fail: bool = False) -> int:
        return await run_command("card_agent", words, self.readers.environment, may_fail=may_fail)

    async def _resolve(self, agency: str, bidder: ChosenBidder, card: IssuedCard) -> ResolveUserResponse:
        request = ResolveUserRequest(
            agency=agency, category=bidder.category, certificate_sha256=card.sha256, possession_verified=True
        )
        caller = self.instance.certificates.agencies[agency]
        async with open_channel(self.instance, "user-lookup", caller) as channel:
            return await UserLookupStub(channel).ResolveUser(request, timeout=10)

    async def _get_contact(
        self, agency: str, bidder: ChosenBidder, card: IssuedCard
    ) -> contact_notification_pb2.GetContactResponse:
        request = contact_notification_pb2.GetContactRequest(
            agency=agency,
            category=bidder.category,
            bidder_id=bidder.bidder_id,
            purpose=contact_pb2.CONTACT_PURPOSE_CARD,
            certificate_sha256=card.sha256,
        )
        caller = self.instance.certificates.agencies[agency]
        async with open_channel(self.instance, "contact-notification", caller) as channel:
            return await ContactNotificationStub(channel).GetContact(request, timeout=10)


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
