"""The notice of a release, fetched by https: kept when it is good and newer, and silence in every other case."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typing_extensions import override

from card_agent.commands.releases import fetch_all
from card_agent.release import Release, sign_release
from card_agent.release_notices import KEYS_FILE, NOTICE_FILE, find_newest
from card_agent.trust import TrustedInstance, read_trust_file
from tests.support.in_process import Authority

KEY = Ed25519PrivateKey.generate()


def make_notice(version: str, key: Ed25519PrivateKey = KEY) -> bytes:
    return sign_release(Release(version, date(2025, 12, 1)), key)


@dataclass(slots=True)
class Publisher:
    """A server of notices; and the folders of an agent that trusts it."""

    port: int
    authority: Path
    program: Path
    configuration: Path
    # Status, headers and content of the next answers.
    answer: tuple[int, dict[str, str], bytes] = (404, {}, b"")
    asked: list[str] = field(default_factory=list)

    def publish(self, notice: bytes) -> None:
        self.answer = (200, {}, notice)

    def fetch(self, scheme: str = "https", authority: Path | None = None) -> str | None:
        """Has the agent look for releases; returns the newest version that it knows then."""
        address = f"{scheme}://127.0.0.1:{self.port}/release.json"
        instance = TrustedInstance("saitama", "toroku.example:443", authority or self.authority, releases=address)
        fetch_all(self.program, self.configuration, lambda: [instance])
        newest = find_newest(self.program, self.configuration)
        return newest.version if newest else None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "saitama")


@pytest.fixture
def publisher(authority: Authority, tmp_path: Path) -> Iterator[Publisher]:
    program, configuration = tmp_path / "program", tmp_path / "山田 太郎"
    program.mkdir()
    (program / KEYS_FILE).write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            status, headers, content = served.answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        @override
        def log_message(self, *arguments: object) -> None:
            pass

    files = authority.service("publisher")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.private_key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        served = Publisher(server.server_port, authority.trusted, program, configuration)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def test_notice_is_kept_for_times_without_network(publisher: Publisher) -> None:
    publisher.publish(make_notice("99.1"))
    assert publisher.fetch() == "99.1"
    publisher.answer = (503, {}, b"")
    assert publisher.fetch() == "99.1"
    assert (publisher.configuration / NOTICE_FILE).stat().st_mode & 0o077 == 0


def test_older_notice_does_not_take_the_place_of_a_newer_one(publisher: Publisher) -> None:
    publisher.publish(make_notice("99.1"))
    publisher.fetch()
    publisher.publish(make_notice("98.0"))
    assert publisher.fetch() == "99.1"


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, make_notice("99.1", Ed25519PrivateKey.generate())),
        (200, {}, make_notice("99.1") + b"x" * 70_000),
        (200, {}, b"\xff\x00"),
        (200, {}, b""),
        (404, {}, make_notice("99.1")),
        (302, {"Location": "/elsewhere"}, b""),
        (302, {"Location": "file:///etc/passwd"}, b""),
    ],
)
def test_what_is_no_good_notice_leaves_no_trace(
    publisher: Publisher, answer: tuple[int, dict[str, str], bytes]
) -> None:
    publisher.answer = answer
    assert publisher.fetch() is None
    assert not publisher.configuration.exists()
    assert publisher.asked == ["/release.json"]


def test_server_that_cannot_be_verified_is_asked_for_nothing(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(make_notice("99.1"))
    (tmp_path / "other").mkdir()
    assert publisher.fetch(authority=Authority(tmp_path / "other", "saitama").trusted) is None
    assert publisher.fetch(authority=tmp_path / "missing.pem") is None
    assert publisher.fetch(scheme="http") is None
    assert publisher.asked == []


def test_nobody_is_asked_without_keys_or_with_a_broken_trust_file(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(make_notice("99.1"))
    trust_file = tmp_path / "trust.yaml"
    trust_file.write_text("[")
    fetch_all(publisher.program, publisher.configuration, lambda: read_trust_file(trust_file))
    (publisher.program / KEYS_FILE).unlink()
    publisher.fetch()
    assert publisher.asked == []
