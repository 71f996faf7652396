"""A browser in memory: it asks an application for pages, keeps cookies, follows redirects, and reads what it gets."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.types import ASGIApp

ORIGIN = "https://touroku.example.jp"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered; `address` is the path and query that were asked for last."""

    address: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str

    def find_header(self, name: str) -> str:
        """Returns a header; empty where there is none."""
        return next((value for each, value in self.headers if each == name), "")

    def read(self) -> str:
        """Returns the text of the page's main part, without markup."""
        main = self.body.partition("<main")[2].partition("</main>")[0]
        return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", "<" + main)))

    def find_link(self, pattern: str) -> str:
        """Returns the first address of a link that the pattern matches."""
        found = [each for each in self._list_attributes("a", "href") if re.search(pattern, each)]
        assert found, f"no link {pattern} at {self.address}: {self.read()}"
        return found[0]

    def find_action(self) -> str:
        """Returns where the page's form is sent."""
        return self._list_attributes("form", "action")[0]

    def list_values(self) -> dict[str, str]:
        """Returns the values of the form's fields; a check box that is empty is not among them."""
        values = {}
        for tag in re.findall(r"<input [^>]*>", self.body):
            name, value = re.search(r' name="([^"]*)"', tag), re.search(r' value="([^"]*)"', tag)
            if name is not None and (' type="checkbox"' not in tag or " checked" in tag):
                values[name[1]] = html.unescape(value[1]) if value is not None else ""
        return values

    def _list_attributes(self, tag: str, attribute: str) -> list[str]:
        found = re.findall(rf'<{tag} [^>]*?{attribute}="([^"]*)"', self.body)
        return [html.unescape(each) for each in found]


@dataclass(slots=True)
class BrowserInMemory:
    """A browser of one person. `replicas` answer by turns, as behind a load balancer."""

    replicas: list[ASGIApp]
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"sec-fetch-site": "same-origin"})
    _turn: int = 0

    async def get(self, address: str, *, follow: bool = True) -> Answer:
        """Asks for a page, and for the one that it leads to."""
        return await self._follow(await self.ask("GET", address), follow)

    async def post(self, address: str, fields: Mapping[str, str], *, follow: bool = True) -> Answer:
        """Sends a form, and asks for the page that it leads to."""
        body = urlencode(fields).encode()
        return await self._follow(await self.ask("POST", address, body), follow)

    async def ask(self, method: str, address: str, body: bytes = b"", **headers: str) -> Answer:
        """Returns the answer to one request. Cookies are kept; a header with an empty value is not sent."""
        parts = urlsplit(address)
        sent = {
            "host": urlsplit(ORIGIN).netloc,
            "cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "content-type": "application/x-www-form-urlencoded" if method == "POST" else "",
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items() if value],
            "client": ("192.0.2.1", 50000),
            "server": ("127.0.0.1", 443),
        }
        answer = await self._run(scope, body, address)
        for name, value in answer.headers:
            if name == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return answer

    async def _follow(self, answer: Answer, follow: bool) -> Answer:
        while follow and answer.status == 303:
            answer = await self.ask("GET", answer.find_header("location"))
        return answer

    async def _run(self, scope: dict[str, Any], body: bytes, address: str) -> Answer:
        status = 0
        headers: tuple[tuple[str, str], ...] = ()
        pieces: list[bytes] = []
        is_sent = False

        async def receive() -> dict[str, Any]:
            nonlocal is_sent
            if is_sent:
                return {"type": "http.disconnect"}
            is_sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = tuple((name.decode(), value.decode()) for name, value in message["headers"])
            else:
                pieces.append(message.get("body", b""))

        application = self.replicas[self._turn % len(self.replicas)]
        self._turn += 1
        await application(scope, receive, send)
        return Answer(address, status, headers, b"".join(pieces).decode())


def read_query(address: str) -> dict[str, str]:
    """Returns the parameters of an address."""
    return dict(parse_qsl(urlsplit(address).query))
