"""A person at the portal with a card agent, both in memory: pages over ASGI, cards in software."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from instance_profile.name_pieces import spell_out
from simulators.certificate_authorities import IssuedCard
from tests.support.browser_in_memory import Answer, BrowserInMemory, read_query
from tests.support.contractor import Contractor, contact_of, signed
from tests.support.renewing_contractor import SUCCESSOR_PREFIX
from toroku.act.v1.signed_purpose_pb2 import SignatureAlgorithm
from toroku.contact.v1.contact_pb2 import Contact

_PORT = "49152"


def encode_answer(answer: Mapping[str, Any]) -> str:
    """Returns an answer of the agent as its fragment has it."""
    return base64.urlsafe_b64encode(json.dumps(answer).encode()).rstrip(b"=").decode()


@dataclass(slots=True)
class PersonInMemory:
    """Who uses the portal; `page` is the one in front."""

    browser: BrowserInMemory
    instance: str
    page: Answer = field(default_factory=lambda: Answer("", 0, (), ""))
    hand_off: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    successor: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)
    # The card that was chosen last at the agent.
    card: IssuedCard | None = None

    async def start_agent(self, **changes: str) -> Answer:
        """Opens the portal from the agent, as its icon does."""
        fields = {"port": _PORT, "handoff": self.hand_off, "protocol": "1", "instance": self.instance}
        self.page = await self.browser.post("/start", fields | changes)
        return self.page

    async def begin(self, operation: str, agency: str, category: str) -> Answer:
        """Presses the button of an operation in the menu."""
        self.page = await self.browser.post(f"/agencies/{agency}/{category}/operations", {"operation": operation})
        return self.page

    async def use_card(self, card: IssuedCard) -> Answer:
        """Has a card chosen at the agent, and comes back."""
        answer: dict[str, Any] = {"certificate": _encode(card.der), "chain": []}
        if read_query(self.find_agent_link()).get("role") == "old":
            answer["successor_key"] = _encode(self.successor.public_key().public_bytes_raw())
        self.card = card
        return await self.bring(answer)

    async def sign(self) -> Answer:
        """Has the chosen card sign what the page wants signed, a log-in or an act, and comes back."""
        return await self.bring(self.sign_purpose())

    def sign_purpose(self) -> Mapping[str, Any]:
        """Returns what the agent answers once the chosen card has signed."""
        link = read_query(self.find_agent_link())
        purpose = _decode(link["purpose"])
        assert self.card is not None
        made = signed(self.card, purpose)
        answer = {
            "purpose": _encode(purpose),
            "algorithm": SignatureAlgorithm.Name(made.algorithm).removeprefix("SIGNATURE_ALGORITHM_"),
            "signature": _encode(made.signature),
        }
        values = json.loads(purpose)
        if values.get("request_id"):
            to_be_signed = SUCCESSOR_PREFIX + self.card.sha256 + values["request_id"].encode()
            answer["successor_signature"] = _encode(self.successor.sign(to_be_signed))
        return answer

    async def bring(self, answer: Mapping[str, Any]) -> Answer:
        """Comes back from the agent with an answer."""
        return await self.bring_encoded(encode_answer(answer))

    async def bring_encoded(self, answer: str) -> Answer:
        """Comes back from the agent with an answer as the fragment has it."""
        step = read_query(self.find_agent_link())["step"]
        self.page = await self.browser.post("/return", {"handoff": self.hand_off, "step": step, "answer": answer})
        return self.page

    def find_agent_link(self) -> str:
        """Returns the address that leads to the agent."""
        return self.page.find_link(r"^http://127\.0\.0\.1:")

    async def log_in(self, operation: str, contractor: Contractor) -> Answer:
        """Goes from the menu to the page after the log-in."""
        await self.begin(operation, contractor.agency, contractor.category)
        await self.use_card(contractor.card)
        return await self.sign()

    async def send(self, typed: Mapping[str, str] | None = None, button: str = "ok") -> Answer:
        """Types into the form of the page in front, and presses a button of it."""
        fields = self.page.list_values() | dict(typed or {}) | {"answer": button}
        self.page = await self.browser.post(self.page.find_action(), fields)
        return self.page

    async def look(self) -> Answer:
        """Loads the page in front anew."""
        self.page = await self.browser.get(self.page.address)
        return self.page


def write_search(contractor: Contractor) -> dict[str, str]:
    """Returns what a contractor types into the search."""
    name = spell_out(contractor.company_name)
    return {"name": name, "bidder_id": contractor.bidder_id, "password": contractor.password}


def write_contact(section: str, contact: Contact) -> dict[str, str]:
    """Returns a contact as it is typed into a section of a form."""
    return {f"{section}.{each.name}": value for each, value in contact.ListFields()}


def write_contacts() -> dict[str, str]:
    """Returns both contacts of a registration."""
    representative = contact_of("代表 花子", mail_address="daihyo@contractor.example")
    return write_contact("representative_contact", representative) | write_contact(
        "card_contact", contact_of("土木 一郎")
    )


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
