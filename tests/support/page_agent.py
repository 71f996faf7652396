"""The card agent's pages on a real server in this process, and a browser's requests to them, without a browser."""

import base64
import contextlib
import http.client
import json
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from card_agent.local_page.agent import Agent
from card_agent.local_page.instances import KnownInstances
from card_agent.local_page.phrase import save_phrase
from card_agent.local_page.running import make_secret, open_listener
from card_agent.local_page.server import PageServer
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.inventory import Issuer
from card_agent.media.token import TokenMedium
from card_agent.trust import TrustedInstance
from toroku.frontdoor.v1 import front_door_pb2

INSTANCE, PHRASE = "saitama", "青い自転車"
START, RETURN = "https://portal.example/start", "https://portal.example/return"
TRUSTED = TrustedInstance(INSTANCE, "front-door.example:443", None, START, RETURN)
_SECONDS = 10.0


@dataclass(frozen=True)
class Reply:
    """An answer of the agent."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def token(self) -> str:
        """The token of the page's form, the last one of a streamed answer."""
        tokens: list[str] = re.findall(r'name="token" value="([^"]+)"', self.body)
        return tokens[-1]

    @property
    def text(self) -> str:
        """What a person reads, without tags and white space."""
        return re.sub(r"\s+", "", unescape(re.sub(r"<[^>]*>", "", self.body)))

    @property
    def address(self) -> str:
        """Where the page goes on to by itself."""
        return unescape(re.findall(r'http-equiv="refresh" content="0; url=([^"]*)"', self.body)[-1])

    @property
    def fragment(self) -> dict[str, str]:
        """The parameters of the fragment with which the page goes on."""
        return dict(parse_qsl(self.address.partition("#")[2]))

    @property
    def answer(self) -> dict[str, Any]:
        """The answer to the portal."""
        return _decode(self.fragment["answer"])

    @property
    def refusal(self) -> str:
        """The reason that the page's link back takes to the portal."""
        (encoded,) = re.findall(r"answer=([A-Za-z0-9_-]+)", self.body)
        return str(_decode(encoded)["refusal"])


@dataclass
class PageAgent:
    """A running agent; `found` is what it finds on this PC, `opened` the addresses that it opened in the browser."""

    agent: Agent
    found: list[FoundMedium]
    opened: list[str]
    issuers: list[Sequence[Issuer]] = field(default_factory=list)

    def insert(self, medium: TokenMedium, place: str = "Reader 00", tries_left: int | None = 3) -> None:
        """Has a medium found, with its certificates if they can be read without a PIN."""
        certificates: Sequence[FoundCertificate] = ()
        if not medium.pin_before_reading:
            with medium.open() as token:
                certificates = [FoundCertificate(each) for each in token.certificates()]
        self.found.append(FoundMedium(place, medium, tuple(certificates), tries_left))

    def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        """Returns the answer to a navigation."""
        return self.request("GET", path, headers=headers)

    def post(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> Reply:
        """Returns the answer to a form of the agent's own page, as a browser posts it."""
        return self.request("POST", path, urlencode(fields), self._own_headers(headers or {}))

    @contextlib.contextmanager
    def posted(self, path: str, fields: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
        """Posts a form, and yields the answer as it comes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.port, timeout=_SECONDS)
        with contextlib.closing(connection):
            connection.request("POST", path, urlencode(fields), self._own_headers({}))
            yield connection.getresponse()

    def _own_headers(self, headers: dict[str, str]) -> dict[str, str]:
        own = {
            "Origin": self.agent.origin,
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return {name: value for name, value in {**own, **headers}.items() if value}

    def request(self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None) -> Reply:
        """Returns the answer to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.agent.port, timeout=_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body or None, headers or {})
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read().decode())

    def open_portal(self) -> str:
        """Returns the hand-off with which the person opens the portal by the agent's first page."""
        reply = self.post("/open", {"token": self.get("/").token, "instance": INSTANCE})
        return reply.fragment["handoff"]

    def card_link(self, handoff: str, operation: str = "registration", role: str = "sole", **more: str) -> str:
        """Returns the link that has a card chosen."""
        parameters = {"handoff": handoff, "step": "s1", "operation": operation, "role": role, **more}
        return f"/card?{urlencode(parameters)}"

    def choose_card(self, handoff: str, operation: str = "registration", role: str = "sole", **fields: str) -> Reply:
        """Returns the answer to OK on the page of the card."""
        page = self.get(self.card_link(handoff, operation, role, category="works"))
        return self.post("/card", {"token": page.token, "answer": "ok", **fields})

    def sign_link(self, handoff: str, purpose: bytes, request: bytes | None = None, **more: str) -> str:
        """Returns the link that has a purpose signed."""
        parameters = {"handoff": handoff, "step": "s2", "purpose": encode(purpose), **more}
        if request is not None:
            parameters["request"] = encode(request)
        return f"/sign?{urlencode(parameters)}"

    def sign(self, handoff: str, purpose: bytes, pin: str = "", request: bytes | None = None, **fields: str) -> Reply:
        """Returns the answer to OK on the page with what is signed."""
        page = self.get(self.sign_link(handoff, purpose, request))
        return self.post("/sign", {"token": page.token, "answer": "ok", **({"pin": pin} if pin else {}), **fields})


@contextlib.contextmanager
def running_page_agent(
    folder: Path,
    described: front_door_pb2.Instance | None = None,
    trusted: Sequence[TrustedInstance] = (TRUSTED,),
    *,
    phrase: str = PHRASE,
) -> Iterator[PageAgent]:
    """Runs an agent until the block ends, by default with a phrase."""
    listener = open_listener(folder)
    found: list[FoundMedium] = []
    opened: list[str] = []
    asked: list[Sequence[Issuer]] = []
    instance = described or front_door_pb2.Instance(
        id=INSTANCE, name=front_door_pb2.Text(ja="埼玉県電子入札", en="Saitama e-bidding")
    )

    def find_media(issuers: Sequence[Issuer]) -> Sequence[FoundMedium]:
        asked.append(issuers)
        return found

    agent = Agent(
        folder=folder,
        version="1.2.3",
        port=listener.getsockname()[1],
        trusted=lambda: trusted,
        find_media=find_media,
        # Nothing here asks the smart card service.
        count_insertions=lambda _: None,
        instances=KnownInstances(lambda _: instance, folder / "instances"),
        secret=make_secret(),
        open_browser=opened.append,
    )
    if phrase:
        save_phrase(folder, phrase)
    server, has_begun = PageServer(agent, listener), threading.Event()
    thread = threading.Thread(target=server.run, args=[has_begun.set], name="pages of the agent", daemon=True)
    thread.start()
    try:
        if not has_begun.wait(_SECONDS):
            raise TimeoutError
        yield PageAgent(agent, found, opened, asked)
    finally:
        server.stop()
        thread.join(_SECONDS)


def encode(data: bytes) -> str:
    """Returns base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(encoded: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return values
