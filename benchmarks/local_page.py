"""The overhead of a signature through the agent's local page over the bare commands of the card plus one page.

The person's form is posted to `card-agent serve`, as a browser does, and the answer is read to its end: the page that
leads back to the portal. Held against the sum of two parts: the same commands sent to the same card by PC/SC's own
functions (benchmarks/card.py), and a page of the agent that touches no card, the one with the form. As a second figure
the least that a page can be: a fixed answer of the same length from the same server without anything of ours, which has
the card sign by the same commands. All in turn, each on a connection that stays open.
"""

import base64
import contextlib
import http.client
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from urllib.parse import parse_qs, urlencode, urlsplit

from benchmarks.card import PIN, record_commands, use_bare
from benchmarks.results import ROOT, Measured, write_aim
from card_agent.media.token import Pin
from signed_acts.purpose import Operation, Purpose, PurposeType, Role, encode
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key, new_rsa_key
from simulators.portal_place import make_portal_place
from tests.support.card_reader import card_reader
from tests.support.running_agent import PHRASE, RunningAgent, agent_of_a_person, trust

USES = 200
INSTANCE = "saitama"
MOST_RATIO = 1.2
_TOKEN = re.compile(r'name="token" value="([^"]+)"')


async def measure() -> Measured:
    """Prints the medians and the ratio of the local page to the bare one, for RSA-2048 and P-256."""
    figures: dict[str, float] = {}
    lines: list[str] = []
    authority = CertificateAuthority.create(key=new_ec_key())
    with tempfile.TemporaryDirectory() as folder, card_reader() as reader:
        for name, key in (("RSA-2048", new_rsa_key()), ("P-256", new_ec_key())):
            issued = authority.issue(key=key)
            card = reader.insert(issued)
            home = Path(folder) / name
            home.mkdir()
            # Nothing listens at the endpoint: the words are the agent's own.
            entry = trust(make_portal_place(home), "127.0.0.1:1", home / "portal.crt")
            with agent_of_a_person(home, {INSTANCE: entry}, reader.service.environment) as agent:
                page = _Page.open(agent, issued)
                length = len(page.sign(page.ask(), PIN))
                commands = record_commands()
                with _bare_page(commands, length) as bare:
                    local, form, sent, fixed = _use_in_turn(page, bare, commands)
            ratio = local / (sent + form)
            print(
                f"{name:<9} commands {sent * 1000:5.2f} ms, a page {form * 1000:5.2f} ms, signature through the page "
                f"{local * 1000:5.2f} ms; a fixed answer that has the card sign {fixed * 1000:5.2f} ms "
                f"({local / fixed:.2f})",
                flush=True,
            )
            lines.append(write_aim(f"{name}: of commands and a page", ratio, MOST_RATIO))
            figures |= {
                f"{name}: commands ms": sent * 1000,
                f"{name}: page ms": form * 1000,
                f"{name}: signature ms": local * 1000,
                f"{name}: fixed answer ms": fixed * 1000,
                f"{name}: ratio": ratio,
                f"{name}: ratio to a fixed answer": local / fixed,
            }
            reader.pull(card)
    print("\n".join(lines), flush=True)
    return Measured(figures)


def _use_in_turn(
    page: "_Page", bare: http.client.HTTPConnection, commands: Sequence[bytes]
) -> tuple[float, float, float, float]:
    """Returns medians in seconds: of a signature, of the form's page, of the bare commands, of the fixed answer."""
    local: list[float] = []
    asked: list[float] = []
    sent: list[float] = []
    plain: list[float] = []
    for _ in range(USES):
        began = perf_counter()
        form = page.ask()
        asked.append(perf_counter() - began)
        began = perf_counter()
        page.sign(form)
        local.append(perf_counter() - began)
        sent.append(use_bare(commands)[1])
        began = perf_counter()
        _post(bare, form.encode(), {})
        plain.append(perf_counter() - began)
    return statistics.median(local), statistics.median(asked), statistics.median(sent), statistics.median(plain)


@dataclass(slots=True)
class _Page:
    """A browser at the agent, with a card that was chosen."""

    agent: http.client.HTTPConnection
    origin: str
    handoff: str
    certificate_sha256: bytes

    @classmethod
    def open(cls, agent: RunningAgent, issued: IssuedCard) -> "_Page":
        agent.choose_phrase(PHRASE)
        parameters = parse_qs(urlsplit(agent.start()).fragment)
        port = int(parameters["port"][0])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        page = cls(connection, f"http://127.0.0.1:{port}", parameters["handoff"][0], issued.sha256)
        form = page._get("/card", {"step": "card", "operation": "registration", "role": "sole"})
        if "#handoff=" not in page._send("/card", form).decode():
            raise RuntimeError("the agent did not take the card")
        return page

    def ask(self) -> str:
        """Returns the token of the form for a new purpose."""
        purpose = Purpose(
            instance=INSTANCE,
            type=PurposeType.LOG_IN,
            operation=Operation.REGISTRATION,
            role=Role.SOLE,
            nonce=secrets.token_bytes(32),
            certificate_sha256=self.certificate_sha256,
            agency="saitama-prefecture",
            category="works",
        )
        encoded = base64.urlsafe_b64encode(encode(purpose)).rstrip(b"=").decode()
        return self._get("/sign", {"step": "sign", "purpose": encoded})

    def sign(self, token: str, pin: Pin | None = None) -> bytes:
        """Posts the form, with the PIN where it is not known, and returns the answer."""
        answer = self._send("/sign", token, {"pin": pin.encode().decode()} if pin is not None else {})
        if b"#handoff=" not in answer:
            raise RuntimeError("the agent did not sign")
        return answer

    def _get(self, path: str, parameters: dict[str, str]) -> str:
        self.agent.request("GET", f"{path}?{urlencode({'handoff': self.handoff} | parameters)}")
        found = _TOKEN.search(self.agent.getresponse().read().decode())
        if found is None:
            raise RuntimeError(f"the agent has no form at {path}")
        return found[1]

    def _send(self, path: str, token: str, fields: Mapping[str, str] = {}) -> bytes:
        body = urlencode({"token": token, "answer": "ok"} | dict(fields)).encode()
        return _post(self.agent, body, {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}, path)


def _post(connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str], path: str = "/sign") -> bytes:
    connection.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"} | headers)
    return connection.getresponse().read()


@contextlib.contextmanager
def _bare_page(commands: Sequence[bytes], length: int) -> Iterator[http.client.HTTPConnection]:
    arguments = (",".join(command.hex() for command in commands), str(length))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_page", *arguments], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )
    try:
        assert process.stdout is not None
        yield http.client.HTTPConnection("127.0.0.1", int(process.stdout.readline()), timeout=20)
    finally:
        process.terminate()
        process.wait()
